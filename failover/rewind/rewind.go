package rewind

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/logkey"
	"github.com/batondb/baton/internal/mysql"
	"go.uber.org/zap"
)

// fenceTimeout bounds how long fencing the instance again may take when ctx may
// have ended already.
const fenceTimeout = 20 * time.Second

// Deps is what a rewind works on and with.
type Deps struct {
	// Target is the old leader.
	Target mysql.Target
	// ServerID is shown to the old leader when its binlog is read.
	ServerID uint32
	Logger   *zap.Logger // nil: none
}

func (d Deps) logger() *zap.Logger {
	if d.Logger == nil {
		return zap.NewNop()
	}
	return d.Logger.With(zap.String(logkey.Instance, d.Target.Name))
}

// A Step is one of a rewind's; see [Say].
type Step string

// The steps of a rewind, in order. Each is told when it begins, Done at the end.
const (
	StepOpen  Step = "open"        // super_read_only=OFF, read_only stays ON: rows can be written by baton alone
	StepUndo  Step = "undo"        // undoing the rows, in one transaction
	StepMark  Step = "commit"      // committing that together with the mark
	StepFence Step = "fence"       // super_read_only=ON
	StepGTIDs Step = "correct"     // taking the errant GTIDs out of gtid_executed
	StepClear Step = "remove mark" // removing the mark
	StepDone  Step = "done"
)

// Say is told of each step, with a detail in words. It may be nil.
type Say func(step Step, detail string)

func (s Say) say(step Step, format string, args ...any) {
	if s != nil {
		s(step, fmt.Sprintf(format, args...))
	}
}

// Errant is the errant transactions of an instance, in a folder on disk.
type Errant struct {
	deps     Deps
	folder   string
	read     time.Time
	uuid     string   // the instance's server_uuid
	set      gtid.Set // the errant GTIDs
	executed gtid.Set // its gtid_executed when they were read
	spool    *os.File

	transactions []*binlog.Transaction
	tables       tables
	plan         Plan
}

// Folder is where the transactions are kept.
func (e *Errant) Folder() string { return e.folder }

// Set is their GTIDs.
func (e *Errant) Set() gtid.Set { return e.set }

// Transactions are they, in the order of the binlog.
func (e *Errant) Transactions() []*binlog.Transaction { return e.transactions }

// Plan says what there is to undo, and whether it can be.
func (e *Errant) Plan() Plan { return e.plan }

// Close closes what was read; the folder stays. It may be called twice.
func (e *Errant) Close() error {
	if err := e.spool.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close the errant transactions: %w", err)
	}
	return nil
}

// A Conflict says that a row is not what the errant transactions left: somebody
// else changed it without a trace in the binlog, or a later transaction did.
// Nothing was undone.
type Conflict struct {
	GTID  gtid.GTID
	Table string
	Row   string // the values that the errant transaction left, or of its key
	Cause error  // the server's error; nil where baton's own look found it
}

// Error says it in one line.
func (c *Conflict) Error() string {
	text := fmt.Sprintf("the row %s of %s is not as the errant transaction %s left it, so nothing was undone", c.Row, c.Table, c.GTID)
	if c.Cause != nil {
		text += ": " + c.Cause.Error()
	}
	return text + "; put the row right with sql_log_bin=0, or rebuild the instance"
}

// Unwrap returns the cause.
func (c *Conflict) Unwrap() error { return c.Cause }

// A Refused says why errant transactions can't be undone. Nothing was touched.
type Refused struct{ Refusals []Refusal }

// Error names the first reason.
func (r *Refused) Error() string {
	text := "the errant transactions can't be undone: " + r.Refusals[0].String()
	if more := len(r.Refusals) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more reasons)", more)
	}
	return text + "; rebuild the instance from another, after a look at the exported transactions"
}

// ErrChanged is wrapped by the error of [Errant.Rewind] when the instance is not
// what it was when its errant transactions were read: read them again.
var ErrChanged = errors.New("the instance has changed since its errant transactions were read")

// ErrMarked is wrapped by errors about an instance on which an earlier rewind is
// unfinished: call [Finish] first.
var ErrMarked = errors.New("an earlier rewind of the instance is unfinished")

// Rewind undoes the errant transactions and corrects gtid_executed. The error
// wraps [*Refused], [*Conflict], [ErrChanged], [ErrMarked], a [*mysql.Fault] or
// ctx's error. After any but an error of [Finish]'s part the instance is as
// before; in that part, which begins with StepFence, Finish goes on. Which of
// both it was, the mark tells.
func (e *Errant) Rewind(ctx context.Context, say Say) (err error) {
	if refusals := e.plan.Refusals; len(refusals) > 0 {
		return &Refused{Refusals: refusals}
	}
	db, err := e.deps.Target.Open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := e.checkUnchanged(ctx, db); err != nil {
		return fmt.Errorf("rewind %s: %w", e.deps.Target.Name, err)
	}
	defer func() { err = errors.Join(err, refence(ctx, db, err)) }()
	say.say(StepOpen, "super_read_only=OFF, read_only=ON")
	if err := mysql.MakeFollower(ctx, db); err != nil {
		return fmt.Errorf("rewind %s: %w", e.deps.Target.Name, err)
	}
	if err := e.undo(ctx, say); err != nil {
		return fmt.Errorf("rewind %s: %w", e.deps.Target.Name, err)
	}
	e.deps.logger().Info("errant transactions undone; their GTIDs are corrected next",
		zap.Stringer(logkey.GTIDSet, e.set), zap.String(logkey.Path, e.folder))
	if _, err := finish(ctx, e.deps, db, say); err != nil {
		return fmt.Errorf("rewind %s: %w", e.deps.Target.Name, err)
	}
	return e.note(time.Now())
}

// checkUnchanged makes sure that the server is still the one, and as far, as
// when it was read.
func (e *Errant) checkUnchanged(ctx context.Context, db *sql.DB) error {
	_, marked, err := ReadMark(ctx, db)
	switch {
	case err != nil:
		return err
	case marked:
		return ErrMarked
	}
	uuid, executed, err := identity(ctx, db)
	switch {
	case err != nil:
		return err
	case uuid != e.uuid:
		return fmt.Errorf("%w: its server_uuid is %s and was %s", ErrChanged, uuid, e.uuid)
	case !executed.Equal(e.executed):
		return fmt.Errorf("%w: its gtid_executed is %s and was %s", ErrChanged, executed, e.executed)
	}
	return nil
}

func identity(ctx context.Context, db *sql.DB) (uuid string, executed gtid.Set, err error) {
	if err := db.QueryRowContext(ctx, "SELECT @@GLOBAL.server_uuid").Scan(&uuid); err != nil {
		return "", gtid.Set{}, fmt.Errorf("read server_uuid: %w", mysql.Classify(err))
	}
	executed, err = mysql.GTIDExecuted(ctx, db)
	return uuid, executed, err
}

// refence fences the instance, also when ctx has ended. Where that fails because
// the server is down, it isn't worth an error of its own: it starts fenced.
func refence(ctx context.Context, db *sql.DB, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fenceTimeout)
	defer cancel()
	err := mysql.Fence(ctx, db)
	if f := mysql.Classify(err); f == nil || f.Down() && cause != nil {
		return nil
	}
	return fmt.Errorf("fence the instance after the rewind: %w; SET GLOBAL super_read_only=ON there", err)
}
