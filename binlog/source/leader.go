package source

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// leader is what a server says of itself, as far as following it needs that.
type leader struct {
	version  string // as @@version says
	serverID uint32
	uuid     gtid.UUID
	gtidMode string
	logBin   bool
	format   string   // binlog_format; empty where the server no longer has it
	checksum bool     // whether events have a CRC32 just now
	executed gtid.Set // gtid_executed and gtid_owned
	purged   gtid.Set
	semiSync pluginState
}

// inspect asks the server. A server that isn't MySQL 8.0 or newer is an Error
// at once, since it needn't know the variables.
func inspect(conn *client.Conn) (leader, error) {
	vars, err := variables(conn, "SHOW GLOBAL VARIABLES WHERE Variable_name IN "+
		"('version', 'server_id', 'server_uuid', 'gtid_mode', 'log_bin', 'binlog_format', 'binlog_checksum') "+
		"OR Variable_name LIKE 'rpl\\_semi\\_sync\\_%\\_enabled'")
	if err != nil {
		return leader{}, err
	}
	l := leader{
		version: vars["version"], gtidMode: vars["gtid_mode"], logBin: vars["log_bin"] == "ON",
		format: vars["binlog_format"], checksum: vars["binlog_checksum"] == "CRC32", semiSync: semiSyncState(vars),
	}
	if err := checkVersion(l.version); err != nil {
		return leader{}, err
	}
	id, err := strconv.ParseUint(vars["server_id"], 10, 32)
	if err != nil {
		return leader{}, fmt.Errorf("read the leader's server_id: %w", err)
	}
	l.serverID = uint32(id)
	if l.uuid, err = gtid.ParseUUID(vars["server_uuid"]); err != nil {
		return leader{}, fmt.Errorf("read the leader's server_uuid: %w", err)
	}
	if l.executed, l.purged, err = sets(conn); err != nil {
		return leader{}, err
	}
	// Messages are told apart by their text where they have no number.
	if _, err := execute(conn, "SET SESSION lc_messages = 'en_US'"); err != nil {
		return leader{}, fmt.Errorf("ask the leader for English messages: %w", commandError(err))
	}
	return l, nil
}

func variables(conn *client.Conn, query string) (map[string]string, error) {
	r, err := execute(conn, query)
	if err != nil {
		return nil, fmt.Errorf("ask the leader for its settings: %w", commandError(err))
	}
	vars := map[string]string{}
	for i := range r.RowNumber() {
		name, err := r.GetString(i, 0)
		if err != nil {
			return nil, fmt.Errorf("read the leader's settings: %w", err)
		}
		if vars[name], err = r.GetString(i, 1); err != nil {
			return nil, fmt.Errorf("read the leader's setting %s: %w", name, err)
		}
	}
	return vars, nil
}

// execute runs a statement. The client indexes what a server sends without
// looking at its length, so damaged bytes can make it panic.
func execute(conn *client.Conn, statement string) (r *mysql.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("the leader's answer is damaged: %v", p)
		}
	}()
	return conn.Execute(statement)
}

// sets reads the GTID sets, which SHOW VARIABLES would cut short. Transactions
// that wait for an acknowledgement are in the binlog and not in gtid_executed,
// but owned; gtid_owned is read first, so that one which is committed meanwhile
// is in one of them.
func sets(conn *client.Conn) (executed, purged gtid.Set, err error) {
	none := gtid.Set{}
	r, err := execute(conn, "SELECT @@GLOBAL.gtid_owned, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged")
	if err != nil {
		return none, none, fmt.Errorf("ask the leader for its GTID sets: %w", commandError(err))
	}
	var parsed [3]gtid.Set
	for i := range parsed {
		text, err := r.GetString(0, i)
		if err != nil {
			return none, none, fmt.Errorf("read the leader's GTID sets: %w", err)
		}
		if i == 0 {
			text = ownedSet(text)
		}
		if parsed[i], err = gtid.ParseSet(text); err != nil {
			return none, none, fmt.Errorf("read the leader's GTID sets: %w", err)
		}
	}
	return parsed[0].Union(parsed[1]), parsed[2], nil
}

// ownedSet takes the threads out of the value of gtid_owned, "uuid:7#23:9#24".
func ownedSet(owned string) string {
	return regexp.MustCompile(`#\d+`).ReplaceAllString(owned, "")
}

// checkVersion accepts MySQL, and what is built from it, from 8.0 on.
func checkVersion(version string) error {
	if strings.Contains(strings.ToLower(version), "mariadb") {
		return &Error{Reason: NotMySQL,
			Problem: "the leader is MariaDB " + version + ", whose binlog and GTIDs are different ones",
			Mend:    "baton replicates MySQL 8.0 and newer; for MariaDB use its own replication"}
	}
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 8 {
		return &Error{Reason: NotMySQL,
			Problem: "the leader's version is " + strconv.Quote(version) + ", older than MySQL 8.0 or something else",
			Mend:    "upgrade the leader to MySQL 8.0 or newer"}
	}
	return nil
}

// check tells whether the leader can be followed as the server with this
// server_id by somebody who has the durable set.
func (l leader) check(serverID uint32, durable gtid.Set) error {
	switch {
	case l.serverID == serverID || l.uuid == replicaUUID(serverID):
		return &Error{Reason: LeaderIsSelf,
			Problem: fmt.Sprintf("the leader's server_id is %d, which baton registers with", serverID),
			Mend:    "give baton a server_id of its own"}
	case !l.logBin:
		return &Error{Reason: BinlogOff,
			Problem: "the leader writes no binlog (log_bin=OFF)",
			Mend:    "restart the leader without skip-log-bin"}
	case l.gtidMode != "ON":
		return &Error{Reason: GTIDOff,
			Problem: "the leader's gtid_mode is " + l.gtidMode,
			Mend: "on the leader: SET PERSIST enforce_gtid_consistency=ON, then gtid_mode step by step " +
				"OFF_PERMISSIVE, ON_PERMISSIVE, ON; transactions written before that have no GTID and come only with a backup " +
				"taken after it"}
	case l.format != "" && l.format != "ROW":
		return &Error{Reason: FormatNotRow,
			Problem: "the leader's binlog_format is " + l.format,
			Mend:    "on the leader: SET PERSIST binlog_format=ROW, then let clients reconnect"}
	}
	if lost := l.ofLeader(durable).Subtract(l.executed); !lost.IsEmpty() {
		return &Error{Reason: Diverged, GTIDs: lost,
			Problem: "the leader lacks transactions of its own that the relay has: " + lost.String(),
			Mend: "the leader was reset, restored from an older backup, or lost the end of its binlog in a crash; " +
				"promote a follower that has them, and seed this server anew"}
	}
	if missing := l.purged.Subtract(durable); !missing.IsEmpty() {
		return &Error{Reason: Purged, GTIDs: missing,
			Problem: "the leader has purged binlogs with transactions that the relay lacks: " + missing.String(),
			Mend: "seed the followers from a newer backup or clone of the leader, start baton with an empty relay, " +
				"and raise binlog_expire_logs_seconds on the leader"}
	}
	return nil
}

// ofLeader is the part of a set that began on the leader itself.
func (l leader) ofLeader(set gtid.Set) gtid.Set {
	var own gtid.Set
	for source, interval := range set.Intervals() {
		if source.UUID == l.uuid {
			own.AddInterval(source, interval)
		}
	}
	return own
}

// lacksOfOthers is what the durable set has of other servers and the leader
// has not. The relay's base may hold such transactions when a follower has
// errant ones, so it is no reason to stop.
func (l leader) lacksOfOthers(durable gtid.Set) gtid.Set {
	return durable.Subtract(l.executed)
}

// explain finds out what made the leader refuse or end the stream with error
// 1236, which stands for many causes: what no message tells, a look at the
// leader may.
func (s *Source) explain(ctx context.Context, err error) error {
	if serverCode(err) != errReadingBinlog {
		return err
	}
	if known := binlogError(err); known != nil {
		return known
	}
	conn, release, dialErr := s.dial(ctx)
	if dialErr != nil {
		return err
	}
	defer release()
	defer rawConn(conn).Close()
	l, inspectErr := inspect(conn)
	if inspectErr != nil {
		return err
	}
	if found := l.check(s.cfg.ServerID, s.deps.Relay.Durable()); found != nil {
		return found
	}
	return unreadable(err)
}
