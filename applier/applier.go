package applier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
	"github.com/cenkalti/backoff/v5"
	"github.com/go-mysql-org/go-mysql/client"
	"go.uber.org/zap"
)

// A Relay gives the transactions to apply.
type Relay interface {
	// NewReader reads the durable transactions that aren't in from, in the
	// leader's order. The error wraps ErrPurged when the relay doesn't reach back
	// that far.
	NewReader(from gtid.Set) (Reader, error)
}

// A Reader reads transactions one after the other. It has one user.
type Reader interface {
	// Next waits for the next transaction, or for ctx to end.
	Next(ctx context.Context) (*binlog.Transaction, error)
	Close() error
}

// ErrPurged says that the relay no longer holds what a follower lacks.
var ErrPurged = errors.New("the relay no longer holds the transactions")

// A Gate decides whether the follower may be written to.
type Gate interface {
	// Admit looks at the follower and makes it ready: read_only ON, so that only
	// the applier writes. A *Blocked error says why it may not be written to;
	// any other, that it couldn't be asked.
	Admit(ctx context.Context) error
}

// Blocked is why a follower may not be written to.
type Blocked struct {
	State  State  // the state the follower is in for that reason
	Reason string // what is wrong, in one line
	Mend   string // what to do about it
}

// Error is the reason.
func (b *Blocked) Error() string { return b.Reason }

// Config says how to apply. The zero value of a field is not a default.
type Config struct {
	// Name of the follower, as in the config.
	Name string
	// Sessions is how many transactions run side by side at most, at least 1. More
	// give the follower's group commit more to group; 16 is good for most.
	Sessions int
	// LeaderOrder makes transactions visible in the leader's order, one commit
	// after the other.
	LeaderOrder bool
	// CatchingUp is how far behind the leader's commits, in time, the follower is
	// said to be catching up rather than streaming.
	CatchingUp time.Duration
	// Retry is how long a stopped follower waits until it looks whether the cause
	// is gone.
	Retry time.Duration
}

// Deps are what an Applier works with.
type Deps struct {
	// Dial opens a connection to the follower that allows several statements in a
	// query.
	Dial  func(ctx context.Context) (*client.Conn, error)
	Relay Relay
	Gate  Gate
	// Recorder is told what happens to the follower.
	Recorder history.Recorder
	Logger   *zap.Logger
}

// An Applier feeds one follower. Its methods are safe for concurrent use.
type Applier struct {
	cfg  Config
	deps Deps

	mu       sync.Mutex
	paused   bool
	end      context.CancelFunc // ends the round under way gently; nil when none is
	kick     chan struct{}      // ends a wait; replaced when it is closed
	said     string             // what was last recorded of the follower, so that it is said once
	progress progress
}

// New makes an Applier that Run starts.
func New(cfg Config, deps Deps) *Applier {
	return &Applier{cfg: cfg, deps: deps, kick: make(chan struct{}), progress: progress{state: Connecting, since: time.Now()}}
}

// Run applies until ctx ends and returns when nothing is under way any more:
// what is gets a few seconds to be committed, then it is cut off, to be applied
// the next time.
func (a *Applier) Run(ctx context.Context) {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = 100*time.Millisecond, 5*time.Second
	for ctx.Err() == nil {
		if !a.waitWhilePaused(ctx) {
			return
		}
		began := time.Now()
		err := a.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > delays.MaxInterval {
			delays.Reset()
		}
		a.wait(ctx, a.judge(err, delays.NextBackOff))
	}
}

// Pause stops applying after what is under way, until Resume.
func (a *Applier) Pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paused {
		return
	}
	a.paused = true
	if a.end != nil {
		a.end()
	}
	a.wake()
	a.record(history.Event{Kind: history.FollowerPaused, Message: "applying is paused; the relay goes on receiving", Mend: "baton resume " + a.cfg.Name})
}

// Resume ends a pause, and has a stopped follower try again now.
func (a *Applier) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paused {
		a.paused = false
		a.record(history.Event{Kind: history.FollowerResumed, Message: "applying is resumed"})
	}
	a.said = ""
	a.wake()
}

// Reconfigure applies another configuration, of the same follower, from the
// next transaction on.
func (a *Applier) Reconfigure(cfg Config) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg == cfg {
		return
	}
	a.cfg = cfg
	if a.end != nil {
		a.end()
	}
}

// ErrNotStopped is returned by Skip when the follower isn't stopped at the
// transaction.
var ErrNotStopped = errors.New("the follower isn't stopped at this transaction")

// Skip leaves out the transaction that the follower is stopped at: it gets its
// GTID and none of its changes. The error wraps ErrNotStopped where g is any
// other.
func (a *Applier) Skip(ctx context.Context, g gtid.GTID) error {
	a.mu.Lock()
	failure := a.progress.failure
	a.mu.Unlock()
	if failure == nil || failure.GTID != g {
		return fmt.Errorf("skip %s on %s: %w", g, a.cfg.Name, ErrNotStopped)
	}
	s, err := a.openSession(ctx)
	if err != nil {
		return fmt.Errorf("skip %s on %s: %w", g, a.cfg.Name, err)
	}
	defer s.Close()
	if err := s.Skip(ctx, g); err != nil {
		return fmt.Errorf("skip on %s: %w", a.cfg.Name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.record(history.Event{Level: history.Warn, Kind: history.TransactionSkip, GTID: g.String(),
		Message: "the transaction was left out by an operator: " + failure.Message,
		Mend:    "compare the follower's data with the leader's"})
	a.progress.failure = nil
	a.said = ""
	a.wake()
	return nil
}

// wake ends whatever wait is under way. a.mu is held.
func (a *Applier) wake() {
	close(a.kick)
	a.kick = make(chan struct{})
}

// record tells an event of this follower. a.mu is held.
func (a *Applier) record(e history.Event) {
	e.Instance = a.cfg.Name
	a.deps.Recorder.Record(e)
}

// wait waits for d, or until something is to be done earlier.
func (a *Applier) wait(ctx context.Context, d time.Duration) {
	a.mu.Lock()
	kick := a.kick
	a.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-kick:
	case <-ctx.Done():
	}
}

// waitWhilePaused returns false when ctx ended.
func (a *Applier) waitWhilePaused(ctx context.Context) bool {
	for {
		a.mu.Lock()
		paused, kick := a.paused, a.kick
		if paused {
			a.setState(Paused)
		}
		a.mu.Unlock()
		if !paused {
			return true
		}
		select {
		case <-kick:
		case <-ctx.Done():
			return false
		}
	}
}
