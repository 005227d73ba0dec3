package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batondb/baton/failover/plan"
)

// PlanSwitchover says what a switchover would do, and refuses what can't be
// done, with a [*Refused].
func (c *Controller) PlanSwitchover(o Order) (from, to string, err error) {
	f := c.Forecast()
	return c.planSwitchover(f.Verdict, f.Plan, o)
}

func (c *Controller) planSwitchover(v plan.Verdict, p plan.Plan, o Order) (from, to string, err error) {
	l := c.deps.Lease.Leadership()
	from = l.Leader
	settings, _ := c.config()
	if l.HandOver != nil {
		return from, "", &Refused{fmt.Sprintf("the %s to %s is not finished yet", l.HandOver.Kind, l.HandOver.To), "look at `baton status`, and try again when it is"}
	}
	if v.Health != plan.Alive {
		return from, "", &Refused{"the leader isn't well: " + v.Reason, "wait until it is, or use `baton failover` if it is dead"}
	}
	if o.To == from {
		return from, "", &Refused{from + " leads already", "name another instance, or none"}
	}
	names, err := choose(p, o.To)
	if err != nil {
		return from, "", err
	}
	to = names[0]
	if _, lag := c.deps.Followers.Progress(to); lag > settings.MaxLag {
		return from, "", &Refused{fmt.Sprintf("%s is %s behind, more than switchover.max_lag %s", to, lag.Round(100*time.Millisecond), settings.MaxLag), "wait until it has caught up"}
	}
	return from, to, nil
}

// Switchover hands over from a leader that is well. Up to the promotion any
// failure leaves everything as it was. The error wraps a [*Refused] where it
// wasn't begun. say is told of each step.
func (c *Controller) Switchover(ctx context.Context, o Order, say func(StepReport)) (Result, error) {
	ctx, end, err := c.await(ctx)
	if err != nil {
		return Result{}, err
	}
	defer end()
	v, p := c.decide(ctx, time.Now())
	from, to, err := c.planSwitchover(v, p, o)
	if err != nil {
		return Result{}, err
	}
	now := time.Now()
	a := c.newAction(HandOver{Kind: Switchover, From: from, To: to, Epoch: c.deps.Lease.Leadership().Epoch + 1, Started: now, Heard: now, Reason: "asked for by an operator"}, say)
	if o.Timeout > 0 {
		a.settings.Timeout = o.Timeout
	}
	if err := a.prepare(ctx); err != nil {
		return Result{}, err
	}
	if err := a.promote(ctx); err != nil {
		return Result{}, err
	}
	return a.result(), nil
}

// prepare freezes the old leader and brings relay and candidate to what it has
// committed last, while its commits go on being acknowledged.
func (a *action) prepare(ctx context.Context) error {
	bounded, cancel := context.WithTimeoutCause(ctx, a.settings.Timeout, fmt.Errorf("the switchover took longer than %s", a.settings.Timeout))
	defer cancel()
	// What the candidate lacks now, writes would have to wait for.
	if err := a.nearHead(bounded); err != nil {
		return &Refused{Reason: err.Error(), Mend: "wait until it has caught up"}
	}
	if err := a.write(ctx, Freeze); err != nil {
		return a.undo(ctx, err)
	}
	a.letFinish(bounded)
	a.handOver.Heard, a.sealed = time.Now(), true
	a.step("freeze", fmt.Sprintf("%s takes no writes from now on; what runs is committed", a.handOver.From))
	final, err := a.servers.Freeze(bounded, a.handOver.From, a.settings.Drain, a.step)
	if err != nil {
		return a.undo(ctx, fmt.Errorf("freeze %s: %w", a.handOver.From, err))
	}
	a.handOver.Cut = final
	a.deps.Clients.End(a.handOver.From)
	if err := a.write(ctx, Drain); err != nil {
		return a.undo(ctx, err)
	}
	if err := a.awaitRelay(bounded); err != nil {
		return a.undo(ctx, err)
	}
	if err := a.drain(bounded, a.settings.Timeout); err != nil {
		return a.undo(ctx, err)
	}
	if err := a.hooks(ctx, "before_promote", a.settings.Hooks.BeforePromote); err != nil {
		return a.undo(ctx, err)
	}
	if err := a.ready(ctx); err != nil {
		return a.undo(ctx, err)
	}
	// The hooks may have taken long: is the old leader as it was frozen?
	if err := a.servers.StillFrozen(bounded, a.handOver.From, final); err != nil {
		return a.undo(ctx, err)
	}
	return nil
}

// nearEnough is how many transactions a candidate may lack when its leader is
// frozen.
const nearEnough = 50

// nearHead waits until the candidate lacks only a few transactions.
func (a *action) nearHead(ctx context.Context) error {
	for {
		executed, err := a.servers.Executed(ctx, a.handOver.To)
		if err != nil {
			return err
		}
		lacks := a.deps.Relay.Durable().Subtract(executed).Count()
		if lacks <= nearEnough {
			return nil
		}
		select {
		case <-time.After(drainPoll):
		case <-ctx.Done():
			return fmt.Errorf("%s lacks %d transactions and doesn't catch up: %w", a.handOver.To, lacks, context.Cause(ctx))
		}
	}
}

// awaitRelay waits until everything that the old leader has committed is durable
// in the relay.
func (a *action) awaitRelay(ctx context.Context) error {
	for {
		lacks := a.handOver.Cut.Subtract(a.deps.Relay.Durable())
		if lacks.IsEmpty() {
			return nil
		}
		select {
		case <-time.After(drainPoll):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the relay lacks %d transactions of %s", lacks.Count(), a.handOver.From), context.Cause(ctx))
		}
	}
}
