package rewind

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/mysql"
)

// markTable is where the mark stands.
const markTable = mysql.Schema + ".rewind"

// A Mark in a server says that the data of errant transactions is undone there
// and that gtid_executed doesn't show it yet, or only just.
type Mark struct {
	Errant gtid.Set // what was undone
	Keep   gtid.Set // what gtid_executed is to be
	Folder string   // where the transactions are kept
	Undone time.Time
}

// ReadMark returns the server's mark; ok is false if there is none. Who decides
// whether an instance may follow has to ask: an instance with a mark may not,
// before [Finish]. Errors wrap a [*mysql.Fault].
func ReadMark(ctx context.Context, q mysql.Querier) (m Mark, ok bool, err error) {
	const unknownDatabase, unknownTable = 1049, 1146
	var undone string // whether a time comes as one depends on the connection
	err = q.QueryRowContext(ctx, "SELECT errant, keep, folder, CAST(undone AS CHAR) FROM "+markTable+" WHERE id = 1").
		Scan(setText{&m.Errant}, setText{&m.Keep}, &m.Folder, &undone)
	if errors.Is(err, sql.ErrNoRows) {
		return Mark{}, false, nil
	}
	if f := mysql.Classify(err); f != nil {
		if f.Code == unknownDatabase || f.Code == unknownTable {
			return Mark{}, false, nil
		}
		return Mark{}, false, fmt.Errorf("read the mark of a rewind: %w", f)
	}
	if m.Undone, err = time.Parse("2006-01-02 15:04:05.999999", undone); err != nil {
		return Mark{}, false, fmt.Errorf("read the mark of a rewind: %w", err)
	}
	return m, true, nil
}

// setText scans a GTID set.
type setText struct{ set *gtid.Set }

func (s setText) Scan(value any) error {
	text, ok := value.([]byte)
	if !ok {
		return fmt.Errorf("a GTID set of the type %T", value)
	}
	var err error
	*s.set, err = gtid.ParseSet(string(text))
	return err
}

// Finish completes a rewind whose rows are undone: it corrects gtid_executed and
// removes the mark. done is false where there is no mark, and so nothing to do.
// The instance must be out of use, and is left fenced. Errors wrap
// [ErrChanged], a [*mysql.Fault] or ctx's error; Finish may be called again.
func Finish(ctx context.Context, deps Deps, say Say) (done bool, err error) {
	db, err := deps.Target.Open()
	if err != nil {
		return false, err
	}
	defer func() { _ = db.Close() }()
	_, marked, err := ReadMark(ctx, db)
	if err != nil || !marked {
		return false, err
	}
	defer func() { err = errors.Join(err, refence(ctx, db, err)) }()
	done, err = finish(ctx, deps, db, say)
	if err != nil {
		return false, fmt.Errorf("finish the rewind of %s: %w", deps.Target.Name, err)
	}
	return done, nil
}

// finish does it, and leaves the last fencing to its caller.
func finish(ctx context.Context, deps Deps, db *sql.DB, say Say) (bool, error) {
	m, marked, err := ReadMark(ctx, db)
	if err != nil || !marked {
		return false, err
	}
	say.say(StepFence, "super_read_only=ON: nobody writes while GTIDs are corrected")
	if err := mysql.Fence(ctx, db); err != nil {
		return false, err
	}
	if err := correct(ctx, deps, db, m, say); err != nil {
		return false, err
	}
	say.say(StepClear, "the mark and the tables of the rewind")
	if err := clearMark(ctx, deps, db); err != nil {
		return false, err
	}
	say.say(StepDone, "gtid_executed is %s", m.Keep)
	return true, nil
}

// correct makes gtid_executed what the mark says, unless it is.
func correct(ctx context.Context, deps Deps, db *sql.DB, m Mark, say Say) error {
	executed, err := mysql.GTIDExecuted(ctx, db)
	if err != nil {
		return err
	}
	if executed.Equal(m.Keep) {
		return nil
	}
	if extra := executed.Subtract(m.Keep).Subtract(m.Errant); !extra.IsEmpty() {
		return fmt.Errorf("%w: it has executed %s since its errant transactions were undone; rebuild it", ErrChanged, extra)
	}
	say.say(StepGTIDs, "remove the binlogs and set gtid_executed without %s", m.Errant)
	if err := mysql.ReplaceExecuted(ctx, deps.Target, m.Keep); err != nil {
		return err
	}
	if executed, err = mysql.GTIDExecuted(ctx, db); err == nil && !executed.Equal(m.Keep) {
		err = fmt.Errorf("%w: gtid_executed is %s and was set to %s", ErrChanged, executed, m.Keep)
	}
	return err
}

// clearMark removes what the rewind made, unlogged, and the mark last.
func clearMark(ctx context.Context, deps Deps, db *sql.DB) error {
	if err := mysql.MakeFollower(ctx, db); err != nil {
		return err
	}
	session, err := openSession(ctx, deps.Target)
	if err != nil {
		return err
	}
	defer session.close()
	if err := session.dropLeftovers(); err != nil {
		return interrupted(ctx, err)
	}
	return interrupted(ctx, session.dropMarkTable())
}
