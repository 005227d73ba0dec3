package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/batondb/baton/binlog/gtid"
)

// A Querier is a *sql.DB or a *sql.Conn.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// GTIDExecuted returns the server's gtid_executed. Its errors wrap a [*Fault],
// as those of the other functions of this file.
func GTIDExecuted(ctx context.Context, q Querier) (gtid.Set, error) {
	return readSet(ctx, q, "gtid_executed")
}

// GTIDPurged returns the server's gtid_purged: what its binlogs can't give.
func GTIDPurged(ctx context.Context, q Querier) (gtid.Set, error) {
	return readSet(ctx, q, "gtid_purged")
}

func readSet(ctx context.Context, q Querier, name string) (gtid.Set, error) {
	var text string
	if err := q.QueryRowContext(ctx, "SELECT @@GLOBAL."+name).Scan(&text); err != nil {
		return gtid.Set{}, fmt.Errorf("read %s: %w", name, Classify(err))
	}
	set, err := gtid.ParseSet(text)
	if err != nil {
		return gtid.Set{}, fmt.Errorf("read %s: %w", name, Classify(err))
	}
	return set, nil
}

// MakeFollower refuses writes of all accounts but those with CONNECTION_ADMIN:
// read_only=ON, and super_read_only=OFF, since that would refuse BINLOG too. It
// waits for statements that hold a lock, at most the connection's
// lock_wait_timeout, and is without effect where it is so already.
//
// It also sets log_bin_trust_function_creators=ON until the server's next start:
// a server with a binlog otherwise refuses what the leader allowed, triggers
// and deterministic functions to all but SUPER (1419), other functions to
// everybody (1418). Who doesn't replicate can't create any there meanwhile.
//
// And it switches the event scheduler off, until [MakeWritable] or the server's
// next start: what an event of the leader's writes comes by the binlog, and the
// follower's own run of it would be a transaction that the leader hasn't, for
// read_only doesn't hold a definer with SUPER or CONNECTION_ADMIN back.
//
// Before that it switches semi-sync off as a source ([TearDownSemiSync]), with
// which each transaction that is applied would wait for an acknowledgement that
// nobody sends. So an old leader that was started again, fenced, follows.
func MakeFollower(ctx context.Context, q Querier) error {
	if err := TearDownSemiSync(ctx, q); err != nil {
		return err
	}
	if err := suspendEvents(ctx, q); err != nil {
		return err
	}
	if err := set(ctx, q, "SET GLOBAL super_read_only = OFF, GLOBAL read_only = ON"); err != nil {
		return err
	}
	return SetTrustFunctionCreators(ctx, q, true)
}

// SetTrustFunctionCreators sets log_bin_trust_function_creators, on a server
// that has it: on a follower that is promoted, to the former leader's value
// (Facts.TrustFunctionCreators). The follower's own is not known any more: what
// its option file says can't be read once the variable was set. Where the former
// leader's isn't known either, ON stays, since that refuses nothing that clients
// were allowed, while OFF might.
func SetTrustFunctionCreators(ctx context.Context, q Querier, on bool) error {
	const unknownVariable = 1193
	err := set(ctx, q, "SET GLOBAL log_bin_trust_function_creators = "+onOff(on))
	if f := Classify(err); f != nil && f.Code == unknownVariable {
		return nil
	}
	return err
}

// TrustsFunctionCreators reads log_bin_trust_function_creators, which a server
// that doesn't have it any more counts as ON.
func TrustsFunctionCreators(ctx context.Context, q Querier) (bool, error) {
	var name, value string
	err := q.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'log_bin_trust_function_creators'").Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read log_bin_trust_function_creators: %w", Classify(err))
	}
	return isOn(value), nil
}

// MakeWritable allows writes: read_only=OFF, which clears super_read_only too,
// and the event scheduler goes on if MakeFollower has switched it off. It
// changes nothing of what the server starts with.
func MakeWritable(ctx context.Context, q Querier) error {
	if err := set(ctx, q, "SET GLOBAL read_only = OFF"); err != nil {
		return err
	}
	return resumeEvents(ctx, q)
}

// Fence refuses writes of all accounts, those of applying included. It returns
// when no commit is under way any more: on a leader whose commits wait for an
// acknowledgement it blocks, and only its return proves anything. A leader is
// fenced by [FenceLeader].
func Fence(ctx context.Context, q Querier) error {
	return set(ctx, q, "SET GLOBAL super_read_only = ON")
}

// Fenced tells whether super_read_only is ON. Its error wraps a [*Fault].
func Fenced(ctx context.Context, q Querier) (fenced bool, err error) {
	if err := q.QueryRowContext(ctx, "SELECT @@GLOBAL.super_read_only").Scan(&fenced); err != nil {
		return false, fmt.Errorf("read super_read_only: %w", Classify(err))
	}
	return fenced, nil
}

// FencedSinceStart tells whether a server that is fenced has been so since it
// started: super_read_only has the value that it started with, and nobody has set
// it since. Unlike a comparison of times it doesn't depend on any clock. Its error
// wraps a [*Fault].
func FencedSinceStart(ctx context.Context, q Querier) (since bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT @@GLOBAL.super_read_only AND VARIABLE_SOURCE <> 'DYNAMIC'"+
		" FROM performance_schema.variables_info WHERE VARIABLE_NAME = 'super_read_only'").Scan(&since)
	if err != nil {
		return false, fmt.Errorf("read who has set super_read_only: %w", Classify(err))
	}
	return since, nil
}

// PersistFence makes the server start with super_read_only=ON, and so
// read_only=ON, from its next start on, and changes nothing before. A server
// that is started without its option file, or with persisted_globals_load=OFF,
// doesn't heed it.
func PersistFence(ctx context.Context, q Querier) error {
	return set(ctx, q, "SET PERSIST_ONLY super_read_only = ON")
}

// UnpersistFence undoes [PersistFence], for an instance that baton gives up.
func UnpersistFence(ctx context.Context, q Querier) error {
	return set(ctx, q, "RESET PERSIST IF EXISTS super_read_only")
}

// AddPurged adds a set, of which the server may have executed or own nothing,
// to gtid_executed and gtid_purged.
func AddPurged(ctx context.Context, q Querier, add gtid.Set) error {
	if add.IsEmpty() {
		return nil
	}
	return set(ctx, q, "SET GLOBAL gtid_purged = '+"+add.String()+"'")
}

func set(ctx context.Context, q Querier, statement string) error {
	if _, err := q.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, Classify(err))
	}
	return nil
}
