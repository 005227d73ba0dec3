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

// A worker applies one transaction at a time in a session of its own, which it
// opens when it is first needed.
type worker struct {
	jobs chan job
	gone chan struct{} // closed when the worker has ended
	open bool          // it had a session when it was last heard of; the round's goroutine's own
}

type job struct {
	ticket schedule.Ticket
	tx     *binlog.Transaction
}

type result struct {
	worker *worker
	ticket schedule.Ticket
	open   bool // the worker has a session
	took   time.Duration
	err    error
}

// A noSession says that a transaction wasn't tried for want of a session.
type noSession struct{ error }

func (e noSession) Unwrap() error { return e.error }

// errEnded says that a transaction waits for a lock and that the round has been
// ended meanwhile: it is left for the next.
var errEnded = errors.New("the round was ended")

// hire adds a worker, with a session or without.
func (r *round) hire(s *session.Session) {
	w := &worker{jobs: make(chan job), gone: make(chan struct{}), open: s != nil}
	r.workers, r.idle = append(r.workers, w), append(r.idle, w)
	go func() {
		defer close(w.gone)
		defer func() {
			if s != nil {
				s.Close()
			}
		}()
		for j := range w.jobs {
			var err error
			began := time.Now()
			if s, err = r.apply(s, j.tx); err != nil && r.ctx.Err() != nil {
				err = r.ctx.Err()
			}
			r.results <- result{worker: w, ticket: j.ticket, open: s != nil, took: time.Since(began), err: err}
		}
	}()
}

// apply commits tx, in s or, where s is nil or can't be used, in a new session,
// and returns the session for the next. Locks and deadlocks are waited for.
func (r *round) apply(s *session.Session, tx *binlog.Transaction) (*session.Session, error) {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = 5*time.Millisecond, time.Second
	for {
		if s == nil {
			var err error
			if s, err = r.openSession(r.ctx); err != nil {
				return nil, noSession{err}
			}
		}
		err := s.Apply(r.ctx, tx)
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
