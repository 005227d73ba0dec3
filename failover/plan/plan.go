package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/batondb/baton/binlog/gtid"
)

// A Promise is the configured durability.
type Promise string

// The promises, as in durability.mode.
const (
	Strict   Promise = "strict"
	Balanced Promise = "balanced"
	Async    Promise = "async"
)

// A Promotion is how willingly an instance is made leader.
type Promotion string

// The promotions, as in instances[].promotion.
const (
	Prefer  Promotion = "prefer"
	Neutral Promotion = "neutral"
	Avoid   Promotion = "avoid"
	Never   Promotion = "never"
)

// Cluster is what a decision rests on.
type Cluster struct {
	Promise Promise
	// Protected tells whether commits wait for the relay, or did up to the moment
	// at which the leader was last heard; otherwise Unprotected is for how long
	// they hadn't.
	Protected   bool
	Unprotected time.Duration
	// Unseen tells that Protected was never seen to be true since the start.
	Unseen bool
	// BootsFenced tells that the leader, were it to start again by itself, would
	// take no writes.
	BootsFenced bool
	// Automatic is false where failover.mode is manual.
	Automatic bool
	// Paused tells that an operator has suspended automatic failovers.
	Paused bool
	// Cooldown is how long it is until a failover may follow the last hand-over;
	// 0 or less when it may now.
	Cooldown time.Duration
	// FenceHook tells whether a fence hook is configured.
	FenceHook bool
	// Durable is the relay's durable set: what every candidate is brought to.
	Durable gtid.Set
	// LeaderExecuted is the leader's gtid_executed as it was last read.
	LeaderExecuted gtid.Set
	Leader         Verdict
	Instances      []Instance // the followers, in the config's order
}

// Instance is a follower.
type Instance struct {
	Name      string
	Promotion Promotion
	// Problem is why it doesn't follow, in words; empty when it does.
	Problem string
	// Errant are the transactions that it alone has.
	Errant gtid.Set
	// Executed is its gtid_executed.
	Executed gtid.Set
	// Lag is how long ago the leader committed the oldest transaction of the relay
	// that it lacks; 0 when it lacks none.
	Lag time.Duration
	// OlderThanLeader tells that the leader's server is newer: what a newer server
	// wrote an older one may not read.
	OlderThanLeader bool
	// NoBinlog tells that it writes no binlog.
	NoBinlog bool
}

// A Refusal is why an instance is no candidate.
type Refusal struct {
	Instance string
	Reason   string
}

// A Candidate is an instance that could lead.
type Candidate struct {
	Name string
	// Lacks is how many transactions of the relay it has to be given first.
	Lacks int64
}

// Plan is the decision.
type Plan struct {
	// Candidates, the one to promote first.
	Candidates []Candidate
	Refused    []Refusal
	// WouldLose is how many transactions the leader is known to have that the
	// relay lacks. They were not acknowledged where the promise held.
	WouldLose int64
	// Failover tells whether a failover is due, now and without an operator.
	Failover bool
	// NeedsFence tells that it must begin with a fence hook that succeeds.
	NeedsFence bool
	// Obstacle is what stands in the way of an automatic failover if the leader
	// were dead, or because of which none happens though it is; empty for nothing.
	// BlockedBy says it in words.
	Obstacle  Obstacle
	BlockedBy string
}

// soon is the unit in which the lags of candidates are compared: whoever is
// behind by less is ready at once, and then the configured preference counts
// rather than who happens to have the last few transactions.
const soon = time.Second

// An Obstacle is a reason why no automatic failover happens.
type Obstacle string

// The obstacles.
const (
	NoCandidate Obstacle = "no-candidate"
	Manual      Obstacle = "manual"
	Suspended   Obstacle = "paused"
	Cooling     Obstacle = "cooldown"
	Unprotected Obstacle = "unprotected"
	Unfenced    Obstacle = "unfenced"
)

// Decide makes the plan. Candidates are ordered by how soon they are ready, then
// by promotion, by what they lack, and by name.
func Decide(c Cluster) Plan {
	p := Plan{WouldLose: c.LeaderExecuted.Subtract(c.Durable).Count()}
	known := map[string]Instance{}
	for _, i := range c.Instances {
		known[i.Name] = i
		if reason := refuse(i); reason != "" {
			p.Refused = append(p.Refused, Refusal{i.Name, reason})
			continue
		}
		p.Candidates = append(p.Candidates, Candidate{i.Name, c.Durable.Subtract(i.Executed).Count()})
	}
	slices.SortStableFunc(p.Candidates, func(a, b Candidate) int {
		i, j := known[a.Name], known[b.Name]
		return cmp.Or(cmp.Compare(i.Lag/soon, j.Lag/soon), cmp.Compare(reluctance(i.Promotion), reluctance(j.Promotion)),
			cmp.Compare(a.Lacks, b.Lacks), cmp.Compare(a.Name, b.Name))
	})
	p.NeedsFence = c.Leader.Health == Silent && c.Promise != Strict || !c.BootsFenced
	p.Obstacle, p.BlockedBy = blocked(c, p)
	p.Failover = (c.Leader.Health == Died || c.Leader.Health == Silent) && p.BlockedBy == ""
	return p
}

// refuse says why an instance can't lead; empty when it can.
func refuse(i Instance) string {
	switch {
	case i.Promotion == Never:
		return "its promotion is never"
	case !i.Errant.IsEmpty():
		return fmt.Sprintf("it has transactions that nobody else has: %s", i.Errant)
	case i.Problem != "":
		return i.Problem
	case i.OlderThanLeader:
		return "its server is older than the leader's"
	case i.NoBinlog:
		return "it writes no binlog: set log_bin"
	}
	return ""
}

func reluctance(p Promotion) int {
	switch p {
	case Prefer:
		return 0
	case Avoid:
		return 2
	}
	return 1
}

// blocked says what is in the way of an automatic failover.
func blocked(c Cluster, p Plan) (Obstacle, string) {
	switch {
	case len(p.Candidates) == 0:
		return NoCandidate, "no instance can take the leadership"
	case !c.Automatic:
		return Manual, "failover.mode is manual: decide with `baton failover`"
	case c.Paused:
		return Suspended, "automatic failover is paused by an operator: `baton resume failover`"
	case c.Cooldown > 0:
		return Cooling, fmt.Sprintf("the last hand-over was too short ago: %s of failover.cooldown are left; decide with `baton failover`", short(c.Cooldown))
	case c.Promise != Async && !c.Protected && c.Unseen:
		return Unprotected, "baton has not seen since its start that commits wait for the relay: some that succeeded may not be in it; decide with `baton failover --allow-loss`"
	case c.Promise != Async && !c.Protected:
		return Unprotected, fmt.Sprintf("the leader ran unprotected for %s: commits that succeeded since may not be in the relay; decide with `baton failover --allow-loss`", short(c.Unprotected))
	case p.NeedsFence && !c.FenceHook && !c.BootsFenced:
		return Unfenced, "the leader may start again by itself and take writes, since it doesn't boot fenced: failover.boot fenced or hooks.fence is needed to be sure; decide with `baton failover`"
	case p.NeedsFence && !c.FenceHook:
		return Unfenced, fmt.Sprintf("the leader is silent, not known to be dead, and may wake up and acknowledge: hooks.fence is needed to be sure, or durability.mode strict; decide with `baton failover` (%s)", c.Leader.Reason)
	}
	return "", ""
}
