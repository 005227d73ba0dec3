package applier

import (
	"errors"
	"time"

	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
)

// judge sets the follower's state by how a round ended, tells it once, and
// returns how long to wait until the next.
func (a *Applier) judge(err error, next func() time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var blocked *Blocked
	var relay relayError
	var unread *session.Error
	switch refused := refusal(err); {
	case err == nil:
		return 0
	case errors.Is(err, ErrPurged):
		a.fail(NeedsSeed, Failure{Message: err.Error(),
			Mend: "rebuild the follower from a backup or a clone of the leader that has these transactions"})
		return a.cfg.Retry
	case refused != nil:
		a.fail(Stopped, failureOf(refused))
		if refused.Kind == session.ReadOnly {
			return next() // admission puts it right
		}
		return a.cfg.Retry
	case errors.As(err, &blocked):
		a.fail(blocked.State, Failure{Message: blocked.Reason, Mend: blocked.Mend})
		return a.cfg.Retry
	case errors.As(err, &relay), errors.As(err, &unread) && unread.Kind == session.Unreadable:
		a.fail(Stopped, Failure{Message: err.Error(),
			Mend: "mend the relay's disk, or rebuild the follower; nothing is wrong with the follower itself"})
		return a.cfg.Retry
	}
	a.lose(err)
	return next()
}

// refusal is the error of the follower that refuses a transaction, nil if err is
// none.
func refusal(err error) *session.Error {
	var e *session.Error
	if errors.As(err, &e) && (e.Kind == session.Refused || e.Kind == session.ReadOnly) {
		return e
	}
	return nil
}

func failureOf(e *session.Error) Failure {
	return Failure{GTID: e.GTID, Tables: e.Tables, Code: e.Code(), Message: e.Error(), Mend: e.Mend}
}

// refuse stops the follower at a transaction before its round has ended.
func (a *Applier) refuse(e *session.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail(Stopped, failureOf(e))
}

// fail stops the follower. a.mu is held.
func (a *Applier) fail(state State, f Failure) {
	f.Since = time.Now()
	if old := a.progress.failure; old != nil && old.Message == f.Message {
		f.Since = old.Since
	}
	a.setState(state)
	a.progress.failure = &f
	if a.said == f.Message {
		return
	}
	a.said = f.Message
	e := history.Event{Level: history.Error, Kind: history.FollowerStopped, Message: f.Message, Mend: f.Mend}
	if !f.GTID.IsZero() {
		e.GTID = f.GTID.String()
	}
	a.record(e)
}

// lose notes a connection that can't be had or that broke. a.mu is held.
func (a *Applier) lose(err error) {
	mend := "baton connects again by itself"
	var with interface{ Mend() string }
	if errors.As(err, &with) {
		mend = with.Mend()
	}
	old := a.progress.failure
	a.setState(Unreachable)
	a.progress.failure = &Failure{Message: err.Error(), Mend: mend, Since: time.Now()}
	if old != nil && a.said == string(Unreachable) {
		a.progress.failure.Since = old.Since
		return
	}
	a.said = string(Unreachable)
	a.record(history.Event{Level: history.Warn, Kind: history.FollowerLost, Message: err.Error(), Mend: mend})
}

// flow notes that transactions flow to a follower that has executed. A follower
// that is stopped at a transaction stays so until it is past it.
func (a *Applier) flow(executed gtid.Set) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.progress.running = true
	if f := a.progress.failure; f == nil || f.GTID.IsZero() || executed.Contains(f.GTID) {
		a.recovered()
	}
}

// recovered notes that nothing is in the way any more. a.mu is held.
func (a *Applier) recovered() {
	a.progress.failure = nil
	a.setState(Streaming)
	if a.said == string(Streaming) {
		return
	}
	a.said = string(Streaming)
	a.record(history.Event{Kind: history.FollowerStarted, Message: "the follower applies the leader's transactions"})
}
