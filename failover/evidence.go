package failover

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// beats is the number of the stream's heartbeats, one an interval, after whose
// absence it counts as failing.
const beats = 3

// protection is whether commits wait for the relay, as far as was last seen.
type protection struct {
	on    bool
	since time.Time
	setUp time.Time // when semi-sync was last set up on the leader
	acked time.Time // when the leader was last seen to wait for us, or what it sent was acknowledged
}

// A Forecast is what the controller would do now.
type Forecast struct {
	Verdict plan.Verdict
	Plan    plan.Plan
	// Protected tells whether commits wait for the relay; Since when.
	Protected bool
	Since     time.Time
}

// Forecast returns the last decision.
func (c *Controller) Forecast() Forecast {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Forecast{Verdict: c.verdict, Plan: c.plan, Protected: c.guarded.on, Since: c.guarded.since}
}

// decide weighs what is known now. The token of hand-overs is held.
func (c *Controller) decide(ctx context.Context, now time.Time) (plan.Verdict, plan.Plan) {
	settings, _ := c.config()
	view := c.deps.Observer.View()
	l := c.deps.Lease.Leadership()
	stream := c.deps.Stream.State()
	leader, _ := view.Instance(l.Leader)
	v := c.judge(now, settings, leader, stream)
	guarded := c.protect(ctx, now, settings, leader, stream)
	cluster := plan.Cluster{
		Promise: settings.Promise, Protected: guarded.on, Unprotected: now.Sub(guarded.since), Unseen: guarded.acked.IsZero(),
		BootsFenced: c.bootsFenced(ctx, leader, l.BootsFenced), Automatic: settings.Automatic, Paused: l.FailoverPaused,
		FenceHook: len(settings.Hooks.Fence) > 0, Durable: c.deps.Relay.Durable(), Leader: v,
	}
	if l.Last != nil {
		cluster.Cooldown = cooldown(settings.Cooldown, l.Last.At, c.started, now)
	}
	if leader.Facts != nil {
		cluster.LeaderExecuted = leader.Facts.GTIDExecuted
	}
	for _, in := range view.Instances {
		if !in.Leader {
			cluster.Instances = append(cluster.Instances, c.candidate(settings, in, leader))
		}
	}
	p := plan.Decide(cluster)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verdict, c.plan = v, p
	return v, p
}

// cooldown is how long it is until a failover may follow a hand-over that was done
// at a moment, 0 or less when it may now. The moment may be one of an earlier
// process, and this machine's clock have been set back since: then it counts from
// this process's start, so that it comes to its end all the same.
func cooldown(length time.Duration, done, started, now time.Time) time.Duration {
	if done.After(now) {
		done = started
	}
	return length - now.Sub(done)
}

// bootsFenced tells whether the leader, started again by somebody, takes no
// writes, and remembers it: what it has persisted it keeps while no baton runs.
func (c *Controller) bootsFenced(ctx context.Context, leader Instance, remembered bool) bool {
	if leader.Facts == nil {
		return remembered
	}
	fenced := c.willBootFenced(leader)
	if fenced != remembered {
		if err := c.deps.Lease.Update(ctx, func(l *Leadership) { l.BootsFenced = fenced }); err != nil {
			c.once(history.InstanceProblem, leader.Name, err.Error(), "")
		}
	}
	return fenced
}

func (c *Controller) willBootFenced(in Instance) bool {
	c.mu.Lock()
	_, persisted := c.fenced[in.Name]
	c.mu.Unlock()
	return in.Facts != nil && in.Facts.PersistedLoad && (persisted || in.Facts.BootsFenced)
}

// judge turns what was observed of the leader into a verdict. A silence counts
// from when this process last went on, if it had been stopped.
func (c *Controller) judge(now time.Time, settings Settings, leader Instance, stream StreamState) plan.Verdict {
	if stream.Diverged != "" {
		// It restarted without transactions that it had sent; it is fenced.
		return plan.Verdict{Health: plan.Died, Reason: stream.Diverged}
	}
	c.mu.Lock()
	woke := c.woke
	c.mu.Unlock()
	lasts := func(since time.Time) time.Duration {
		if since.IsZero() {
			return 0
		}
		if woke.After(since) {
			since = woke
		}
		return max(now.Sub(since), time.Millisecond)
	}
	e := plan.Evidence{}
	if leader.Fault != nil && leader.Fault.Down() {
		e.ProbesFailing, e.ProbeFault = lasts(leader.FailingSince), leader.Fault.Message
		e.Refused = lasts(leader.RefusedSince)
	}
	heard := stream.Heard
	if heard.IsZero() {
		heard = c.started
	}
	if !stream.Streaming || now.Sub(heard) > beats*settings.Interval {
		e.StreamFailing = lasts(heard)
	}
	if leader.WriteFault != nil {
		e.WritesFailing, e.WriteFault = lasts(leader.WriteSince), leader.WriteFault.Message
	}
	return plan.Judge(e, plan.Thresholds{Window: settings.Window, Refused: min(settings.Window, 2*settings.Interval)})
}

// protect follows whether commits on the leader wait for the relay.
//
// They do when the leader says so, with the settings that were wanted and nobody
// else to acknowledge, and when all that it had committed before is in the relay
// too. Where the promise isn't strict, a leader that had no acknowledgement for
// AckTimeout may have told clients of commits that the relay lacks, whether it
// can be seen or not; once it refuses connections it tells nobody any more. A
// strict one waits as long as its semi-sync is on, whatever happens to baton.
func (c *Controller) protect(ctx context.Context, now time.Time, settings Settings, leader Instance, stream StreamState) protection {
	durable := c.deps.Relay.Durable()
	c.mu.Lock()
	g := &c.guarded
	before := g.on
	// What was read before semi-sync was last set up says nothing about it.
	answers := leader.Reachable() && leader.Facts != nil && leader.Answered.After(g.setUp)
	asWanted := answers && leader.Facts.SemiSync.SourceActive && (now.Sub(g.setUp) < settingsInterval || len(c.drift(settings, leader)) == 0)
	fed := stream.Streaming && stream.Acknowledging && now.Sub(stream.Heard) <= beats*settings.Interval
	alive := now
	if !leader.RefusedSince.IsZero() {
		alive = leader.RefusedSince
	}
	why := ""
	switch {
	case settings.Promise == plan.Async:
		g.on, why = false, "durability.mode is async"
	case stream.Diverged != "", fenced(leader):
		// It has started fenced, or was fenced: it can tell nobody of a commit.
	case answers && !leader.Facts.SemiSync.SourceActive:
		g.on, why = false, "its semi-sync is off, or has given up waiting"
	case answers && !asWanted:
		g.on, why = false, strings.Join(c.drift(settings, leader), "; ")
	case asWanted && fed && (g.on || durable.ContainsSet(leader.Facts.GTIDExecuted)):
		g.on, g.acked = true, now
	case settings.Promise != plan.Strict && alive.Sub(g.acked) >= settings.AckTimeout:
		g.on, why = false, fmt.Sprintf("nothing was acknowledged for %s", settings.AckTimeout)
	}
	if g.on != before {
		g.since = now
	}
	after := *g
	c.mu.Unlock()
	if after.on != before {
		c.tellProtection(ctx, settings, leader.Name, after.on, why)
	}
	return after
}

// drift says what of the leader's semi-sync isn't as wanted, and who else
// acknowledges.
func (c *Controller) drift(settings Settings, leader Instance) []string {
	drift := leader.Facts.SemiSync.Drift(mysql.SemiSyncSettings{Timeout: settings.timeout()})
	for _, other := range leader.Facts.OtherAcknowledgers(c.deps.BatonID) {
		drift = append(drift, "another replica acknowledges: "+other.Host)
	}
	return drift
}

// tellProtection records that commits began, or ceased, to wait for the relay, and
// why they ceased. Of a strict leader it is remembered: it waits on while no baton
// runs.
func (c *Controller) tellProtection(ctx context.Context, settings Settings, leader string, on bool, why string) {
	if on {
		c.record(history.Info, history.Durability, leader, "commits wait until they are in the relay", "")
	} else {
		c.record(history.Warn, history.Durability, leader, fmt.Sprintf("commits no longer wait for the relay (%s): what succeeds now may be lost with the leader", why),
			"`baton status` shows what is wrong with source, relay or leader, `baton check` with its settings")
	}
	waits := on && settings.Promise == plan.Strict
	if c.deps.Lease.Leadership().WaitsForever == waits {
		return
	}
	if err := c.deps.Lease.Update(ctx, func(l *Leadership) { l.WaitsForever = waits }); err != nil {
		c.once(history.Durability, leader, err.Error(), "")
	}
}

// candidate is a follower as the plan sees it.
func (c *Controller) candidate(settings Settings, in, leader Instance) plan.Instance {
	i := plan.Instance{Name: in.Name, Promotion: settings.Promotions[in.Name], Errant: in.Errant}
	i.Problem, i.Lag = c.deps.Followers.Progress(in.Name)
	if in.Fault != nil {
		i.Problem = "it doesn't answer: " + in.Fault.Message
	}
	if in.Facts == nil {
		if i.Problem == "" {
			i.Problem = "it has not answered yet"
		}
		return i
	}
	i.Executed = in.Facts.GTIDExecuted
	i.NoBinlog = !in.Facts.LogBin
	if leader.Facts != nil {
		i.OlderThanLeader = in.Facts.Version.Compare(leader.Facts.Version) < 0
	}
	return i
}
