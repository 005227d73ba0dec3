package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
)

// fault is something that happens to a cluster under load.
type fault struct {
	name string
	// mode is the durability that it is for; any unless given.
	mode  string
	hooks map[string]string
	// alone has nothing else happen at the same time: it needs both followers, or counts what happens.
	alone bool
	// attached leaves the stream to the daemon alone: whatever waits when the leader is shut down in order, and nobody
	// acknowledges, is reported to its client as committed.
	attached bool
	// weight is how often it is drawn; 1 unless given.
	weight int
	// strike does it, and waits for what has to follow from it before everything is mended.
	strike func(*round)
}

// fenceHook is a hook that makes sure of the old leader as an operator's would.
const fenceHook = `kill -9 "$(cat "$CHAOS_DIR/$BATON_OLD_LEADER.pid")"`

func faults() []fault {
	return []fault{
		{name: "kill", weight: 6, strike: kill},
		{name: "stop", mode: strict, weight: 2, strike: stop},
		{name: "cut", mode: strict, weight: 2, strike: cut},
		// A daemon that starts when the leader is dead can know only in mode strict that it had been protected.
		{name: "daemon-step", mode: strict, weight: 3, strike: daemonAtStep},
		{name: "switchover", alone: true, weight: 2, strike: switchover},
		{name: "extra", weight: 2, strike: extra},
		{name: "restart", weight: 3, strike: restart},
		{name: "shutdown", attached: true, weight: 2, strike: shutdown},
		{name: "stall", mode: strict, weight: 2, strike: stall},
		{name: "one-way", mode: strict, weight: 2, strike: oneWay},
		{name: "slow", strike: slow},
		{name: "mid-packet", strike: midPacket},
		{name: "clients-cut", alone: true, strike: clientsCut},
		{name: "silent-blocked", alone: true, mode: balanced, strike: silentBlocked},
		{name: "silent-fenced", alone: true, mode: balanced, hooks: map[string]string{"fence": fenceHook}, strike: silentFenced},
		{name: "disk", strike: diskFull},
		{name: "follower", strike: followerKilled},
		{name: "candidate", alone: true, weight: 2, strike: candidateKilled},
		{name: "daemon", strike: daemonKilled},
		{name: "daemon-frozen", alone: true, weight: 2, strike: daemonFrozen},
		{name: "relay-full", mode: strict, strike: relayFull},
		{name: "double", alone: true, weight: 2, strike: double},
		{name: "flap", strike: flap},
		{name: "errant", alone: true, strike: errant},
		{name: "semi-sync", strike: semiSyncOff},
		{name: "clocks", weight: 2, strike: clocksMoved},
		{name: "switchover-step", weight: 2, strike: switchoverAtStep},
	}
}

// chosen are the faults that the flag names.
func chosen(t testing.TB) []fault {
	all := faults()
	if *only == "" {
		return all
	}
	var some []fault
	for _, name := range strings.Split(*only, ",") {
		i := slices.IndexFunc(all, func(f fault) bool { return f.name == name })
		require.GreaterOrEqual(t, i, 0, "there is no fault %q", name)
		some = append(some, all[i])
	}
	return some
}

func draw(r *rand.Rand, from []fault) fault {
	sum := 0
	for _, f := range from {
		sum += max(1, f.weight)
	}
	at := r.IntN(sum)
	for _, f := range from {
		if at -= max(1, f.weight); at < 0 {
			return f
		}
	}
	return from[0]
}

// The leader dies and stays away.
func kill(x *round) {
	x.strike(func(n *node) { n.kill(x.t) })
	x.moved()
}

// The leader dies and is there again at once.
func restart(x *round) {
	x.strike(func(n *node) { n.kill(x.t) })
	x.leader.revive(x.t)
	x.load.await(10)
}

// The leader is stopped in order, by somebody who has not asked baton.
func shutdown(x *round) {
	x.strike(func(n *node) {
		require.NoError(x.t, n.Stop(x.ctx))
		n.forBaton.Cut()
		n.forClients.Cut()
	})
	if x.r.IntN(2) == 0 {
		x.leader.revive(x.t)
		x.load.await(10)
		return
	}
	x.moved()
}

// The leader hangs, and goes on when another leads, or a little before.
func stop(x *round) {
	x.strike(func(n *node) { n.freeze(x.t) })
	if x.r.IntN(3) == 0 {
		time.Sleep(time.Duration(2000+x.r.IntN(3000)) * time.Millisecond)
		x.leader.revive(x.t)
		x.load.await(10)
		return
	}
	x.moved()
}

// The leader hangs and may acknowledge when it wakes up: nothing is done, and that is said.
func silentBlocked(x *round) {
	x.strike(func(n *node) { n.freeze(x.t) })
	x.daemon.event(x.struck, history.FailoverBlocked, "hooks.fence")
	x.leader.revive(x.t)
	x.load.await(10)
	if l := x.daemon.leadership(); l.Epoch != x.epoch {
		x.t.Errorf("a silent leader was failed over from without a fence, to %s", l.Leader)
	}
}

// The leader hangs, and a hook makes sure of it.
func silentFenced(x *round) {
	x.strike(func(n *node) { n.freeze(x.t) })
	x.moved()
	if x.leader.Alive() {
		x.t.Errorf("the fence hook was not run for %s", x.leader.name)
	}
}

// The leader can't be reached by anybody, or by baton only; it runs on.
func cut(x *round) {
	x.strike(func(n *node) {
		n.forBaton.Cut()
		if x.r.IntN(2) == 0 {
			n.forClients.Cut()
		}
	})
	x.moved()
}

// The leader is heard of no more, by anybody or by baton only.
func stall(x *round) {
	x.strike(func(n *node) {
		silence(n.forBaton)
		if x.r.IntN(2) == 0 {
			silence(n.forClients)
		}
	})
	x.moved()
}

func silence(p *mysqltest.Proxy) {
	p.Stall(mysqltest.ToClient)
	p.Stall(mysqltest.ToServer)
}

// Only one direction is lost. While the leader is heard but doesn't hear, its commits wait, and it isn't dead.
func oneWay(x *round) {
	if x.r.IntN(2) == 0 {
		x.strike(func(n *node) { n.forBaton.Stall(mysqltest.ToClient) })
		x.moved()
		return
	}
	x.strike(func(n *node) { n.forBaton.Stall(mysqltest.ToServer) })
	time.Sleep(time.Duration(1000+x.r.IntN(5000)) * time.Millisecond)
	x.leader.forBaton.Resume(mysqltest.ToServer)
	x.load.await(10)
}

func slow(x *round) {
	x.leader.forBaton.Slow(2000 + x.r.IntN(50_000))
	x.pause(6000)
}

func midPacket(x *round) {
	for range 1 + x.r.IntN(4) {
		n := x.nodes[x.r.IntN(len(x.nodes))]
		before := n.forBaton.Cuts()
		n.forBaton.CutAfter(1+x.r.Int64N(1<<x.r.IntN(15)), mysqltest.Direction(x.r.IntN(2)))
		until(5*time.Second, func() bool { return n.forBaton.Cuts() > before })
	}
}

func clientsCut(x *round) {
	x.leader.forClients.Cut()
	x.pause(4000)
	if l := x.daemon.leadership(); l.Epoch != x.epoch {
		x.t.Errorf("failed over to %s though baton lost nothing", l.Leader)
	}
}

// The leader has no room for its binlog any more; sometimes it dies of that, or besides.
func diskFull(x *round) {
	x.strike(func(n *node) { n.disk.fill(x.t) })
	x.pause(4000)
	if x.r.IntN(2) == 0 && x.leader.Alive() {
		x.strike(func(n *node) { n.kill(x.t) })
		x.moved()
	}
}

func followerKilled(x *round) {
	for range 1 + x.r.IntN(2) {
		others := x.followers()
		n := others[x.r.IntN(len(others))]
		n.kill(x.t)
		x.pause(1000)
		n.revive(x.t)
		x.pause(1000)
	}
}

// Who is about to lead dies too: the next one leads.
func candidateKilled(x *round) {
	x.strike(func(n *node) { n.kill(x.t) })
	step := []failover.Step{failover.Drain, failover.Promote}[x.r.IntN(2)]
	to := ""
	until(20*time.Second, func() bool {
		if h := x.daemon.leadership().HandOver; h != nil && (h.Step == step || h.Step == failover.Promote) {
			to = h.To
		}
		return to != ""
	})
	if to != "" {
		x.reports.count(fmt.Sprintf("(candidate killed at %s)", step))
		x.node(to).kill(x.t)
	}
	x.moved()
}

func daemonKilled(x *round) {
	for range 1 + x.r.IntN(3) {
		x.daemon.kill9()
		x.pause(1500)
		x.daemon.start()
		x.pause(1000)
	}
}

// The daemon is frozen for longer than a leader may be silent: what it has not heard meanwhile says nothing of the
// leader. Sometimes the leader has died in the meantime all the same.
func daemonFrozen(x *round) {
	x.daemon.freeze()
	dies := x.r.IntN(3) == 0
	if dies {
		x.pause(1000)
		x.strike(func(n *node) { n.kill(x.t) })
	}
	time.Sleep(time.Duration(3500+x.r.IntN(4000)) * time.Millisecond)
	x.daemon.thaw()
	if dies {
		x.moved()
		return
	}
	x.load.await(10)
	x.pause(3000)
	if l := x.daemon.leadership(); l.Epoch != x.epoch {
		x.t.Errorf("failed over to %s because baton was frozen", l.Leader)
	}
}

// The daemon dies in the middle of a failover.
func daemonAtStep(x *round) {
	step := []failover.Step{failover.Fence, failover.Drain, failover.Promote}[x.r.IntN(3)]
	x.strike(func(n *node) { n.kill(x.t) })
	x.killDaemonAt(step)
	x.moved()
}

// The relay's disk is full: nothing is acknowledged, and when the leader dies meanwhile nobody is promoted before there
// is room to write that down.
func relayFull(x *round) {
	x.state.fill(x.t)
	x.pause(4000)
	if x.r.IntN(2) == 0 {
		x.strike(func(n *node) { n.kill(x.t) })
		x.pause(4000)
		x.state.free(x.t)
		x.moved()
		return
	}
	x.state.free(x.t)
	x.load.await(10)
}

// Who has come to lead dies soon after.
func double(x *round) {
	x.strike(func(n *node) { n.kill(x.t) })
	x.moved()
	x.pause(600)
	second := x.cluster.leader()
	x.leader, x.name = second, x.name+" (second)"
	x.strike(func(n *node) { n.kill(x.t) })
	if x.r.IntN(2) == 0 {
		for _, n := range x.nodes { // the first is back
			if n != second && !n.Alive() {
				n.revive(x.t)
			}
		}
	}
	x.moved()
}

// Leaders die and come back, one after the other.
func flap(x *round) {
	for range 3 + x.r.IntN(3) {
		n := x.cluster.leader()
		n.kill(x.t)
		x.reports.count("(leader killed)")
		x.pause(800)
		n.revive(x.t)
		x.pause(800)
	}
	x.load.await(10)
}

// Commits wait on the leader that nobody has received, and it dies: what it has alone keeps it away from the others.
func extra(x *round) {
	silence(x.leader.forBaton)
	until(2*time.Second, func() bool {
		var waits int
		err := x.leader.DB().QueryRowContext(x.ctx, "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Rpl_semi_sync_source_wait_sessions'").Scan(&waits)
		return err == nil && waits > 0
	})
	x.strike(func(n *node) { n.kill(x.t) })
	x.moved()
}

// A follower has a transaction of its own: it isn't applied to any more, and never leads.
func errant(x *round) {
	others := x.followers()
	n := others[x.r.IntN(len(others))]
	n.MustExec(x.t, "INSERT INTO chaos.list (client, n, origin) VALUES (-1, 1, 'errant')")
	x.daemon.await(n.name+" is quarantined", func(s status) bool { return s.instance(n.name).State == "quarantined" })
	if x.r.IntN(2) == 0 {
		kill(x)
	}
	if leader := x.daemon.leadership().Leader; leader == n.name {
		x.t.Errorf("%s leads, which has a transaction of its own", leader)
	}
}

// The clocks of the servers jump, by hours and either way. Sometimes the leader dies then, or hands over.
func clocksMoved(x *round) {
	for _, n := range x.nodes {
		require.NoError(x.t, n.SetClock(time.Duration(x.r.IntN(48)-24)*time.Hour))
	}
	x.pause(3000)
	switch x.r.IntN(4) {
	case 0:
		kill(x)
	case 1:
		restart(x)
	case 2:
		switchover(x)
	}
	if x.r.IntN(2) == 0 {
		for _, n := range x.nodes {
			require.NoError(x.t, n.SetClock(0))
		}
		x.pause(2000)
	}
	x.load.await(10)
}

// Somebody switches semi-sync off: baton switches it on again (see settled).
func semiSyncOff(x *round) {
	x.leader.MustExec(x.t, "SET GLOBAL rpl_semi_sync_source_enabled = OFF")
	x.pause(2000)
}

func switchover(x *round) {
	to := ""
	if others := x.followers(); x.r.IntN(2) == 0 {
		to = others[x.r.IntN(len(others))].name
	}
	x.struck = time.Now()
	r, err := x.daemon.switchover(to)
	require.NoError(x.t, err)
	x.moved()
	x.reports.count("(switchover)")
	x.reports.time("(switchover)", time.Duration(r.UnwritableSeconds*float64(time.Second)), x.gap())
}

// gap is the longest time without an acknowledgement since the last thing happened.
func (x *round) gap() (longest time.Duration) {
	var told []time.Time
	for _, a := range x.load.history() {
		if a.outcome == acknowledged && a.told.After(x.struck.Add(-time.Second)) {
			told = append(told, a.told)
		}
	}
	slices.SortFunc(told, time.Time.Compare)
	for i := range len(told) - 1 {
		longest = max(longest, told[i+1].Sub(told[i]))
	}
	return longest
}

// The daemon dies in the middle of a switchover: it is finished or undone.
func switchoverAtStep(x *round) {
	step := []failover.Step{failover.Freeze, failover.Drain, failover.Promote}[x.r.IntN(3)]
	done := make(chan error, 1)
	go func() {
		_, err := x.daemon.switchover("")
		done <- err
	}()
	x.killDaemonAt(step)
	<-done // it may or may not have come to its end
	x.load.await(10)
}
