package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

const (
	// freezeMark begins the statement, by which it is found again.
	freezeMark      = "/* baton: freeze */"
	freezeStatement = freezeMark + " SET GLOBAL super_read_only = ON"
	// undoTimeout bounds the undoing of a freeze that failed.
	undoTimeout = 10 * time.Second
)

// FreezeOptions are the options of [FreezeLeader].
type FreezeOptions struct {
	// Drain is how long what runs may go on before it is ended.
	Drain time.Duration
	// Step, if set, is told each step, in words.
	Step func(name, detail string)
}

// A FreezeResult is what [FreezeLeader] did and found.
type FreezeResult struct {
	// GTIDExecuted is the server's last: nothing is added to it until [Unfreeze].
	GTIDExecuted gtid.Set
	// Ended is the number of connections that were ended.
	Ended int
}

// FreezeLeader makes a leader refuse all writes (super_read_only=ON), and
// returns when no commit is under way any more. Baton has to acknowledge
// meanwhile: commits that run are finished, and their clients told so.
//
// From its beginning on, statements that write wait, and so do commits; when it
// returns they, and all later ones, get error 1290. A transaction that was open
// is not ended, unless it is in the way: its COMMIT gets error 1290, and
// [EndTransactions] is for its locks. What is still in the way after Drain (a
// statement that writes, LOCK TABLES … WRITE) is ended by ending its connection,
// baton's own account spared.
//
// Where it fails, or ctx ends, the leader is made writable again before it
// returns; if that fails too, the error says so. Errors wrap a [*Fault] or ctx's
// error.
func FreezeLeader(ctx context.Context, target Target, opts FreezeOptions) (FreezeResult, error) {
	control, err := target.Open()
	if err != nil {
		return FreezeResult{}, err
	}
	defer func() { _ = control.Close() }()
	// If baton dies, the statement must not make a leader read-only much later.
	lockWait := opts.Drain + time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		lockWait = min(lockWait, time.Until(deadline)+time.Second)
	}
	patient, err := target.openPatient(lockWait)
	if err != nil {
		return FreezeResult{}, err
	}
	defer func() { _ = patient.Close() }()
	z := &freezing{opts: opts, control: control, done: make(chan error, 1), ended: map[uint64]bool{}}
	result, err := z.run(ctx, patient)
	if err == nil {
		return result, nil
	}
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if undoErr := Unfreeze(undo, control); undoErr != nil {
		err = fmt.Errorf("%w; and making it writable again failed: %w", err, undoErr)
	}
	return result, fmt.Errorf("make %s read-only: %w", target.Name, err)
}

// A freezing is a FreezeLeader under way.
type freezing struct {
	opts    FreezeOptions
	control *sql.DB
	user    string
	done    chan error
	ended   map[uint64]bool
}

func (z *freezing) step(name, format string, args ...any) {
	if z.opts.Step != nil {
		z.opts.Step(name, fmt.Sprintf(format, args...))
	}
}

func (z *freezing) run(ctx context.Context, patient *sql.DB) (FreezeResult, error) {
	var err error
	if z.user, err = ownUser(ctx, z.control); err != nil {
		return FreezeResult{}, err
	}
	conn, err := patient.Conn(ctx)
	if err != nil {
		return FreezeResult{}, Classify(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	returned := make(chan struct{})
	defer func() { cancel(); <-returned; _ = conn.Close() }()
	go func() {
		defer close(returned)
		_, err := conn.ExecContext(ctx, freezeStatement)
		z.done <- err
	}()
	z.step("refuse writes", "super_read_only=ON waits for the commits that are under way")
	err = z.await(ctx)
	result := FreezeResult{Ended: len(z.ended)}
	if err != nil {
		return result, err
	}
	result.GTIDExecuted, err = GTIDExecuted(ctx, z.control)
	if err == nil {
		z.step("frozen", "gtid_executed is %s", result.GTIDExecuted)
	}
	return result, err
}

// await waits until the statement returns, and after Drain ends what is in its
// way.
func (z *freezing) await(ctx context.Context) error {
	next := time.After(z.opts.Drain)
	for {
		select {
		case err := <-z.done:
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("super_read_only = ON: %w", Classify(err))
			}
			return ctx.Err()
		case <-ctx.Done():
			return fmt.Errorf("wait until no commit is under way any more: %w", ctx.Err())
		case <-next:
			if err := z.endBlockers(ctx); err != nil {
				return err
			}
			next = time.After(fencePoll)
		}
	}
}

func (z *freezing) endBlockers(ctx context.Context) error {
	blocking, err := z.blocking(ctx)
	if err != nil {
		return err
	}
	all, err := Connections(ctx, z.control)
	if err != nil {
		return err
	}
	for _, c := range all {
		// Who waits for an acknowledgement has committed already.
		if !blocking(c) || c.Ended() || c.Waits() || !c.client() || c.User == z.user {
			continue
		}
		if err := endConnection(ctx, z.control, c); err != nil {
			return err
		}
		z.ended[c.ID] = true
		z.step("end connections", "%s at %s was ended, which still wrote after %s", c.User, c.Host, z.opts.Drain)
	}
	return nil
}

// blocking tells which connections are in the way: those that have the locks
// that the statement waits for. Where performance_schema doesn't tell, it is all
// that do something, or have a transaction open.
func (z *freezing) blocking(ctx context.Context) (func(Connection) bool, error) {
	const subject = "see what is in the way: %w"
	told, err := namedRows(ctx, z.control, "SELECT NAME FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl' AND ENABLED = 'YES'")
	if err != nil {
		return nil, fmt.Errorf(subject, Classify(err))
	}
	if len(told) > 0 {
		rows, err := namedRows(ctx, z.control, "SELECT DISTINCT t.PROCESSLIST_ID AS id"+
			" FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID"+
			" WHERE l.OBJECT_TYPE IN ('GLOBAL', 'COMMIT') AND l.LOCK_STATUS = 'GRANTED' AND t.PROCESSLIST_ID IS NOT NULL")
		if err != nil {
			return nil, fmt.Errorf(subject, Classify(err))
		}
		holders := map[uint64]bool{}
		for _, r := range rows {
			holders[uint64(r.integer("id"))] = true
		}
		return func(c Connection) bool { return holders[c.ID] }, nil
	}
	open, err := transactions(ctx, z.control)
	if err != nil {
		return nil, err
	}
	return func(c Connection) bool {
		return open[c.ID] || c.Command != "Sleep" && !strings.HasPrefix(c.Command, "Binlog Dump")
	}, nil
}

// Unfreeze undoes [FreezeLeader]: it ends a statement of it that still waits,
// such as that of a baton that died, and makes the server writable. Errors wrap
// a [*Fault].
func Unfreeze(ctx context.Context, q Querier) error {
	for {
		all, err := Connections(ctx, q)
		if err != nil {
			return err
		}
		waits := false
		for _, c := range all {
			if !strings.HasPrefix(c.Text, freezeMark) {
				continue
			}
			waits = true
			if err := endConnection(ctx, q, c); err != nil {
				return err
			}
		}
		if !waits {
			return MakeWritable(ctx, q)
		}
		// Made writable before the statement has ended, it could be read-only again.
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of what makes it read-only: %w", ctx.Err())
		case <-time.After(fencePoll):
		}
	}
}
