package mysql

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/batondb/baton/binlog/gtid"
)

const (
	noSuchThread = 1094
	notTheOwner  = 1095
)

// A Connection is a row of SHOW PROCESSLIST.
type Connection struct {
	ID      uint64
	User    string
	Host    string // with the port
	Command string // Sleep, Query, Binlog Dump GTID …
	State   string // what its statement is at
	Seconds int64  // for how long
	Text    string // the beginning of the statement
}

const (
	awaitsAcknowledgement = "Waiting for semi-sync ACK" // "from replica", before 8.0.26 "from slave"
	awaitsCommit          = "waiting for handler commit"
)

// Waits tells whether a client waits there for the end of a commit, so maybe for
// its acknowledgement: of the commits that a server makes as one group only the
// first shows that it waits for it. One whose connection was ended doesn't wait:
// it was told so.
func (c Connection) Waits() bool {
	return !c.Ended() && (c.AwaitsAcknowledgement() || strings.EqualFold(c.State, awaitsCommit))
}

// AwaitsAcknowledgement tells whether the commit there, and with it perhaps
// others, waits for the acknowledgement, for an ended client too.
func (c Connection) AwaitsAcknowledgement() bool {
	return strings.HasPrefix(c.State, awaitsAcknowledgement)
}

// Commits tells whether a commit is under way there, before or at its wait for
// an acknowledgement; a server that has no room for its binlog says so, too.
func (c Connection) Commits() bool {
	return c.AwaitsAcknowledgement() || strings.EqualFold(c.State, awaitsCommit) || strings.EqualFold(c.State, "Waiting for disk space")
}

// Ended tells whether the connection was killed, though its thread may be there
// for long.
func (c Connection) Ended() bool { return c.Command == "Killed" }

// client tells whether somebody may be sending statements there, rather than
// the server itself, or somebody who has not logged in yet.
func (c Connection) client() bool {
	switch c.User {
	case "system user", "event_scheduler", "unauthenticated user":
		return false
	}
	return c.Command != "Daemon"
}

// Connections returns all connections of a server. The statement, unlike the
// table of performance_schema, is there in every version and setting.
func Connections(ctx context.Context, q Querier) ([]Connection, error) {
	rows, err := namedRows(ctx, q, "SHOW PROCESSLIST")
	if err != nil {
		return nil, fmt.Errorf("read the connections: %w", Classify(err))
	}
	all := make([]Connection, 0, len(rows))
	for _, r := range rows {
		id, err := strconv.ParseUint(r["id"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the connections: %w", err)
		}
		all = append(all, Connection{
			ID: id, User: r["user"], Host: r["host"], Command: r["command"], State: r["state"],
			Seconds: r.integer("time"), Text: r["info"],
		})
	}
	return all, nil
}

// Waiters counts the clients that wait for the end of a commit; see
// [Connection.Waits].
func Waiters(ctx context.Context, q Querier) (int, error) {
	all, err := Connections(ctx, q)
	n := 0
	for _, c := range all {
		if c.Waits() {
			n++
		}
	}
	return n, err
}

// endConnection ends a connection: its client gets an error at once, whatever
// becomes of its statement. It does nothing where the connection is gone.
func endConnection(ctx context.Context, q Querier, c Connection) error {
	_, err := q.ExecContext(ctx, "KILL CONNECTION "+strconv.FormatUint(c.ID, 10))
	f := Classify(err)
	switch {
	case f == nil || f.Code == noSuchThread:
		return nil
	case f.Code == notTheOwner:
		f = &Fault{Kind: PrivilegeMissing, Code: f.Code, Err: err,
			Message: fmt.Sprintf("%s at %s has SYSTEM_USER, so that baton may not end its connection %d", c.User, c.Host, c.ID),
			Mend:    "grant SYSTEM_USER and CONNECTION_ADMIN to baton's account, or end that connection"}
	}
	return fmt.Errorf("end connection %d: %w", c.ID, f)
}

// transactions returns the connections that have an open transaction.
func transactions(ctx context.Context, q Querier) (map[uint64]bool, error) {
	rows, err := namedRows(ctx, q, "SELECT trx_mysql_thread_id AS id FROM information_schema.INNODB_TRX")
	if err != nil {
		return nil, fmt.Errorf("read the open transactions: %w", Classify(err))
	}
	open := map[uint64]bool{}
	for _, r := range rows {
		open[uint64(r.integer("id"))] = true
	}
	return open, nil
}

// EndTransactions ends the connections of clients that have an open
// transaction, and returns how many: on an old leader that is read-only they
// can't commit, and what they have locked is in the way of its applier.
// Connections of baton's account are spared.
func EndTransactions(ctx context.Context, q Querier) (int, error) {
	user, err := ownUser(ctx, q)
	if err != nil {
		return 0, err
	}
	open, err := transactions(ctx, q)
	if err != nil {
		return 0, err
	}
	all, err := Connections(ctx, q)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, c := range all {
		if !open[c.ID] || c.Ended() || !c.client() || c.User == user {
			continue
		}
		if err := endConnection(ctx, q, c); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// ownedThread is what gtid_owned has after each number, "uuid:7#23:9#24".
var ownedThread = regexp.MustCompile(`#\d+`)

// readOwned returns the GTIDs of the transactions that are being committed.
func readOwned(ctx context.Context, q Querier) (gtid.Set, error) {
	var text string
	if err := q.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_owned").Scan(&text); err != nil {
		return gtid.Set{}, fmt.Errorf("read gtid_owned: %w", Classify(err))
	}
	return parseOwned(text)
}

func parseOwned(text string) (gtid.Set, error) {
	owned, err := gtid.ParseSet(ownedThread.ReplaceAllString(text, ""))
	if err != nil {
		return gtid.Set{}, fmt.Errorf("read gtid_owned: %w", err)
	}
	return owned, nil
}

// ownUser returns the user name of baton's account as the connections show it.
func ownUser(ctx context.Context, q Querier) (string, error) {
	var user string
	if err := q.QueryRowContext(ctx, "SELECT SUBSTRING_INDEX(USER(), '@', 1)").Scan(&user); err != nil {
		return "", fmt.Errorf("read the account's name: %w", Classify(err))
	}
	return user, nil
}
