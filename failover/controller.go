package failover

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

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
	From      string // whom it streams from, or tries to; empty when it is stopped
	Streaming bool
	// Acknowledging tells whether the leader waits for it.
	Acknowledging bool
	// Heard is when something last came, be it a heartbeat; zero for never.
	Heard time.Time
	// Stopped is why it is stopped until somebody mends the cause, which it looks
	// for by itself; empty if it isn't.
	Stopped string
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
	// Discard forgets what isn't durable, and recovers from a failed write.
	Discard() error
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
	Clients   Clients
	Relay     Log
	Lease     Lease
	Recorder  history.Recorder
	// BatonID is the server_id under which the stream is read.
	BatonID uint32
	// HandedOver is told of each hand-over that was completed. It may not wait. Nil
	// tells nobody.
	HandedOver func(Result)
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
	doubtful     bool          // a promotion may be on record that was not confirmed
	epochWritten int64         // the epoch that is in baton.epoch
	suspect      time.Time     // since when the leader is suspect; zero when it isn't
	said         inaction      // what was last told of doing nothing
	retry        time.Time     // no automatic attempt before
	delay        time.Duration // between the last two

	mu       sync.Mutex
	settings Settings
	names    []string // of all instances, in the config's order
	guarded  protection
	verdict  plan.Verdict
	plan     plan.Plan
	woke     time.Time            // when this process last went on after it had been stopped
	openedAt time.Time            // when the leader was last made writable by us
	troubles map[trouble]string   // what was last told of each
	fenced   map[string]time.Time // the start of each instance whose next one is fenced
}

// A trouble is told once, until it is another.
type trouble struct {
	kind     history.Kind
	instance string
}

// NewController makes a Controller that Run starts.
func NewController(settings Settings, names []string, deps ControllerDeps) *Controller {
	return &Controller{deps: deps, servers: sqlServers{deps.Observer}, started: time.Now(), acting: make(chan struct{}, 1),
		settings: settings, names: slices.Clone(names), guarded: protection{since: time.Now()},
		fenced: map[string]time.Time{}, troubles: map[trouble]string{}}
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

// Begin takes up where the last daemon left off: a hand-over that had not come to
// its promotion is undone, and the stream and the appliers are started. It waits
// for nobody.
func (c *Controller) Begin(ctx context.Context) error {
	l := c.deps.Lease.Leadership()
	if h := l.HandOver; h != nil && h.Step != Promote {
		if err := c.deps.Lease.Update(ctx, func(l *Leadership) { l.HandOver = h.Unfinished }); err != nil {
			return fmt.Errorf("undo the %s to epoch %d: %w", h.Kind, h.Epoch, err)
		}
		c.record(history.Warn, history.HandOverUndone, l.Leader,
			fmt.Sprintf("baton ended in the step %q of a %s; nobody new had been made writable, and %s leads on", h.Step, h.Kind, l.Leader), "")
	}
	settings, names := c.config()
	c.mu.Lock()
	c.guarded.on = l.WaitsForever && settings.Promise == plan.Strict
	if h := l.HandOver; h != nil && h.Kind == Failover && h.Label != acknowledgedAndLost && l.BootsFenced {
		// The leader was protected when it was found dead, and takes no writes when it
		// starts again.
		c.guarded.on, c.guarded.acked = true, time.Now()
	}
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
// given up between two steps, and taken up by the next Begin. It returns an error
// when the lease is no longer held: another acts for the cluster, and everything
// that this daemon does on instances must come to an end.
func (c *Controller) Run(ctx context.Context) error {
	ctx, release := c.whileHeld(ctx)
	defer release()
	var watching sync.WaitGroup
	watching.Go(func() { c.watchOneself(ctx) })
	defer watching.Wait()
	for {
		settings, _ := c.config()
		changed := c.deps.Observer.Changed()
		c.look(ctx)
		select {
		case <-ctx.Done():
			return c.lost()
		case <-changed:
		case <-time.After(settings.Interval):
		}
	}
}

// lost returns why the lease isn't held any more, after the stream has been
// stopped; nil if it is held.
func (c *Controller) lost() error {
	held := c.deps.Lease.Held()
	if held.Err() == nil {
		return nil
	}
	c.deps.Stream.Stop()
	c.deps.Clients.Hold("another baton acts for the cluster")
	c.deps.Clients.End(c.deps.Lease.Leadership().Leader)
	c.record(history.Error, history.LeaseLost, "", "this baton doesn't act for the cluster any more: it acknowledges and makes nothing writable", "")
	return fmt.Errorf("the lease was lost: %w", context.Cause(held))
}

// whileHeld is ctx, which also ends when the lease is lost.
func (c *Controller) whileHeld(ctx context.Context) (context.Context, context.CancelFunc) {
	held := c.deps.Lease.Held()
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(held, func() { cancel(context.Cause(held)) })
	if held.Err() != nil {
		cancel(context.Cause(held)) // before anything is begun
	}
	return ctx, func() { unbind(); cancel(nil) }
}

// watchOneself notices that this process was stopped for a while: nobody else's
// silence counts that fell into it.
func (c *Controller) watchOneself(ctx context.Context) {
	const beat, late = 100 * time.Millisecond, time.Second
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		if now.Sub(last) > late {
			c.mu.Lock()
			c.woke = now
			c.mu.Unlock()
		}
		last = now
	}
}

// begin takes the token of the one hand-over at a time, if it is free.
func (c *Controller) begin() (end func(), ok bool) {
	select {
	case c.acting <- struct{}{}:
		return func() { <-c.acting }, true
	default:
		return nil, false
	}
}

// tokenPatience is how long an operator's order waits for the token: longer than
// what the controller does by itself on instances that answer.
const tokenPatience = 10 * time.Second

// await takes the token for an operator's order. The context is of what is done
// with it.
func (c *Controller) await(ctx context.Context) (held context.Context, end func(), err error) {
	ctx, release := c.whileHeld(ctx)
	if ctx.Err() != nil {
		release()
		return nil, nil, context.Cause(ctx)
	}
	select {
	case c.acting <- struct{}{}:
		return ctx, func() { release(); <-c.acting }, nil
	case <-time.After(tokenPatience):
		release()
		return nil, nil, &Refused{Reason: "a hand-over, or work on the leader, is under way already", Mend: "try again when it is done: `baton events --follow` shows it"}
	case <-ctx.Done():
		release()
		return nil, nil, context.Cause(ctx)
	}
}

// look weighs the evidence once and does what follows from it.
func (c *Controller) look(ctx context.Context) {
	end, ok := c.begin()
	if !ok {
		return // whoever acts looks for itself
	}
	defer end()
	now := time.Now()
	v, p := c.decide(ctx, now)
	if !p.Failover {
		c.explain(v, p)
		c.reconcile(ctx)
		c.leadClients(ctx, v)
		return
	}
	if now.Before(c.retry) {
		return
	}
	leader := c.deps.Lease.Leadership().Leader
	_, err := c.failOver(ctx, failoverOrder{reason: v.Reason, automatic: true}, nil)
	switch {
	case err == nil:
		c.delay = 0
	case ctx.Err() == nil:
		if c.deps.Lease.Leadership().Leader == leader {
			// A promotion that was written down is finished by reconcile, and its
			// candidate failed over from in turn if it is dead: at once.
			c.delay = min(max(2*c.delay, retryFirst), retryLast)
			c.retry = now.Add(c.delay)
		}
		c.record(history.Error, history.HandOverFailed, leader, "the failover failed: "+err.Error(),
			fmt.Sprintf("mend the cause; baton tries again in %s, or decide with `baton failover`", c.delay))
	}
}

// How long after a failed automatic attempt the next one is made: a fence hook
// may be part of each.
const (
	retryFirst = 5 * time.Second
	retryLast  = 5 * time.Minute
)

// alarmAfter is how long something has to be wrong with the leader before it is
// told: a reconnect is no news.
const alarmAfter = 2 * time.Second

// explain records, once, why nothing is done about a leader that isn't well.
func (c *Controller) explain(v plan.Verdict, p plan.Plan) {
	leader := c.deps.Lease.Leadership().Leader
	if v.Health != plan.Suspect {
		c.suspect = time.Time{}
	} else if c.suspect.IsZero() {
		c.suspect = time.Now()
	}
	said := inaction{leader: leader}
	switch v.Health {
	case plan.Suspect:
		if time.Since(c.suspect) < alarmAfter {
			return
		}
		said.health = plan.Suspect
	case plan.Died, plan.Silent:
		said.health, said.obstacle = v.Health, p.Obstacle
	}
	before := c.said
	c.said = said
	if said == before {
		return
	}
	switch said.health {
	case "":
		if before.health != "" && before.leader == leader {
			c.record(history.Info, history.LeaderAnswers, leader, "the leader answers again", "")
		}
	case plan.Suspect:
		c.record(history.Warn, history.LeaderAlarm, leader, v.Reason, "")
	default:
		c.record(history.Error, history.FailoverBlocked, leader, fmt.Sprintf("the leader %s (%s) and no failover happens", v.Health.Words(), v.Reason), p.BlockedBy)
	}
}

// An inaction is why nothing is done about the leader; its zero value, but for
// the leader, that nothing is wrong.
type inaction struct {
	leader   string
	health   plan.Health
	obstacle plan.Obstacle
}

func (c *Controller) record(level history.Level, kind history.Kind, instance, message, mend string) {
	c.deps.Recorder.Record(history.Event{Level: level, Kind: kind, Instance: instance, Message: message, Mend: mend})
}

// PauseFailover suspends automatic failovers, or ends that, through restarts.
func (c *Controller) PauseFailover(ctx context.Context, paused bool) error {
	changed := false
	err := c.deps.Lease.Update(ctx, func(l *Leadership) {
		changed = l.FailoverPaused != paused
		l.FailoverPaused = paused
	})
	if err != nil || !changed {
		return err
	}
	if paused {
		c.record(history.Warn, history.FailoverPaused, "", "automatic failover is paused by an operator", "baton resume failover")
	} else {
		c.record(history.Info, history.FailoverResumed, "", "automatic failover is resumed", "")
	}
	return nil
}
