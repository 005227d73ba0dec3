package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// reconcile brings the instances to what is written down, where they answer: a
// promotion that was begun is finished, a leader that restarted fenced takes
// writes again, commits wait for the relay, and everybody boots fenced. The token
// of hand-overs is held.
func (c *Controller) reconcile(ctx context.Context) {
	view := c.deps.Observer.View()
	l := c.deps.Lease.Leadership()
	if l.HandOver != nil {
		c.takeUp(ctx, *l.HandOver, view)
		return
	}
	leader, ok := view.Instance(l.Leader)
	if !ok || !leader.Reachable() || leader.Facts == nil {
		return
	}
	stream := c.deps.Stream.State()
	settings, _ := c.config()
	if leader.Facts.SuperReadOnly && c.isOurs(ctx, leader) {
		c.reopen(ctx, l.Leader)
		return
	}
	if !stream.Streaming {
		return // the source tells what is wrong with it; nothing is changed there
	}
	if settings.BootFenced {
		c.persistFences(ctx, view)
	}
	if !leader.Facts.ReadOnly {
		c.noteOpen()
	}
	switch {
	case settings.Promise == plan.Async && leader.Facts.SemiSync.SourceActive && len(leader.Facts.OtherAcknowledgers(c.deps.BatonID)) == 0:
		// What an earlier promise left there has commits wait for nobody.
		if err := c.servers.SwitchOffSemiSync(ctx, l.Leader); err != nil {
			c.once(history.Durability, l.Leader, "its commits wait for acknowledgements that durability.mode async doesn't send: "+err.Error(), "")
		}
	case settings.Promise != plan.Async && c.unguarded(leader, settings):
		c.guard(ctx, l.Leader, settings, stream.Acknowledging)
	case !leader.Facts.ReadOnly && c.epochWritten < l.Epoch:
		c.writeEpoch(ctx, l.Leader, l.Epoch)
	}
}

// takeUp goes on with a hand-over that nobody carries out any more: a promotion
// is finished, where the new leader answers, and anything before it undone.
func (c *Controller) takeUp(ctx context.Context, h HandOver, view View) {
	a := c.newAction(h, nil)
	if h.Step != Promote {
		from, _ := view.Instance(h.From)
		a.sealed = from.Reachable()
		_ = a.undo(ctx, fmt.Errorf("it ended in the step %q", h.Step)) // it has told why
		return
	}
	if to, ok := view.Instance(h.To); !ok || !to.Reachable() {
		c.followAllBut(h.To)
		return
	}
	if err := a.finish(ctx); err != nil {
		c.once(history.HandOverFailed, h.To, fmt.Sprintf("the promotion of %s is not finished: %v", h.To, err), "baton tries again by itself; `baton failover` chooses another instance")
	}
}

// isOurs tells whether a leader that is fenced was fenced by baton: it has
// started so, or baton has not opened it yet. An operator who makes a leader
// read-only while it runs means it.
func (c *Controller) isOurs(ctx context.Context, leader Instance) bool {
	c.mu.Lock()
	opened := c.openedAt
	c.mu.Unlock()
	if opened.IsZero() {
		return true
	}
	if !leader.Answered.After(opened) {
		return false // it said so before it was opened
	}
	bounded, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	since, err := c.servers.FencedSinceStart(bounded, leader.Name)
	return err == nil && since // the next look asks again
}

// noteOpen notes that the leader takes writes: from now on, only a restart makes
// baton's fence of a read-only one.
func (c *Controller) noteOpen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.openedAt.IsZero() {
		c.openedAt = time.Now()
	}
}

func (c *Controller) setOpened(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.openedAt = at
}

// How often an attempt is made to put a leader's semi-sync right: that commits
// don't wait is seen at once, its settings are read every half a minute.
const (
	inactiveInterval = 5 * time.Second
	settingsInterval = 35 * time.Second
)

// setUp is when semi-sync was last set up on the leader.
func (c *Controller) setUp() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.guarded.setUp
}

// setUpSemiSync has a leader's commits wait for the relay.
func (c *Controller) setUpSemiSync(ctx context.Context, name string, settings Settings) error {
	bounded, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	err := c.servers.SetUpSemiSync(bounded, name, settings.timeout())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guarded.setUp = time.Now()
	return err
}

// guard has the leader's commits wait for the relay.
func (c *Controller) guard(ctx context.Context, name string, settings Settings, acknowledging bool) {
	if err := c.setUpSemiSync(ctx, name, settings); err != nil {
		c.once(history.Durability, name, "its commits can't be made to wait for the relay: "+err.Error(), "grant baton's account what `baton check` names")
		return
	}
	c.once(history.Durability, name, "its semi-sync is set up as durability.mode says", "")
	if acknowledging {
		return
	}
	// A stream that was attached before the plugin was there doesn't acknowledge.
	if err := c.deps.Stream.Start(name); err != nil {
		c.once(history.Durability, name, err.Error(), "")
	}
}

// unguarded tells whether the leader's semi-sync isn't as promised.
func (c *Controller) unguarded(leader Instance, settings Settings) bool {
	s := leader.Facts.SemiSync
	since := time.Since(c.setUp())
	if !s.SourceActive && since > inactiveInterval {
		return true
	}
	if since <= settingsInterval {
		return false
	}
	return len(s.Drift(mysql.SemiSyncSettings{Timeout: settings.timeout()})) > 0
}

// reopen makes a fenced leader writable: nobody else leads.
func (c *Controller) reopen(ctx context.Context, name string) {
	bounded, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	if err := c.openLeader(bounded, name); err != nil {
		c.once(history.LeaderAlarm, name, "the leader is fenced and could not be made writable again: "+err.Error(), "baton tries again by itself")
		return
	}
	c.setOpened(time.Now())
	c.deps.Clients.Lead(name)
	c.record(history.Info, history.LeaderWritable, name, "the leader had started fenced, nobody else leads: it takes writes again", "")
}

// persistFences has every instance boot fenced, once for each start of it.
func (c *Controller) persistFences(ctx context.Context, view View) {
	for _, in := range view.Instances {
		if !in.Reachable() || in.Facts == nil {
			continue
		}
		if problem, _ := c.deps.Followers.Progress(in.Name); !in.Leader && problem != "" {
			continue // nothing is changed on what doesn't follow
		}
		c.mu.Lock()
		done := c.fenced[in.Name].Equal(in.Since)
		c.mu.Unlock()
		if done {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		err := c.servers.PersistFence(bounded, in.Name)
		cancel()
		if f := mysql.Classify(err); f != nil && (f.Down() || f.Kind == mysql.Canceled) {
			continue // the observation tells
		}
		if err != nil {
			c.once(history.InstanceProblem, in.Name, "it can't be made to boot read-only: "+err.Error(), "grant baton's account what `baton check` names")
			continue
		}
		c.mu.Lock()
		c.fenced[in.Name] = in.Since
		c.mu.Unlock()
	}
}

// once records a trouble unless it was the last of its kind that was recorded of
// the instance.
func (c *Controller) once(kind history.Kind, instance, message, mend string) {
	c.mu.Lock()
	said := c.troubles[trouble{kind, instance}]
	c.troubles[trouble{kind, instance}] = message
	c.mu.Unlock()
	if said != message {
		c.record(history.Warn, kind, instance, message, mend)
	}
}
