package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// readReaders asks who reads the server's own binlog.
func readReaders(ctx context.Context, conn *sql.Conn, f *Facts) error {
	own, err := ownUser(ctx, conn)
	if err != nil {
		return err
	}
	all, err := Connections(ctx, conn)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.ReadsBinlog() && c.User != own {
			f.BinlogReaders = append(f.BinlogReaders, c.User+"@"+c.Host)
		}
	}
	return nil
}

// ReadsBinlog tells whether a replica, change data capture or a backup reads the
// server's binlog there.
func (c Connection) ReadsBinlog() bool { return strings.HasPrefix(c.Command, "Binlog Dump") }

// How a follower may be applied to in batches (Cluster.Batches).
const (
	BatchesAuto   = "auto"
	BatchesAlways = "always"
)

// judgeBinlogReaders says what becomes of a follower whose own binlog is read:
// batches aren't in it.
func judgeBinlogReaders(c *Cluster, m *Member) verdict {
	readers := strings.Join(m.Facts.BinlogReaders, ", ")
	switch {
	case m.Leader || c.Batches == "":
		return verdict{}
	case readers == "":
		return fine("nobody reads its binlog, so that it may be applied to in batches (%s)", c.Batches)
	case c.Batches == BatchesAlways:
		return verdict{level: Warn, message: fmt.Sprintf("its binlog is read by %s, and what is applied in batches isn't in it: whoever reads it lacks that", readers),
			mend: "set apply.catch_up.mode to off, and seed what reads the binlog anew"}
	}
	return verdict{level: Warn, message: fmt.Sprintf("its binlog is read by %s, in which batches aren't: it is applied to transaction by transaction, also when it is behind, once baton has seen the reader", readers),
		mend: "set apply.catch_up.mode to off where a follower's binlog is read: a reader that isn't connected is not seen"}
}
