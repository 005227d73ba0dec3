package session

import (
	"context"
	"errors"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// Early is the transactions of a batch that may be executed before its turn, after
// those of the Early before it.
type Early struct {
	// Until is the place in the batch of the first transaction after them.
	Until int
	// Wait returns when they may be executed.
	Wait func(context.Context) error
}

// errTooEarly is wrapped by the error for what was undone because it didn't work
// before its turn.
var errTooEarly = errors.New("not before its turn")

// endStage has the follower execute what is at hand. What follows has another time
// to wait for.
func (w *batchWriter) endStage(ctx context.Context) error {
	if err := w.closeStatement(ctx); err != nil {
		return err
	}
	if err := w.send(ctx); err != nil {
		return err
	}
	w.early, w.turned = w.early[1:], false
	return nil
}

// patience is how long what a batch has locked is held while it waits, beside
// twice the time that locking it took: a batch before it, which is about as large,
// should be committed by then, unless it waits for these locks. The server can't
// see that as a deadlock.
const patience = 300 * time.Millisecond

// wait waits until the stage at hand, or the batch's end, may be executed.
func (w *batchWriter) wait(ctx context.Context) error {
	wait, last := w.batch.Turn, true
	if len(w.early) > 0 {
		wait, last = w.early[0].Wait, false
	}
	if wait == nil {
		w.ownTurn = last
		return nil
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if w.sent {
		limited, cancel = context.WithTimeoutCause(ctx, patience+2*w.executing, errTooEarly)
	}
	defer cancel()
	err := wait(limited)
	if err == nil {
		w.ownTurn = last
		return nil
	}
	if cause := context.Cause(limited); errors.Is(cause, errTooEarly) {
		return cause
	}
	w.calledOff = true
	return err
}

// mayComeRight tells whether what went wrong before the batch's turn is worth another
// try in its turn: all but the end of the connection.
func (w *batchWriter) mayComeRight(ctx context.Context, err error) bool {
	return errors.Is(err, errTooEarly) || w.describe(ctx, gtid.GTID{}, err).Kind != Disconnected
}

// undo rolls back what was executed and not committed.
func (s *Session) undo() {
	s.forget()
	if err := s.rollback(); err != nil {
		s.lost = true
		s.Close()
	}
}
