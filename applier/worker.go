package applier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog"
	"github.com/cenkalti/backoff/v5"
)

// A worker does one job at a time in a session of its own, which it opens when it
// is first needed.
type worker struct {
	jobs chan job
	gone chan struct{} // closed when the worker has ended
	open bool          // it had a session when it was last heard of; the round's goroutine's own
}

// A job is a transaction, something to do for batches, or to look at tables.
type job struct {
	ticket schedule.Ticket
	tx     *binlog.Transaction
	flight *flight
	lookup *lookup
	do     func(*session.Session) error
}

type result struct {
	worker *worker
	ticket schedule.Ticket
	flight *flight
	lookup *lookup
	open   bool // the worker has a session
	took   time.Duration
	err    error
}

// A noSession says that a job wasn't tried for want of a session.
type noSession struct{ error }

func (e noSession) Unwrap() error { return e.error }

// errEnded says that a transaction waits for a lock and that the round has been
// ended meanwhile: it is left for the next.
var errEnded = errors.New("the round was ended")

// hire adds a worker, with a session or without.
func (r *round) hire(s *session.Session) {
	w := &worker{jobs: make(chan job), gone: make(chan struct{}), open: s != nil}
	place := len(r.workers)
	r.workers, r.idle = append(r.workers, w), append(r.idle, w)
	go func() {
		defer close(w.gone)
		defer func() {
			if s != nil {
				s.Close()
			}
		}()
		for j := range w.jobs {
			do := j.do
			if do == nil {
				do = func(s *session.Session) error { return s.Apply(r.ctx, j.tx) }
			}
			began := time.Now()
			var err error
			if s, err = r.apply(s, place, do); err != nil && r.ctx.Err() != nil {
				err = r.ctx.Err()
			}
			r.results <- result{worker: w, ticket: j.ticket, flight: j.flight, lookup: j.lookup, open: s != nil, took: time.Since(began), err: err}
		}
	}()
}

// apply does a job in s or, where s is nil or can't be used, in a new session with
// the seat, and returns the session for the next. Locks and deadlocks are waited
// for.
func (r *round) apply(s *session.Session, seat int, do func(*session.Session) error) (*session.Session, error) {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = 5*time.Millisecond, time.Second
	for {
		if s == nil {
			var err error
			if s, err = r.seatedSession(r.ctx, seat); err != nil {
				return nil, noSession{err}
			}
		}
		err := do(s)
		if s.Lost() {
			s.Close()
			s = nil
		}
		var e *session.Error
		if err == nil || !errors.As(err, &e) {
			return s, err
		}
		switch e.Kind {
		case session.Passing:
			r.retried()
		case session.Stale:
			s.Close()
			s = nil
		default:
			return s, err
		}
		select {
		case <-time.After(delays.NextBackOff()):
		case <-r.gentle.Done():
			return s, errEnded
		}
	}
}

func (r *round) retried() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.retries++
}

// openSession connects to the follower.
func (a *Applier) openSession(ctx context.Context) (*session.Session, error) {
	conn, err := a.deps.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a.name, err)
	}
	return session.Open(ctx, conn)
}

// seatedSession opens a session that may apply.
func (a *Applier) seatedSession(ctx context.Context, seat int) (*session.Session, error) {
	s, err := a.openSession(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Sit(ctx, seat); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// firstSession opens a session when no session of before is at work any more, and
// has gtid_executed say what these have committed.
func (a *Applier) firstSession(ctx context.Context) (*session.Session, error) {
	s, err := a.openSession(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Alone(ctx)
	if err == nil {
		err = s.Sit(ctx, 0)
	}
	if err == nil {
		err = s.Settle(ctx)
	}
	if err != nil {
		s.Close()
		var unfit *session.ProgressError
		if errors.As(err, &unfit) {
			return nil, &Blocked{State: Stopped, Reason: unfit.Error(), Mend: unfit.Mend()}
		}
		return nil, err
	}
	return s, nil
}
