package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/history"
)

// reconcile brings the instances to what is written down, where they answer: a
// promotion that was begun is finished, a leader that restarted fenced takes
// writes again, commits wait for the relay, and everybody boots fenced. The token
// of hand-overs is held.
func (c *Controller) reconcile(ctx context.Context) {
	view := c.deps.Observer.View()
	l := c.deps.Lease.Leadership()
	leader, ok := view.Instance(l.Leader)
	if !ok || !leader.Reachable() || leader.Facts == nil {
		return
	}
	if l.HandOver != nil {
		a := c.newAction(*l.HandOver, nil)
		if err := a.finish(ctx); err != nil {
			c.once(history.HandOverFailed, l.Leader, fmt.Sprintf("the promotion of %s is not finished: %v", l.Leader, err), "baton tries again by itself")
		}
		return
	}
	stream := c.deps.Stream.State()
	if !stream.Streaming {
		return // the source tells what is wrong with it; nothing is changed there
	}
	settings, _ := c.config()
	if settings.BootFenced {
		c.persistFences(ctx, view)
	}
	switch {
	case leader.Facts.SuperReadOnly && leader.Answered.After(c.reopened):
		// Baton's own fence: the leader has restarted, or a switchover was undone.
		c.reopen(ctx, l.Leader)
	case settings.Promise != plan.Async && c.unguarded(leader, settings):
		c.guard(ctx, l.Leader, settings, stream.Acknowledging)
	case !leader.Facts.ReadOnly && c.epochWritten < l.Epoch:
		c.writeEpoch(ctx, l.Leader, l.Epoch)
	}
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
	c.record(history.Info, history.Durability, name, "its semi-sync is set up as durability.mode says", "")
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
	if settings.Promise == plan.Strict {
		return !s.SourceEnabled || s.SourceTimeout < strictTimeout
	}
	return !s.SourceEnabled || s.SourceTimeout != settings.AckTimeout
}

// strictTimeout is at least what a leader waits that waits for ever.
const strictTimeout = 24 * time.Hour

// reopen makes a fenced leader writable: nobody else leads.
func (c *Controller) reopen(ctx context.Context, name string) {
	bounded, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	c.reopened = time.Now()
	if err := c.openLeader(bounded, name); err != nil {
		c.once(history.LeaderAlarm, name, "the leader is fenced and could not be made writable again: "+err.Error(), "baton tries again by itself")
		return
	}
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
		if err != nil {
			c.once(history.InstanceProblem, in.Name, "it can't be made to boot read-only: "+err.Error(), "grant baton's account what `baton check` names")
			continue
		}
		c.mu.Lock()
		c.fenced[in.Name] = in.Since
		c.mu.Unlock()
	}
}

// once records a problem unless it was the last that was recorded.
func (c *Controller) once(kind history.Kind, instance, message, mend string) {
	c.mu.Lock()
	said := c.troubled
	c.troubled = instance + message
	c.mu.Unlock()
	if said != instance+message {
		c.record(history.Warn, kind, instance, message, mend)
	}
}
