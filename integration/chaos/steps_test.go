package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
)

// scene is a cluster under load that things are done to one after the other.
type scene struct {
	*testing.T
	*cluster
	load   *clients
	report *report
	rounds int
}

func newScene(t *testing.T) *scene {
	t.Helper()
	t.Parallel()
	c := startCluster(t)
	s := &scene{T: t, cluster: c, load: newClients(c, 1), report: newReport()}
	sees := watchOver(c)
	t.Cleanup(sees.testify)
	return s
}

// play has something happen while the clients write, and checks what they were told when all is mended.
func (s *scene) play(what string, hooks map[string]string, strike func(*round)) {
	s.Helper()
	s.rounds++
	s.cluster.oneRound(s.T, rand.New(rand.NewPCG(1, uint64(s.rounds))), s.load, s.report, fault{name: what, hooks: hooks, alone: true, strike: strike}, s.rounds)
	if s.Failed() {
		s.FailNow()
	}
}

// killedAt kills the daemon when a hand-over is at a step, and starts it again.
func killedAt(x *round, step failover.Step) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	require.True(x.t, x.daemon.atStep(ctx, step), "a hand-over comes to the step %s", step)
	x.daemon.kill9()
	x.daemon.start()
}

func TestDaemonKilledAtEachStepOfAFailover(t *testing.T) {
	s := newScene(t)
	for _, step := range []failover.Step{failover.Fence, failover.Drain, failover.Promote} {
		hooks := map[string]string{"before_promote": "sleep 1", "fence": "sleep 1"}
		s.play(fmt.Sprintf("killed at %s", step), hooks, func(x *round) {
			x.strike(func(n *node) {
				if step == failover.Fence {
					n.freeze(t) // hooks.fence is for the silent
				} else {
					n.kill(t)
				}
			})
			killedAt(x, step)
			x.moved()
		})
	}
}

func TestDaemonKilledAtEachStepOfASwitchover(t *testing.T) {
	s := newScene(t)
	order := func(x *round) {
		go func() { _, _ = x.daemon.switchover("") }() // the daemon is killed before it can answer
	}
	s.play("killed at freeze", nil, func(x *round) {
		// A lock keeps the leader from becoming read-only, until drain_timeout is over.
		holder := connect(x.ctx, x.leader.Addr(), true)
		require.NotNil(t, holder)
		defer holder.close()
		_, err := holder.conn.ExecContext(x.ctx, "LOCK TABLES chaos.list WRITE")
		require.NoError(t, err)
		order(x)
		killedAt(x, failover.Freeze)
	})
	require.Equal(t, int64(1), s.daemon.leadership().Epoch, "it is undone (that the leader takes writes again is seen in each round)")
	s.play("killed at drain", map[string]string{"before_promote": "sleep 1"}, func(x *round) {
		order(x)
		killedAt(x, failover.Drain)
	})
	require.Equal(t, int64(1), s.daemon.leadership().Epoch, "it is undone")
	s.play("a hook that refuses", map[string]string{"before_promote": "echo not today; exit 1"}, func(x *round) {
		_, err := x.daemon.switchover("")
		require.ErrorContains(t, err, "not today")
	})
	require.Equal(t, int64(1), s.daemon.leadership().Epoch, "it is undone")
	s.play("killed at promote", nil, func(x *round) {
		order(x)
		killedAt(x, failover.Promote)
	})
	require.Equal(t, int64(2), s.daemon.leadership().Epoch, "it is finished")
}

func TestOnlyOneSenseFailsIsNoFailover(t *testing.T) {
	s := newScene(t)
	stays := func(x *round) {
		require.Equal(t, x.epoch, x.daemon.leadership().Epoch)
	}
	s.play("baton's probes fail", nil, func(x *round) {
		x.strike(silenceProbes)
		x.daemon.event(x.struck, history.LeaderAlarm, "the stream goes on")
		time.Sleep(2 * time.Second) // longer than any window from here
		stays(x)
	})
	s.play("baton's stream fails", nil, func(x *round) {
		revoke := "REVOKE REPLICATION SLAVE ON *.* FROM baton@'%'"
		grant := "GRANT REPLICATION SLAVE ON *.* TO baton@'%'"
		require.NoError(t, x.leader.ExecUnlogged(x.ctx, revoke))
		x.struck = time.Now()
		for _, row := range x.leader.Rows(t, "SELECT id FROM performance_schema.processlist WHERE command LIKE 'Binlog Dump%'") {
			x.leader.MustExec(t, "KILL "+row[0])
		}
		x.daemon.event(x.struck, history.LeaderAlarm, "probes are answered")
		time.Sleep(2 * time.Second)
		stays(x)
		require.NoError(t, x.leader.ExecUnlogged(x.ctx, grant))
	})
	s.play("only the clients lose the leader", nil, func(x *round) {
		x.leader.forClients.Cut()
		time.Sleep(4 * time.Second)
		stays(x)
	})
}

// silenceProbes leaves the leader's packets alone, and loses those that are sent to it.
func silenceProbes(n *node) { n.forBaton.Stall(mysqltest.ToServer) }

func TestOneHandOverAfterTheOther(t *testing.T) {
	s := newScene(t)
	s.daemon.set("failover.cooldown", "10m")
	mended := filepath.Join(s.daemon.dir, "mended")
	s.play("an attempt that fails holds nothing up", map[string]string{"before_promote": "test -e " + mended + " || { echo not yet; exit 1; }"}, func(x *round) {
		x.strike(func(n *node) { n.kill(t) })
		x.daemon.event(x.struck, history.HandOverFailed, "not yet")
		require.Equal(t, x.epoch, x.daemon.leadership().Epoch)
		require.NoError(t, os.WriteFile(mended, nil, 0o600))
		x.moved()
	})
	s.daemon.set("failover.cooldown", "1s")
	s.play("switchovers in a chain", nil, func(x *round) {
		for range 4 {
			// Who has led the moment before follows first.
			to := x.cluster.followers()[0].name
			x.daemon.await(to+" follows", func(s status) bool { return s.instance(to).State == "streaming" })
			r, err := x.daemon.switchover(to)
			require.NoError(t, err)
			require.Equal(t, to, r.To)
			x.load.await(5)
		}
	})
	require.Equal(t, int64(6), s.daemon.leadership().Epoch)
	s.play("the candidate dies while it is given the rest", map[string]string{"before_promote": "sleep 1"}, func(x *round) {
		x.strike(func(n *node) { n.kill(t) })
		ctx, cancel := context.WithTimeout(x.ctx, patience)
		defer cancel()
		require.True(t, x.daemon.atStep(ctx, failover.Drain))
		first := x.daemon.leadership().HandOver.To
		x.node(first).kill(t)
		x.moved()
		require.NotEqual(t, first, x.cluster.leader().name)
	})
	s.play("the new leader dies too", nil, double)
	s.daemon.set("failover.cooldown", "10m")
	s.daemon.stop()
	s.daemon.start()
	s.settled()
	epoch := s.daemon.leadership().Epoch
	s.play("soon after a hand-over", nil, func(x *round) {
		x.strike(func(n *node) { n.kill(t) })
		x.daemon.event(x.struck, history.FailoverBlocked, "failover.cooldown")
		require.Equal(t, x.epoch, x.daemon.leadership().Epoch)
	})
	require.Equal(t, epoch, s.daemon.leadership().Epoch, "the old leader came back and leads on")
}

func TestLostStateDirectory(t *testing.T) {
	s := newScene(t)
	s.play("db2 comes to lead", nil, func(x *round) {
		_, err := x.daemon.switchover("db2")
		require.NoError(t, err)
	})
	s.daemon.event(time.Time{}, history.HandOverDone, "db2 leads")
	wait(t, "the epoch is on every instance", func() (bool, string) {
		said := ""
		for _, n := range s.nodes {
			said += n.Value(t, "SELECT GROUP_CONCAT(leader ORDER BY epoch) FROM baton.epoch") + ";"
		}
		return said == "db1,db2;db1,db2;db1,db2;", said
	})
	refused := func(says ...string) {
		t.Helper()
		s.daemon.kill9()
		s.state.clear(t)
		s.daemon.launch()
		select {
		case <-s.daemon.exited:
		case <-time.After(patience):
			t.Fatal("the daemon doesn't end")
		}
		for _, part := range says {
			require.Contains(t, s.daemon.logTail(), part)
		}
		require.Equal(t, "0", s.node("db2").Value(t, "SELECT @@GLOBAL.read_only"), "who leads is left alone")
		for _, n := range []string{"db1", "db3"} {
			require.Equal(t, "1", s.node(n).Value(t, "SELECT @@GLOBAL.read_only"), "nobody else is made writable")
		}
	}
	refused("not certain who leads", "set leader: db2") // the configuration still names db1
	delete(s.daemon.config, "leader")
	s.node("db3").forBaton.Cut()
	refused("not certain who leads", "db3 doesn't answer")
	require.NoError(t, s.node("db3").forBaton.Restore())
	s.daemon.start()
	status := s.settled()
	require.Equal(t, "db2", status.Leader)
	require.Equal(t, int64(2), status.Epoch)
	s.play("and the cluster goes on", nil, kill)
}
