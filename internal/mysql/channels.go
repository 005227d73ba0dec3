package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"net"
)

// A Channel is a replication channel of the server itself.
type Channel struct {
	Name      string // empty for the default channel
	Source    string // host:port that it replicates from
	Receiving bool   // its receiver runs, or tries to connect
	Applying  bool   // its applier runs
	LastError string
}

// Running tells whether the channel does anything.
func (c Channel) Running() bool { return c.Receiving || c.Applying }

// readChannels asks for all channels. The statement, unlike the tables of
// performance_schema, is there when performance_schema is off.
func readChannels(ctx context.Context, conn *sql.Conn, f *Facts) error {
	statement := "SHOW REPLICA STATUS"
	if !f.Version.AtLeast(8, 0, 22) {
		statement = "SHOW SLAVE STATUS"
	}
	rows, err := namedRows(ctx, conn, statement)
	if err != nil {
		return err
	}
	for _, r := range rows {
		f.Channels = append(f.Channels, channelOf(r))
	}
	return nil
}

// channelOf reads a row by its new names or by those before 8.0.22.
func channelOf(r values) Channel {
	runs := func(state string) bool { return state == "Yes" || state == "Connecting" }
	return Channel{
		Name:      r["channel_name"],
		Source:    net.JoinHostPort(cmp.Or(r["source_host"], r["master_host"]), cmp.Or(r["source_port"], r["master_port"])),
		Receiving: runs(cmp.Or(r["replica_io_running"], r["slave_io_running"])),
		Applying:  runs(cmp.Or(r["replica_sql_running"], r["slave_sql_running"])),
		LastError: cmp.Or(r["last_io_error"], r["last_sql_error"], r["last_error"]),
	}
}
