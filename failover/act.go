package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/history"
)

// An action is a hand-over that is being carried out.
type action struct {
	*Controller
	settings Settings
	handOver HandOver
	say      func(StepReport)
	writable time.Time // when the new leader could be written to
	sealed   bool      // the old leader was frozen or fenced by this hand-over
}

func (c *Controller) newAction(h HandOver, say func(StepReport)) *action {
	settings, _ := c.config()
	return &action{Controller: c, settings: settings, handOver: h, say: say}
}

// step tells of a step, to whoever waits for the hand-over and to the history.
func (a *action) step(name, detail string) {
	r := StepReport{At: time.Now(), Elapsed: time.Since(a.handOver.Started).Seconds(), Step: name, Detail: detail}
	message := name
	if detail != "" {
		message += ": " + detail
	}
	a.deps.Recorder.Record(history.Event{
		Level: history.Info, Kind: history.HandOverStep, Instance: a.handOver.To,
		Message: fmt.Sprintf("%s, %.3fs: %s", a.handOver.Kind, r.Elapsed, message),
		Step:    &history.Step{HandOver: string(a.handOver.Kind), Elapsed: r.Elapsed, Name: name, Detail: detail},
	})
	if a.say != nil {
		a.say(r)
	}
}

// write writes down how far the hand-over has come; nothing that belongs to a
// step is done before.
func (a *action) write(ctx context.Context, step Step) error {
	h := a.handOver
	h.Step = step
	if step == Promote {
		h.Unfinished = nil // it is overtaken
	}
	to, _ := a.deps.Observer.View().Instance(h.To)
	fenced := a.willBootFenced(to)
	err := a.deps.Lease.Update(ctx, func(l *Leadership) {
		l.HandOver = &h
		if step == Promote {
			l.Leader, l.Epoch, l.BootsFenced = h.To, h.Epoch, fenced
			// From now on, whatever becomes of this promotion.
			l.Deposed = append(without(l.Deposed, h.From), h.From)
		}
	})
	if err != nil {
		a.doubtful = a.doubtful || step == Promote
		return fmt.Errorf("write down the step %s: %w", step, err)
	}
	a.handOver = h
	return nil
}

// undo gives a hand-over up whose promotion hasn't begun: the old leader goes on.
// Where that can't be written down, reconcile tries again. If the promotion has
// reached the record though writing it failed, it stands, and is finished by
// reconcile: until that is certain, nobody is made writable.
func (a *action) undo(ctx context.Context, cause error) error {
	if err := a.deps.Lease.Held().Err(); err != nil {
		return cause // it is for whoever holds the lease
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
	defer cancel()
	from := a.handOver.From
	err := a.deps.Lease.Update(bounded, func(l *Leadership) {
		if l.Epoch < a.handOver.Epoch {
			l.HandOver = a.handOver.Unfinished
		}
	})
	switch {
	case err == nil:
		a.doubtful = false
	case a.doubtful:
		return errors.Join(cause, err)
	}
	if a.deps.Lease.Leadership().Epoch >= a.handOver.Epoch {
		return errors.Join(cause, errors.New("the promotion is on record all the same, and is finished"))
	}
	if a.sealed {
		if openErr := a.openLeader(bounded, from); openErr != nil {
			a.setOpened(time.Time{}) // so that reconcile opens it once that is possible
			err = errors.Join(err, fmt.Errorf("%s is still read-only, until it can be streamed from: %w", from, openErr))
		}
	} else {
		err = errors.Join(err, a.deps.Stream.Start(from))
	}
	if err == nil {
		a.deps.Clients.Lead(from) // else leadClients does, when it can be led to
	}
	if a.handOver.To != "" {
		a.deps.Followers.Follow(a.handOver.To)
	}
	a.once(history.HandOverUndone, from, fmt.Sprintf("the %s was undone: %v; %s leads on", a.handOver.Kind, cause, from), "")
	return errors.Join(cause, err)
}

// drain gives the candidate everything up to the cut. It fails when nothing is
// applied to the candidate any more.
func (a *action) drain(ctx context.Context, patience time.Duration) error {
	a.step("drain", fmt.Sprintf("%s is given the relay up to the cut", a.handOver.To))
	var last int64 = -1
	progressed := time.Now()
	for {
		bounded, cancel := context.WithTimeout(ctx, patience)
		executed, err := a.servers.Executed(bounded, a.handOver.To)
		cancel()
		if err != nil {
			return err
		}
		lacks := a.handOver.Cut.Subtract(executed).Count()
		if lacks == 0 {
			return nil
		}
		if lacks != last {
			last, progressed = lacks, time.Now()
		}
		problem, _ := a.deps.Followers.Progress(a.handOver.To)
		if time.Since(progressed) > patience {
			return fmt.Errorf("%s lacks %d transactions and gets on no more: %s", a.handOver.To, lacks, problem)
		}
		select {
		case <-time.After(drainPoll):
		case <-ctx.Done():
			return fmt.Errorf("%s lacks %d transactions: %w", a.handOver.To, lacks, context.Cause(ctx))
		}
	}
}

const (
	drainPoll     = 5 * time.Millisecond
	drainPatience = 10 * time.Second // without any progress
	attachTimeout = 10 * time.Second
	openTimeout   = 15 * time.Second
	epochTimeout  = 3 * time.Second
)

// ready makes the candidate fit to lead, as far as that can be undone: nothing is
// applied to it any more, it waits for acknowledgements, and the relay can take
// what it writes.
func (a *action) ready(ctx context.Context) error {
	to := a.handOver.To
	a.deps.Stream.Stop()
	if err := a.deps.Relay.Discard(); err != nil {
		return fmt.Errorf("prepare the relay: %w", err)
	}
	if err := a.deps.Relay.NewSegment(); err != nil {
		return fmt.Errorf("begin a segment of the new epoch: %w", err)
	}
	a.deps.Followers.Retire(to)
	if a.settings.Promise != plan.Async {
		if err := a.setUpSemiSync(ctx, to, a.settings); err != nil {
			a.deps.Followers.Follow(to)
			return fmt.Errorf("have the commits of %s wait for the relay: %w", to, err)
		}
	}
	return nil
}

// promote writes down that the candidate leads and makes it so. There is no way
// back after it: what fails is tried again, by reconcile, or the candidate is
// handed over from in turn.
func (a *action) promote(ctx context.Context) error {
	if err := a.write(ctx, Promote); err != nil {
		return a.undo(ctx, err)
	}
	a.step("promote", fmt.Sprintf("%s leads, in epoch %d", a.handOver.To, a.handOver.Epoch))
	return a.finish(ctx)
}

// finish does what follows from a promotion that is written down. All of it may
// be done again.
func (a *action) finish(ctx context.Context) (err error) {
	to := a.handOver.To
	// Not the old leader only: there may have been one before it, whose hand-over
	// was overtaken by its candidate's death.
	defer a.followAllBut(to)
	a.deps.Followers.Retire(to)
	a.deps.Observer.SetLeader(to)
	// An instance that hangs in the middle must not keep the next one from leading.
	bounded, cancel := context.WithTimeoutCause(ctx, openTimeout, fmt.Errorf("%s was not made writable within %s", to, openTimeout))
	defer cancel()
	if err := a.servers.TrustAs(bounded, to, a.handOver.From); err != nil {
		return err
	}
	if err := a.openLeader(bounded, to); err != nil {
		return err
	}
	a.writable = time.Now()
	a.setOpened(a.writable)
	a.deps.Clients.Lead(to)
	a.step("writable", to+" takes writes")
	fenced := a.retireOldLeader(ctx)
	a.receipt()
	a.tryHooks(ctx, "after_promote", a.settings.Hooks.AfterPromote)
	if a.handOver.Kind == Switchover {
		a.tryHooks(ctx, "after_switchover", a.settings.Hooks.AfterSwitchover)
	}
	if err := a.complete(ctx, fenced); err != nil {
		return err
	}
	a.writeEpoch(ctx, to, a.handOver.Epoch)
	return nil
}

// complete writes down that the hand-over is done.
func (a *action) complete(ctx context.Context, fenced bool) error {
	h, done := a.handOver, a.result()
	err := a.deps.Lease.Update(ctx, func(l *Leadership) {
		l.HandOver, l.Last = nil, &done
		l.Deposed = without(l.Deposed, h.To)
		if fenced {
			l.Deposed = without(l.Deposed, h.From)
		}
		labels := map[string]string{}
		maps.Copy(labels, l.Labels)
		delete(labels, h.To)
		if h.Label != "" {
			labels[h.From] = h.Label
		}
		l.Labels = labels
	})
	if err != nil {
		return fmt.Errorf("write down the end of the hand-over: %w", err)
	}
	a.deps.Recorder.Record(history.Event{Kind: history.HandOverDone, Instance: h.To, GTID: h.Cut.String(),
		Message: fmt.Sprintf("%s leads since epoch %d, by a %s from %s; %.3fs without a writable leader", h.To, h.Epoch, h.Kind, h.From, done.UnwritableSeconds)})
	if a.deps.HandedOver != nil {
		a.deps.HandedOver(done)
	}
	return nil
}

func (c *Controller) followAllBut(leader string) {
	_, names := c.config()
	for _, name := range names {
		if name != leader {
			c.deps.Followers.Follow(name)
		}
	}
}

// retireOldLeader ends that the frozen old leader of a switchover waits for
// acknowledgements. Where that doesn't succeed, and after a failover, the old
// leader has to be fenced before it may follow.
func (a *action) retireOldLeader(ctx context.Context) bool {
	if a.handOver.Kind != Switchover {
		return false
	}
	bounded, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	err := a.servers.TearDownSemiSync(bounded, a.handOver.From)
	if err != nil {
		a.step("old leader", "will be fenced before it follows: "+err.Error())
	}
	return err == nil
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

// openLeader makes the leader on record take writes: its commits wait for the
// relay and the stream is attached before the first of them.
func (c *Controller) openLeader(ctx context.Context, name string) error {
	settings, _ := c.config()
	if st := c.deps.Stream.State(); st.From == name && st.Stopped != "" {
		// It goes on by itself; a new one would only stop again, and say so again.
		return errors.New(st.Stopped)
	}
	if settings.Promise != plan.Async {
		if err := c.setUpSemiSync(ctx, name, settings); err != nil {
			return fmt.Errorf("have its commits wait for the relay: %w", err)
		}
	}
	if st := c.deps.Stream.State(); st.From == name && st.Streaming && (st.Acknowledging || settings.Promise == plan.Async) {
		return c.servers.MakeWritable(ctx, name)
	}
	if err := c.deps.Stream.Start(name); err != nil {
		return fmt.Errorf("stream from %s: %w", name, err)
	}
	if err := c.awaitStream(ctx, name, settings); err != nil {
		return err
	}
	return c.servers.MakeWritable(ctx, name)
}

// timeout is how long a commit waits; 0 for ever.
func (s Settings) timeout() time.Duration {
	if s.Promise == plan.Strict {
		return 0
	}
	return s.AckTimeout
}

// awaitStream waits until the stream is attached and, where that is promised,
// acknowledges; not longer than the instance answers.
func (c *Controller) awaitStream(ctx context.Context, name string, settings Settings) error {
	deadline := time.Now().Add(attachTimeout)
	for {
		st := c.deps.Stream.State()
		if st.Stopped != "" {
			return errors.New(st.Stopped)
		}
		if st.Streaming && (st.Acknowledging || settings.Promise == plan.Async) {
			return nil
		}
		if in, _ := c.deps.Observer.View().Instance(name); in.Fault != nil {
			return fmt.Errorf("the stream is not attached: %w", in.Fault)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the stream was not attached within %s", attachTimeout)
		}
		select {
		case <-time.After(drainPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// writeEpoch leaves the epoch on the instances, for a baton that has lost its
// state. The token of hand-overs is held.
func (c *Controller) writeEpoch(ctx context.Context, leader string, epoch int64) {
	bounded, cancel := context.WithTimeout(ctx, epochTimeout)
	defer cancel()
	if err := c.servers.WriteEpoch(bounded, leader, epoch); err != nil {
		c.once(history.InstanceProblem, leader, "the epoch could not be written to baton.epoch: "+err.Error(), "baton tries again by itself")
		return
	}
	c.epochWritten = epoch
}

// facts are what hooks are told.
func (a *action) facts(hook string) HookFacts {
	view := a.deps.Observer.View()
	from, _ := view.Instance(a.handOver.From)
	to, _ := view.Instance(a.handOver.To)
	return HookFacts{Hook: hook, Kind: a.handOver.Kind, OldLeader: a.handOver.From, OldAddress: from.Address,
		NewLeader: a.handOver.To, NewAddress: to.Address, Epoch: a.handOver.Epoch, Reason: a.handOver.Reason}
}

// tryHooks runs hooks whose failure changes nothing any more.
func (a *action) tryHooks(ctx context.Context, name string, hooks []Hook) {
	if err := a.hooks(ctx, name, hooks); err != nil {
		a.step("hook failed", err.Error())
	}
}

// hooks runs hooks, if there are any, and tells so.
func (a *action) hooks(ctx context.Context, name string, hooks []Hook) error {
	if len(hooks) == 0 {
		return nil
	}
	a.step("hook "+name, "")
	return run(ctx, hooks, a.facts(name))
}
