package applier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batondb/baton/applier/schedule"
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
	// Durable is what the relay can give: a follower that has it is at the head.
	Durable() gtid.Set
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
	// said to be catching up rather than streaming, and is applied to in batches with
	// the choice Auto.
	CatchingUp time.Duration
	// Batches is when transactions are applied in batches: several leader
	// transactions as one follower transaction, in the leader's order and without a
	// trace in the follower's binlog.
	Batches schedule.Choice
	// BatchSize is the largest number of leader transactions in a batch, at least 1.
	BatchSize int
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
	// LeaderNow is the leader's clock now, by which its commits are dated; nil:
	// this machine's.
	LeaderNow func() time.Time
	// Recorder is told what happens to the follower.
	Recorder history.Recorder
	Logger   *zap.Logger
	// Applied is told of each transaction that was committed: how long that took,
	// locks that were waited for included, and how long before the leader had
	// committed it, by the clocks of both machines; negative when unknown. It may
	// not wait. Nil tells nobody.
	Applied func(took, age time.Duration)
}

// An Applier feeds one follower. Its methods are safe for concurrent use.
type Applier struct {
	name string
	deps Deps
	busy chan struct{} // holds a token while a round, or a skip, is under way

	// The round's own, from one to the next:
	mode        schedule.Mode
	tracking    schedule.Tracking
	saidBatches bool // the history knows the follower as applied to in batches

	mu       sync.Mutex
	cfg      Config
	readers  []string // who was seen to read the follower's binlog; only the round changes it
	paused   bool
	skips    int                // how many calls of Skip want the round to end
	end      context.CancelFunc // ends the round under way gently; nil when none is
	kick     chan struct{}      // ends a wait; replaced when it is closed
	said     string             // what was last recorded of the follower, so that it is said once
	progress progress
}

// New makes an Applier that Run starts.
func New(cfg Config, deps Deps) *Applier {
	if deps.LeaderNow == nil {
		deps.LeaderNow = time.Now
	}
	return &Applier{name: cfg.Name, cfg: cfg, deps: deps, busy: make(chan struct{}, 1), kick: make(chan struct{}),
		progress: progress{state: Connecting, since: time.Now(), mode: ModePerTransaction}}
}

// Run applies until ctx ends and returns when nothing is under way any more:
// what is gets a few seconds to be committed, then it is cut off, to be applied
// the next time.
func (a *Applier) Run(ctx context.Context) {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = 100*time.Millisecond, 5*time.Second
	for {
		// What kicks during the round counts too: an operator who has mended a cause
		// needn't know that the follower was just tried.
		kick, ok := a.waitWhilePaused(ctx)
		if !ok {
			return
		}
		began := time.Now()
		select {
		case a.busy <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := a.round(ctx)
		<-a.busy
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > delays.MaxInterval {
			delays.Reset()
		}
		wait(ctx, kick, a.judge(err, delays.NextBackOff))
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
	a.record(history.Event{Kind: history.FollowerPaused, Message: "applying is paused; the relay goes on receiving", Mend: "baton resume " + a.name})
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
	if err := a.skip(ctx, g); err != nil {
		return fmt.Errorf("skip %s on %s: %w", g, a.name, err)
	}
	return nil
}

// skip has the round end first: a session that applies the transaction after all
// and one that skips it would both be told that they did.
func (a *Applier) skip(ctx context.Context, g gtid.GTID) error {
	a.mu.Lock()
	failure := a.stoppedAt(g)
	a.skips++
	if failure != nil && a.end != nil {
		a.end()
	}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.skips--
		a.mu.Unlock()
	}()
	if failure == nil {
		return ErrNotStopped
	}
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return fmt.Errorf("wait for what is under way: %w", context.Cause(ctx))
	}
	a.mu.Lock()
	failure = a.stoppedAt(g)
	a.mu.Unlock()
	if failure == nil {
		return ErrNotStopped
	}
	s, err := a.firstSession(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Skip(ctx, g); err != nil {
		return err
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

// stoppedAt is the failure that the follower is stopped with, if it is stopped
// at g. a.mu is held.
func (a *Applier) stoppedAt(g gtid.GTID) *Failure {
	if f := a.progress.failure; f != nil && f.GTID == g {
		return f
	}
	return nil
}

// wake ends whatever wait is under way. a.mu is held.
func (a *Applier) wake() {
	close(a.kick)
	a.kick = make(chan struct{})
}

// record tells an event of this follower. a.mu is held.
func (a *Applier) record(e history.Event) {
	e.Instance = a.name
	a.deps.Recorder.Record(e)
}

// announce records an event of this follower.
func (a *Applier) announce(e history.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.record(e)
}

// setReaders remembers who was seen to read the follower's binlog: who has left
// may come back.
func (a *Applier) setReaders(readers []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.readers = readers
}

// stopped tells whether the follower is stopped at a transaction.
func (a *Applier) stopped() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.progress.failure != nil && !a.progress.failure.GTID.IsZero()
}

// wait waits for d, or until something is to be done earlier.
func wait(ctx context.Context, kick <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-kick:
	case <-ctx.Done():
	}
}

// waitWhilePaused returns what ends the next wait; false when ctx ended.
func (a *Applier) waitWhilePaused(ctx context.Context) (kick <-chan struct{}, ok bool) {
	for ctx.Err() == nil {
		a.mu.Lock()
		paused, kick := a.paused, a.kick
		if paused {
			a.setState(Paused)
		}
		a.mu.Unlock()
		if !paused {
			return kick, true
		}
		select {
		case <-kick:
		case <-ctx.Done():
		}
	}
	return nil, false
}
