package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

const (
	// fenceStatement refuses the writes of all accounts. The global read lock comes
	// first, since super_read_only=ON by itself takes it twice, for read_only
	// before: a statement of an account with CONNECTION_ADMIN that waits for it
	// gets through between the two, and is acknowledged after semi-sync was
	// switched off. It is one query, which the server finishes even if baton dies.
	fenceStatement = "/* baton: fence */ FLUSH TABLES WITH READ LOCK; SET GLOBAL super_read_only = ON; UNLOCK TABLES"
	// fencePoll is the time between two looks at the connections.
	fencePoll = 10 * time.Millisecond
	// transactionsAge is more than the age that INNODB_TRX may have.
	transactionsAge = 120 * time.Millisecond
	// fencedGrace is how long the statement is waited for where super_read_only is
	// ON already, before connections are ended.
	fencedGrace = 200 * time.Millisecond
	// lockForEver is the server's longest lock_wait_timeout.
	lockForEver = 365 * 24 * time.Hour
)

// FenceOptions are the options of [FenceLeader].
type FenceOptions struct {
	// Step, if set, is told each step when it is done, in words.
	Step func(name, detail string)
}

// A FenceResult is what [FenceLeader] did and found.
type FenceResult struct {
	// GTIDExecuted is the server's last: nothing is added to it while it stays
	// fenced, but by SET GLOBAL gtid_purged.
	GTIDExecuted gtid.Set
	// Released are the transactions that waited for an acknowledgement. They are
	// in GTIDExecuted, and their clients were told of a broken connection.
	Released gtid.Set
	// Ended is the number of connections that were ended.
	Ended int
	// Already tells that the server was fenced before.
	Already bool
}

// A fencing is a FenceLeader under way.
type fencing struct {
	opts    FenceOptions
	control *sql.DB
	user    string          // baton's own
	done    chan error      // of the statement
	began   uint64          // the statement's connection
	before  uint64          // the newest connection when the statement was seen to wait first; 0 until then
	waited  time.Time       // that moment
	ended   map[uint64]bool // connections
	off     bool            // semi-sync was switched off
	result  FenceResult
}

// FenceLeader makes sure that an old leader that answers commits nothing more,
// and that no client was told of a commit that nobody has acknowledged, in the
// one order in which that is so:
//
//  1. super_read_only=ON is issued on a connection of its own and not awaited:
//     it waits for the commits that wait for an acknowledgement. From then on no
//     statement that writes begins.
//  2. Every connection of clients is ended, those that come meanwhile too, until
//     none is left that could have a transaction open, and no waiter that isn't
//     ended. A client whose connection is ended is told so at once, and can't
//     be told of success any more.
//  3. Only then semi-sync is switched off, which lets go of the waiters.
//  4. The first statement returns: no commit is under way any more.
//  5. gtid_executed is read.
//
// Baton's own connections are spared where they have no transaction open; its
// stream has to be closed before (what it acknowledges, clients are told). It
// may be called again at any time, and leaves connections alone where the server
// is fenced already. It ends with ctx: then semi-sync is still on if there is a
// client that waits, and the statement still waits in the server. Errors wrap a
// [*Fault] or ctx's error.
func FenceLeader(ctx context.Context, target Target, opts FenceOptions) (FenceResult, error) {
	control, err := target.Open()
	if err != nil {
		return FenceResult{}, err
	}
	defer func() { _ = control.Close() }()
	patient, err := target.openPatient(lockForEver)
	if err != nil {
		return FenceResult{}, err
	}
	defer func() { _ = patient.Close() }()
	f := &fencing{opts: opts, control: control, done: make(chan error, 1), ended: map[uint64]bool{}}
	if err := f.run(ctx, patient); err != nil {
		return f.result, fmt.Errorf("fence %s: %w", target.Name, err)
	}
	return f.result, nil
}

func (f *fencing) step(name, format string, args ...any) {
	if f.opts.Step != nil {
		f.opts.Step(name, fmt.Sprintf(format, args...))
	}
}

func (f *fencing) run(ctx context.Context, patient *sql.DB) error {
	var fenced bool
	if err := f.control.QueryRowContext(ctx, "SELECT @@GLOBAL.super_read_only").Scan(&fenced); err != nil {
		return Classify(err)
	}
	var err error
	if f.user, err = ownUser(ctx, f.control); err != nil {
		return err
	}
	conn, err := f.connect(ctx, patient)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	returned := make(chan struct{})
	defer func() { cancel(); <-returned; _ = conn.Close() }()
	go func() {
		defer close(returned)
		_, err := conn.ExecContext(ctx, fenceStatement)
		f.done <- err
	}()
	f.step("refuse writes", "super_read_only=ON is on its way")
	if fenced {
		select {
		case err := <-f.done:
			f.result.Already = true
			return f.finish(ctx, err)
		case <-time.After(fencedGrace):
		case <-ctx.Done():
		}
	}
	return f.clear(ctx)
}

// connect opens the statement's connection, ending those of clients where they
// have taken all that the server has.
func (f *fencing) connect(ctx context.Context, patient *sql.DB) (*sql.Conn, error) {
	for {
		conn, err := patient.Conn(ctx)
		if err == nil {
			if err = conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&f.began); err == nil {
				return conn, nil
			}
			_ = conn.Close()
		}
		fault := Classify(err)
		if fault.Kind != TooManyConnections || ctx.Err() != nil {
			return nil, fault
		}
		if _, err := f.endAll(ctx); err != nil {
			return nil, err
		}
		time.Sleep(fencePoll)
	}
}

// clear ends connections until the statement returns.
func (f *fencing) clear(ctx context.Context) error {
	for {
		clear, err := f.endAll(ctx)
		if err != nil && (ctx.Err() != nil || Classify(err).Kind != PrivilegeMissing) {
			return err
		}
		if err == nil && clear && !f.off {
			if err := f.release(ctx); err != nil {
				return err
			}
		}
		select {
		case err := <-f.done:
			if err == nil {
				// Whoever has come meanwhile knows the old leader only.
				_, err = f.endAll(ctx)
			}
			return f.finish(ctx, err)
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("%w (%w)", err, ctx.Err())
			}
			return fmt.Errorf("wait until no commit is under way any more: %w", ctx.Err())
		case <-time.After(fencePoll):
		}
	}
}

// endAll ends the connections of clients. It tells whether, before it did, none
// was left that could have had a transaction open before the statement waited.
func (f *fencing) endAll(ctx context.Context) (clear bool, err error) {
	open, err := transactions(ctx, f.control)
	if err != nil {
		return false, err
	}
	all, err := Connections(ctx, f.control)
	if err != nil {
		return false, err
	}
	clear = f.before != 0 && time.Since(f.waited) > transactionsAge
	var newest uint64
	waiting := false
	var refused error
	for _, c := range all {
		newest = max(newest, c.ID)
		if c.ID == f.began {
			waiting = strings.HasPrefix(c.State, "Waiting for")
			continue
		}
		own := c.User == f.user && !open[c.ID] && !c.Waits()
		if c.Ended() || own || !c.client() {
			continue
		}
		if c.ID <= f.before || c.Waits() {
			clear = false
		}
		switch err := endConnection(ctx, f.control, c); {
		case err == nil:
			f.ended[c.ID] = true
		case ctx.Err() != nil:
			return false, err
		default:
			refused = err
		}
	}
	if f.before == 0 && waiting {
		f.before, f.waited = newest, time.Now()
	}
	f.result.Ended = len(f.ended)
	return clear, refused
}

// release switches semi-sync off: nobody who waits is there to be told.
func (f *fencing) release(ctx context.Context) error {
	f.step("end connections", "%d connections of clients are ended", len(f.ended))
	var err error
	if f.result.Released, err = readOwned(ctx, f.control); err != nil {
		return err
	}
	if err := f.switchOff(ctx); err != nil {
		return err
	}
	f.off = true
	if n := f.result.Released.Count(); n > 0 {
		f.step("switch semi-sync off", "%d transactions that waited were let go; their clients were told of a broken connection", n)
	}
	return nil
}

func (f *fencing) switchOff(ctx context.Context) error {
	names, ok, err := loadedSemiSync(ctx, f.control)
	if err != nil || !ok {
		return err
	}
	return names.switchOff(ctx, f.control)
}

// finish reads what the server has in the end, the statement having returned.
func (f *fencing) finish(ctx context.Context, err error) error {
	if err != nil {
		return fmt.Errorf("super_read_only = ON: %w", Classify(err))
	}
	// Nothing waits any more; a follower must not.
	if !f.off {
		if err := f.switchOff(ctx); err != nil {
			return err
		}
	}
	var fenced bool
	if err := f.control.QueryRowContext(ctx, "SELECT @@GLOBAL.super_read_only").Scan(&fenced); err != nil {
		return Classify(err)
	}
	if !fenced {
		return errors.New("somebody has made it writable again")
	}
	f.result.GTIDExecuted, err = GTIDExecuted(ctx, f.control)
	if err == nil {
		f.step("fenced", "gtid_executed is %s", f.result.GTIDExecuted)
	}
	return err
}
