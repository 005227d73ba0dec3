package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Seats is how many sessions may be seated on a follower at the same time, at
// most.
const Seats = 300

// ErrOccupied is wrapped by errors that say that a session of before is still at
// work on the follower.
var ErrOccupied = errors.New("a session that was opened before is still at work there")

const (
	seatPatience = time.Minute           // until sessions of before are no longer waited for
	seatPoll     = 20 * time.Millisecond // between two looks at whether they are gone
	noSuchThread = 1094                  // ER_NO_SUCH_THREAD
)

// Sit takes the seat n, below Seats, which the server gives back when the
// session's thread has ended: whatever becomes of the connection, a seat is taken
// for as long as something that was sent may still be carried out. It is to be
// called before the session applies anything. A session of before that has the
// seat is ended.
func (s *Session) Sit(ctx context.Context, n int) error {
	defer s.interruptible(ctx)()
	take := func() (bool, error) {
		r, err := s.conn.Execute(fmt.Sprintf("SELECT GET_LOCK('%s', 0)", seat(n)))
		if err != nil {
			return false, fmt.Errorf("take a seat: %w", err)
		}
		got, err := r.GetInt(0, 0)
		return got == 1, err
	}
	return s.until(ctx, func() (bool, error) {
		if got, err := take(); got || err != nil {
			return got, err
		}
		return false, s.endSeated(fmt.Sprintf("SELECT IS_USED_LOCK('%s')", seat(n)))
	})
}

// Alone ends all sessions that have a seat, and returns when they are gone: then
// nothing that was sent before can be committed any more.
func (s *Session) Alone(ctx context.Context) error {
	defer s.interruptible(ctx)()
	var query strings.Builder
	query.WriteString("SELECT ")
	for n := range Seats {
		if n > 0 {
			query.WriteByte(',')
		}
		fmt.Fprintf(&query, "IS_USED_LOCK('%s')", seat(n))
	}
	return s.until(ctx, func() (bool, error) {
		seated, err := s.seated(query.String())
		if err != nil || len(seated) == 0 {
			return err == nil, err
		}
		return false, s.kill(seated)
	})
}

// until looks until done says so.
func (s *Session) until(ctx context.Context, done func() (bool, error)) error {
	for began := time.Now(); ; {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Since(began) > seatPatience {
			return fmt.Errorf("wait for %s: %w", seatPatience, ErrOccupied)
		}
		select {
		case <-time.After(seatPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Session) endSeated(query string) error {
	seated, err := s.seated(query)
	if err != nil {
		return err
	}
	return s.kill(seated)
}

// seated returns the connections that a query of IS_USED_LOCK names.
func (s *Session) seated(query string) ([]int64, error) {
	r, err := s.conn.Execute(query)
	if err != nil {
		return nil, fmt.Errorf("look for sessions of before: %w", err)
	}
	var ids []int64
	for column := range r.ColumnNumber() {
		if null, err := r.IsNull(0, column); null || err != nil {
			continue
		}
		id, err := r.GetInt(0, column)
		if err != nil {
			return nil, fmt.Errorf("look for sessions of before: %w", err)
		}
		if id != int64(s.conn.GetConnectionID()) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *Session) kill(ids []int64) error {
	for _, id := range ids {
		_, err := s.conn.Execute(fmt.Sprintf("KILL CONNECTION %d", id))
		if my := serverError(err); err != nil && (my == nil || my.Code != noSuchThread) {
			return fmt.Errorf("end connection %d, of before: %w", id, err)
		}
	}
	return nil
}

func seat(n int) string { return fmt.Sprintf("baton.apply.%d", n) }
