package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/mysql"
)

// Clients are those that reach the leader through baton.
type Clients interface {
	// Hold has who comes wait, for a reason in words. Who is connected stays.
	Hold(reason string)
	// Lead leads who waits and who comes to an instance, and disconnects who is still
	// connected to another as the leader.
	Lead(instance string)
	// End disconnects the clients of an instance that leads no more. What it has
	// answered still reaches them.
	End(instance string)
	// EndIdle does so only for those of the connections, by the server's number, that
	// are idle, and whose client has sent nothing for as long as quiet: not less than
	// it is since the server was asked. It returns how many are still there.
	EndIdle(instance string, idle map[uint64]bool, quiet time.Duration) (left int)
}

const (
	// thinkTime is how long a client that has nothing under way must have been quiet
	// to be disconnected: one that has just connected is about to send something.
	thinkTime = 50 * time.Millisecond
	// restlessAfter is how long clients are waited for that are never quiet for so
	// long; then a look at which they have nothing under way has to do.
	restlessAfter = 500 * time.Millisecond
	// tick is how exactly it is known for how long a client has been quiet.
	tick = 10 * time.Millisecond
)

// letFinish has those clients of the old leader that came through baton finish
// what they have begun, while others wait, and disconnects each when it has: none
// of them is refused a write in the middle of it. The old leader takes writes
// meanwhile, and what still runs after the settings' Drain is left to the freeze.
func (a *action) letFinish(ctx context.Context) {
	from := a.handOver.From
	a.deps.Clients.Hold(fmt.Sprintf("the leadership is handed over from %s to %s", from, a.handOver.To))
	left := a.deps.Clients.EndIdle(from, nil, 0)
	if left == 0 {
		return
	}
	a.step("hold clients", fmt.Sprintf("new ones wait; %d may finish what they have begun", left))
	for began := time.Now(); left > 0 && time.Since(began) < a.settings.Drain; {
		asked := time.Now()
		idle, known, err := a.servers.Idle(ctx, from)
		if err != nil || !known && time.Since(began) > restlessAfter {
			break
		}
		quiet := time.Since(asked) + tick
		if time.Since(began) < restlessAfter {
			quiet = max(quiet, thinkTime)
		}
		left = a.deps.Clients.EndIdle(from, idle, quiet)
		select {
		case <-time.After(drainPoll):
		case <-ctx.Done():
			return
		}
	}
	if left > 0 {
		a.step("hold clients", fmt.Sprintf("%d have not finished", left))
	}
}

// leadClients leads clients to the leader on record, unless it takes no writes
// for a reason that passes: then they wait. The token of hand-overs is held.
func (c *Controller) leadClients(ctx context.Context, v plan.Verdict) {
	l := c.deps.Lease.Leadership()
	leader, _ := c.deps.Observer.View().Instance(l.Leader)
	restarted := l.HandOver == nil && fenced(leader) && c.isOurs(ctx, leader)
	if reason := whyClientsWait(l, leader, v.Health, restarted); reason != "" {
		c.deps.Clients.Hold(reason)
		return
	}
	c.deps.Clients.Lead(l.Leader)
}

// fenced tells whether the instance answers and takes no writes, from nobody.
func fenced(in Instance) bool {
	return in.Reachable() && in.Facts != nil && in.Facts.SuperReadOnly
}

// whyClientsWait says what passes until the leader takes writes; empty when
// nothing is to be waited for. restarted tells that it is fenced because it has
// started again, and that baton makes it writable.
func whyClientsWait(l Leadership, leader Instance, health plan.Health, restarted bool) string {
	switch {
	case l.HandOver != nil:
		return fmt.Sprintf("the %s from %s is not finished", l.HandOver.Kind, l.HandOver.From)
	case !leader.Observed:
		return l.Leader + " leads, and hasn't answered baton yet"
	case leader.Fault != nil && leader.Fault.Kind == mysql.Refused:
		// It may come back fenced, which has to be seen first.
		return l.Leader + " leads, and refuses connections"
	case health == plan.Died || health == plan.Silent:
		return fmt.Sprintf("%s leads, and %s", l.Leader, health.Words())
	case restarted:
		return l.Leader + " leads, and is not made writable yet"
	}
	return ""
}
