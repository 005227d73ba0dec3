package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/history"
)

type failoverOrder struct {
	Order
	reason    string
	automatic bool
}

// Failover hands over from a leader that is dead, or that an operator declares
// dead. The error wraps a [*Refused] where it wasn't begun. say is told of each
// step.
func (c *Controller) Failover(ctx context.Context, o Order, say func(StepReport)) (Result, error) {
	ctx, end, err := c.await(ctx)
	if err != nil {
		return Result{}, err
	}
	defer end()
	v, p := c.decide(ctx, time.Now())
	if v.Health == plan.Alive && c.deps.Lease.Leadership().HandOver == nil {
		return Result{}, &Refused{"the leader answers: there is nothing to fail over from", "use `baton switchover`"}
	}
	f := c.Forecast()
	settings, _ := c.config()
	if !f.Protected && settings.Promise != plan.Async && !o.AllowLoss {
		return Result{}, &Refused{fmt.Sprintf("the leader has run unprotected since %s: commits that succeeded since may not be in the relay", f.Since.Format(time.TimeOnly)),
			"bring the leader back, or accept the loss with --allow-loss"}
	}
	if _, err := choose(p, o.To); err != nil {
		return Result{}, err
	}
	return c.failOver(ctx, failoverOrder{Order: o, reason: "asked for by an operator: " + v.Reason}, say)
}

// label says what clients were told of transactions that the old leader has and
// the relay lacks. One that is silent may be shut down in order yet, which
// acknowledges what waits.
func label(protected bool, v plan.Verdict, promise plan.Promise) string {
	switch {
	case !protected || promise == plan.Async:
		return acknowledgedAndLost
	case v.Health == plan.Died:
		return neverAcknowledged
	}
	return possiblyAcknowledged
}

// What clients were told of transactions, in words; package rewind has the same.
const (
	neverAcknowledged    = "never acknowledged"
	possiblyAcknowledged = "possibly acknowledged"
	acknowledgedAndLost  = "acknowledged and lost"
)

// choose returns the candidates in the order in which they are tried: the one
// that was asked for alone.
func choose(p plan.Plan, to string) ([]string, error) {
	var names []string
	for _, candidate := range p.Candidates {
		if to == "" || candidate.Name == to {
			names = append(names, candidate.Name)
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	for _, r := range p.Refused {
		if r.Instance == to {
			return nil, &Refused{fmt.Sprintf("%s can't lead: %s", to, r.Reason), "`baton status` shows who can"}
		}
	}
	if to != "" {
		return nil, &Refused{fmt.Sprintf("%s is no follower of this cluster", to), "`baton status` shows the followers"}
	}
	return nil, &Refused{"no instance can take the leadership", "`baton status` shows what is wrong with each"}
}

// failOver cuts the history, makes sure of the old leader, and promotes the first
// candidate that can be brought to the cut. The token of hand-overs is held.
func (c *Controller) failOver(ctx context.Context, o failoverOrder, say func(StepReport)) (Result, error) {
	l := c.deps.Lease.Leadership()
	now := time.Now()
	c.deps.Clients.Hold(l.Leader + " is failed over from: " + o.reason)
	heard := c.deps.Stream.State().Heard
	// The cut: what is received after it belongs to no history of ours.
	c.deps.Stream.Stop()
	cut := c.deps.Relay.Durable()
	if heard.IsZero() {
		heard = now
	}
	a := c.newAction(HandOver{Kind: Failover, From: l.Leader, Epoch: l.Epoch + 1, Started: now, Heard: heard, Cut: cut,
		Automatic: o.automatic, Reason: o.reason, Unfinished: l.HandOver}, say)
	v, p := c.decide(ctx, now)
	if old, _ := c.deps.Observer.View().Instance(l.Leader); old.Facts != nil {
		a.handOver.Missing = old.Facts.GTIDExecuted.Subtract(cut)
	}
	a.handOver.Label = label(c.Forecast().Protected, v, a.settings.Promise)
	if err := a.write(ctx, Fence); err != nil {
		return Result{}, a.undo(ctx, err)
	}
	// Nor does what it says from now on reach a client through baton.
	c.deps.Clients.End(l.Leader)
	a.step("cut", fmt.Sprintf("%s; nothing more is received from %s or acknowledged to it", o.reason, l.Leader))
	if err := a.fence(ctx, v, p.NeedsFence, o); err != nil {
		return Result{}, a.undo(ctx, err)
	}
	candidates, err := choose(p, o.To)
	if err != nil {
		return Result{}, a.undo(ctx, err)
	}
	if err := a.tryEach(ctx, candidates); err != nil {
		return Result{}, err
	}
	return a.result(), nil
}

// fence makes sure that the old leader commits nothing more. One that died boots
// fenced; one that answers is fenced in the right order; one that is silent can't
// acknowledge where the promise is strict, and takes a hook elsewhere.
func (a *action) fence(ctx context.Context, v plan.Verdict, needsHook bool, o failoverOrder) error {
	hookDone := false
	if len(a.settings.Hooks.Fence) > 0 {
		err := a.hooks(ctx, "fence", a.settings.Hooks.Fence)
		if err != nil && needsHook {
			return fmt.Errorf("the old leader may wake up and acknowledge: %w", err)
		}
		hookDone = err == nil
	}
	if needsHook && !hookDone && o.automatic {
		return errors.New("the old leader may wake up and acknowledge, and no fence hook is configured")
	}
	old, _ := a.deps.Observer.View().Instance(a.handOver.From)
	if !old.Reachable() || hookDone {
		a.step("fence", fmt.Sprintf("%s doesn't answer (%s); it is fenced before it may follow", a.handOver.From, v.Health))
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, a.settings.Timeout)
	defer cancel()
	a.sealed = true
	executed, err := a.servers.Fence(bounded, a.handOver.From, a.step)
	if err != nil {
		return fmt.Errorf("fence %s: %w", a.handOver.From, err)
	}
	a.handOver.Missing = executed.Subtract(a.handOver.Cut)
	a.step("fence", fmt.Sprintf("%s takes no writes any more", a.handOver.From))
	return nil
}

// tryEach promotes the first candidate that can be brought to the cut.
func (a *action) tryEach(ctx context.Context, candidates []string) error {
	var failures []error
	for _, name := range candidates {
		a.handOver.To = name
		if err := a.write(ctx, Drain); err != nil {
			return a.undo(ctx, err)
		}
		err := a.drain(ctx, drainPatience)
		if err == nil {
			if err := a.hooks(ctx, "before_promote", a.settings.Hooks.BeforePromote); err != nil {
				return a.undo(ctx, err)
			}
			err = a.ready(ctx)
		}
		switch {
		case err == nil:
			return a.promote(ctx)
		case ctx.Err() != nil:
			return err // undone by the next start, or by reconcile
		}
		failures = append(failures, err)
		a.step("next candidate", err.Error())
	}
	return a.undo(ctx, fmt.Errorf("no candidate could be brought to the cut: %w", errors.Join(failures...)))
}

// receipt records what a failover kept and could not keep.
func (a *action) receipt() {
	h := a.handOver
	if h.Kind != Failover {
		return
	}
	message := fmt.Sprintf("kept: everything that is in the relay, up to %s; of the last of it clients may have had no answer", h.Cut)
	level := history.Info
	if !h.Missing.IsEmpty() {
		level = history.Warn
		message += fmt.Sprintf("; %s was known to have %d transactions more, which the relay lacks: %s", h.From, h.Missing.Count(), h.Label)
	}
	a.deps.Recorder.Record(history.Event{Level: level, Kind: history.LossReceipt, Instance: h.From, GTID: h.Missing.String(), Message: message})
}

func (a *action) result() Result {
	h := a.handOver
	// Where an earlier process has begun it, the clock may have been set since.
	since := func(moment time.Time) float64 { return max(0, a.writable.Sub(moment)).Seconds() }
	return Result{Kind: h.Kind, From: h.From, To: h.To, Epoch: h.Epoch, Cut: h.Cut, At: a.writable,
		Seconds: since(h.Started), UnwritableSeconds: since(h.Heard), Missing: h.Missing}
}

// Deposed tells whether an instance has led and has not been fenced since.
func (c *Controller) Deposed(name string) bool {
	return slices.Contains(c.deps.Lease.Leadership().Deposed, name)
}

// fenceTimeout bounds fencing a former leader that answers again.
const fenceTimeout = 30 * time.Second

// FenceDeposed fences a former leader that answers again, before it may follow:
// its commits may still wait for an acknowledgement.
func (c *Controller) FenceDeposed(ctx context.Context, name string) error {
	ctx, release := c.whileHeld(ctx)
	defer release()
	bounded, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	last := "nothing"
	_, err := c.servers.Fence(bounded, name, func(step, detail string) { last = step + ": " + detail })
	if err != nil {
		return fmt.Errorf("it has led and must be fenced before it may follow (done: %s): %w", last, err)
	}
	return c.deps.Lease.Update(ctx, func(l *Leadership) { l.Deposed = without(l.Deposed, name) })
}

// Exclusively does something while no hand-over is under way.
func (c *Controller) Exclusively(ctx context.Context, do func(context.Context) error) error {
	ctx, end, err := c.await(ctx)
	if err != nil {
		return err
	}
	defer end()
	return do(ctx)
}
