package failover

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/history"
)

// A Stream is the connection over which the leader's binlog is received and
// acknowledged. It streams from one instance at a time.
type Stream interface {
	// Start begins to stream from an instance, and goes on trying.
	Start(instance string) error
	// Stop ends it. When it returns, nothing is received or acknowledged any more,
	// and what was received is durable or forgotten.
	Stop()
	// State tells how it is doing.
	State() StreamState
}

// StreamState is how a Stream is doing.
type StreamState struct {
	Streaming bool
	// Acknowledging tells whether the leader waits for it.
	Acknowledging bool
	// Heard is when something last came, be it a heartbeat; zero for never.
	Heard time.Time
	// Diverged tells that the leader lacks transactions that it once sent, and why.
	Diverged string
}

// Followers are the appliers.
type Followers interface {
	// Follow has an instance applied to, from whatever state it is in.
	Follow(instance string)
	// Retire ends that and returns when nothing is applied any more.
	Retire(instance string)
	// Progress says why an instance doesn't follow, empty if it does, and how far
	// it is behind.
	Progress(instance string) (problem string, lag time.Duration)
}

// A Log is the relay as the controller sees it.
type Log interface {
	Durable() gtid.Set
	// NewSegment separates what comes from the next leader.
	NewSegment() error
}

// Settings say when and how to hand over.
type Settings struct {
	Promise    plan.Promise
	AckTimeout time.Duration // how long a commit waits where the promise isn't strict
	Automatic  bool          // whether a dead leader is replaced without an operator
	Interval   time.Duration // between two looks at the evidence
	Window     time.Duration // how long a silent leader is waited for
	Cooldown   time.Duration // after a hand-over, without automatic failover
	// BootFenced has every instance start read-only until baton says otherwise.
	BootFenced bool
	Timeout    time.Duration // of a switchover until the promotion
	Drain      time.Duration // how long the old leader's transactions may still run
	MaxLag     time.Duration // of a switchover's candidate
	Promotions map[string]plan.Promotion
	Hooks      Hooks
}

// ControllerDeps are what a Controller works with.
type ControllerDeps struct {
	Observer  *Observer
	Stream    Stream
	Followers Followers
	Relay     Log
	Lease     Lease
	Recorder  history.Recorder
	Logger    *zap.Logger
}

// A Controller hands the leadership over: it weighs what is observed, decides by
// package plan, and acts, one step after the other, each written down before it
// is taken. Its methods are safe for concurrent use; one hand-over is under way
// at a time.
type Controller struct {
	deps    ControllerDeps
	servers servers
	started time.Time
	acting  chan struct{} // holds a token while a hand-over is under way

	// Whoever holds the token owns these.
	reopened     time.Time // when the leader was last made writable
	epochWritten int64     // the epoch that is in baton.epoch
	suspect      time.Time // since when the leader is suspect; zero when it isn't

	mu       sync.Mutex
	settings Settings
	names    []string // of all instances, in the config's order
	guarded  protection
	verdict  plan.Verdict
	plan     plan.Plan
	said     string    // the last inaction that was recorded
	troubled string    // the last trouble that was recorded
	retry    time.Time // no automatic attempt before
	fenced   map[string]time.Time
}

// NewController makes a Controller that Run starts.
func NewController(settings Settings, names []string, deps ControllerDeps) *Controller {
	return &Controller{deps: deps, servers: sqlServers{deps.Observer}, started: time.Now(), acting: make(chan struct{}, 1),
		settings: settings, names: slices.Clone(names), fenced: map[string]time.Time{}, guarded: protection{since: time.Now()}}
}

// Configure changes the settings and the instances for the next decision.
func (c *Controller) Configure(settings Settings, names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settings, c.names = settings, slices.Clone(names)
}

func (c *Controller) config() (Settings, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings, c.names
}

func (c *Controller) promise() plan.Promise {
	settings, _ := c.config()
	return settings.Promise
}

// Begin takes up where the last daemon left off: a hand-over that had not come to
// its promotion is undone, and the stream and the appliers are started. It waits
// for nobody.
func (c *Controller) Begin() error {
	l := c.deps.Lease.Leadership()
	if h := l.HandOver; h != nil && h.Step != Promote {
		l.HandOver = h.Unfinished
		if err := c.deps.Lease.Write(l); err != nil {
			return fmt.Errorf("undo the %s to epoch %d: %w", h.Kind, h.Epoch, err)
		}
		c.record(history.Warn, history.HandOverUndone, l.Leader,
			fmt.Sprintf("baton ended in the step %q of a %s; nobody new had been made writable, and %s still leads", h.Step, h.Kind, l.Leader), "")
	}
	settings, names := c.config()
	c.mu.Lock()
	c.guarded.on = l.WaitsForever && settings.Promise == plan.Strict
	c.mu.Unlock()
	c.deps.Observer.SetLeader(l.Leader)
	if err := c.deps.Stream.Start(l.Leader); err != nil {
		return fmt.Errorf("stream from %s: %w", l.Leader, err)
	}
	for _, name := range names {
		if name != l.Leader {
			c.deps.Followers.Follow(name)
		}
	}
	return nil
}

// Run decides and acts until ctx ends. A hand-over that is under way then is
// given up between two steps, and taken up by the next Begin.
func (c *Controller) Run(ctx context.Context) {
	for {
		settings, _ := c.config()
		changed := c.deps.Observer.Changed()
		c.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-c.deps.Lease.Lost():
			c.record(history.Error, history.LeaseLost, "", "another baton acts for the cluster: this one makes nothing writable any more", "")
			return
		case <-changed:
		case <-time.After(settings.Interval):
		}
	}
}

// begin takes the token of the one hand-over at a time.
func (c *Controller) begin() (end func(), err error) {
	select {
	case c.acting <- struct{}{}:
		return func() { <-c.acting }, nil
	default:
		return nil, &Refused{Reason: "a hand-over, or work on the leader, is under way already", Mend: "try again when it is done: `baton events --follow` shows it"}
	}
}

// look weighs the evidence once and does what follows from it.
func (c *Controller) look(ctx context.Context) {
	end, err := c.begin()
	if err != nil {
		return // whoever acts looks for itself
	}
	defer end()
	now := time.Now()
	v, p := c.decide(now)
	if p.Failover && !now.Before(c.nextAttempt()) {
		leader := c.deps.Lease.Leadership().Leader
		_, err := c.failOver(ctx, failoverOrder{reason: v.Reason, automatic: true}, nil)
		if err != nil && ctx.Err() == nil {
			if c.deps.Lease.Leadership().Leader == leader {
				// A promotion that was written down is finished by reconcile, and its
				// candidate failed over from in turn if it is dead: at once.
				c.postpone(now)
			}
			c.record(history.Error, history.HandOverFailed, "", "the failover failed: "+err.Error(), "mend the cause; baton tries again by itself, or decide with `baton failover`")
		}
		return
	}
	c.explain(v, p)
	c.reconcile(ctx)
}

// retryAfter is how long after a failed automatic attempt the next one is made.
const retryAfter = 5 * time.Second

func (c *Controller) nextAttempt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.retry
}

func (c *Controller) postpone(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retry = now.Add(retryAfter)
}

// alarmAfter is how long something has to be wrong with the leader before it is
// told: a reconnect is no news.
const alarmAfter = 2 * time.Second

// explain records, once, why nothing is done about a leader that isn't well.
func (c *Controller) explain(v plan.Verdict, p plan.Plan) {
	text := ""
	level := history.Warn
	if v.Health != plan.Suspect {
		c.suspect = time.Time{}
	} else if c.suspect.IsZero() {
		c.suspect = time.Now()
	}
	switch v.Health {
	case plan.Suspect:
		if time.Since(c.suspect) < alarmAfter {
			return
		}
		text = "alarm"
	case plan.Died, plan.Silent:
		text, level = string(v.Health)+": "+p.BlockedBy, history.Error
	}
	c.mu.Lock()
	said := c.said
	c.said = text
	c.mu.Unlock()
	if text == said {
		return
	}
	leader := c.deps.Lease.Leadership().Leader
	switch v.Health {
	case plan.Alive:
		c.record(history.Info, history.LeaderAnswers, leader, "the leader answers again", "")
	case plan.Suspect:
		c.record(level, history.LeaderAlarm, leader, v.Reason, "")
	default:
		c.record(level, history.FailoverBlocked, leader, fmt.Sprintf("the leader is %s (%s) and no failover happens", v.Health, v.Reason), p.BlockedBy)
	}
}

func (c *Controller) record(level history.Level, kind history.Kind, instance, message, mend string) {
	c.deps.Recorder.Record(history.Event{Level: level, Kind: kind, Instance: instance, Message: message, Mend: mend})
}

// PauseFailover suspends automatic failovers, or ends that, through restarts.
func (c *Controller) PauseFailover(paused bool) error {
	end, err := c.begin()
	if err != nil {
		return err
	}
	defer end()
	l := c.deps.Lease.Leadership()
	if l.FailoverPaused == paused {
		return nil
	}
	l.FailoverPaused = paused
	if err := c.deps.Lease.Write(l); err != nil {
		return err
	}
	if paused {
		c.record(history.Warn, history.FailoverPaused, "", "automatic failover is paused by an operator", "baton resume failover")
	} else {
		c.record(history.Info, history.FailoverResumed, "", "automatic failover is resumed", "")
	}
	return nil
}
