package failover_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// sets is what the daemon's relay would say.
type sets struct {
	mu            sync.Mutex
	base, durable gtid.Set
}

func (s *sets) set(base, durable gtid.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base, s.durable = base, durable
}
func (s *sets) Empty() bool { return s.Durable().IsEmpty() }
func (s *sets) Base() gtid.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}
func (s *sets) Durable() gtid.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable
}

type recorder struct {
	mu     sync.Mutex
	events []history.Event
}

func (r *recorder) Record(e history.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) has(kind history.Kind, instance string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind && e.Instance == instance {
			return true
		}
	}
	return false
}

func targetOf(s *mysqltest.Server) mysql.Target {
	return mysql.Target{
		Name: s.Name, Address: s.Addr(), User: mysqltest.User, Password: config.NewSecret(mysqltest.Password),
		TLS: config.TLS{Mode: config.TLSPreferred},
	}
}

type observed struct {
	*failover.Observer
	relay  *sets
	events *recorder
}

// observe runs an Observer of the servers, the first of which leads, until the
// test ends.
func observe(t *testing.T, servers ...*mysqltest.Server) observed {
	t.Helper()
	return observeAs(t, failover.Config{}, servers...)
}

// observeAs is observe with further settings.
func observeAs(t *testing.T, cfg failover.Config, servers ...*mysqltest.Server) observed {
	t.Helper()
	var targets []mysql.Target
	for _, s := range servers {
		targets = append(targets, targetOf(s))
	}
	o := observed{relay: &sets{}, events: &recorder{}}
	cfg.Targets, cfg.Leader, cfg.BatonID = targets, servers[0].Name, 1
	cfg.Interval, cfg.Timeout = 50*time.Millisecond, 500*time.Millisecond
	o.Observer = failover.New(cfg, failover.Deps{Relay: o.relay, Recorder: o.events})
	ended := make(chan error, 1)
	go func() { ended <- o.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		require.NoError(t, o.Close())
		require.NoError(t, o.Close())
		require.NoError(t, <-ended)
	})
	return o
}

// await waits until a view of the instance satisfies the condition.
func (o observed) await(t *testing.T, instance, what string, condition func(failover.Instance) bool) failover.Instance {
	t.Helper()
	deadline := time.After(patience)
	for {
		changed := o.Changed()
		i, ok := o.View().Instance(instance)
		if ok && condition(i) {
			return i
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNowf(t, "gave up waiting", "%s is not %s: %+v", instance, what, i)
		}
	}
}

func reachable(i failover.Instance) bool { return i.Reachable() && i.Facts != nil }

func faulty(kind mysql.FaultKind) func(failover.Instance) bool {
	return func(i failover.Instance) bool { return i.Fault != nil && i.Fault.Kind == kind }
}

func TestAFrozenInstanceDelaysNoOther(t *testing.T) {
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	frozen, other := c.Followers[0], c.Followers[1]
	o := observe(t, c.Servers()...)
	for _, s := range c.Servers() {
		o.await(t, s.Name, "reachable", reachable)
	}
	before := o.View()
	require.NoError(t, frozen.Freeze())
	silent := o.await(t, frozen.Name, "silent", faulty(mysql.Silent))
	require.NotNil(t, silent.Facts, "what was known stays")
	require.True(t, silent.Since.After(before.At))

	c.Leader.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY)")
	for i := range 20 {
		c.Leader.MustExec(t, fmt.Sprintf("INSERT INTO shop.a VALUES (%d)", i))
		want := gtid.MustParseSet(c.Leader.GTIDExecuted(t))
		o.await(t, c.Leader.Name, "up to date", func(i failover.Instance) bool { return i.Facts.GTIDExecuted.ContainsSet(want) })
		at := time.Now()
		o.await(t, other.Name, "answering", func(i failover.Instance) bool { return i.Answered.After(at) })
		still, _ := o.View().Instance(frozen.Name)
		require.NotNil(t, still.Fault)
		require.Equal(t, silent.Since, still.Since)
	}
	require.NoError(t, frozen.Thaw())
	o.await(t, frozen.Name, "reachable", reachable)
}

func TestAnInstanceThatDiesAndComesBack(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	follower := c.Followers[0]
	o := observe(t, c.Servers()...)
	o.await(t, follower.Name, "reachable", reachable)
	require.NoError(t, o.Admit(t.Context(), follower.Name))
	require.NoError(t, follower.Kill9())
	o.await(t, follower.Name, "refused", faulty(mysql.Refused))
	refusal := refused(t, o.Admit(t.Context(), follower.Name))
	require.Equal(t, failover.Unreachable, refusal.State)
	require.NotEmpty(t, refusal.Mend)
	require.Eventually(t, func() bool { return o.events.has(history.InstanceProblem, follower.Name) }, patience, 10*time.Millisecond)
	require.NoError(t, follower.Restart(t.Context()))
	o.await(t, follower.Name, "reachable", reachable)
	require.Eventually(t, func() bool { return o.events.has(history.InstanceRecovered, follower.Name) }, patience, 10*time.Millisecond)
	require.False(t, o.events.has(history.InstanceProblem, c.Leader.Name))
}

func refused(t *testing.T, err error) *failover.Refusal {
	t.Helper()
	var r *failover.Refusal
	require.ErrorAs(t, err, &r)
	return r
}

// A native replica follows as fast as it can while it is observed: whatever it
// has at a moment, the leader had before.
func TestNothingThatComesFromTheLeaderPassesForErrant(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	leader, replica := c.Leader, c.Followers[0]
	leader.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY AUTO_INCREMENT)")
	replica.MustExec(t, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT="+leader.Value(t, "SELECT @@port")+
		", SOURCE_USER='baton', SOURCE_PASSWORD='"+mysqltest.Password+"', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
	o := observe(t, c.Servers()...)
	o.await(t, replica.Name, "reachable", reachable)
	for range 300 {
		leader.MustExec(t, "INSERT INTO shop.a VALUES ()")
		i, _ := o.View().Instance(replica.Name)
		require.Empty(t, i.Errant.String())
	}
	want := gtid.MustParseSet(leader.GTIDExecuted(t))
	o.await(t, replica.Name, "up to date", func(i failover.Instance) bool { return i.Facts.GTIDExecuted.ContainsSet(want) })

	replica.MustExec(t, "CREATE DATABASE astray")
	errant := gtid.MustParseSet(replica.GTIDExecuted(t)).Subtract(want)
	o.await(t, replica.Name, "errant", func(i failover.Instance) bool { return i.Errant.Equal(errant) })
}

func TestAdmitRefusesWithTheStateAndTheMend(t *testing.T) {
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	leader, errant, empty := c.Leader, c.Followers[0], c.Followers[1]
	leader.MustExec(t, "CREATE DATABASE shop", "FLUSH BINARY LOGS")
	errant.MustExec(t, "CREATE DATABASE astray")
	stranger := mysqltest.Start(t, mysqltest.Name("stranger"), mysqltest.Relaxed())
	o := observe(t, leader, errant, empty, stranger)

	require.NoError(t, o.Admit(t.Context(), leader.Name))
	r := refused(t, o.Admit(t.Context(), errant.Name))
	require.Equal(t, failover.Quarantined, r.State)
	require.Contains(t, r.Message, errant.GTIDExecuted(t))
	require.NotEmpty(t, r.Mend)
	r = refused(t, o.Prepare(t.Context(), errant.Name))
	require.Equal(t, "0", errant.Value(t, "SELECT @@read_only"), "what is refused is not changed")
	require.Equal(t, failover.Quarantined, r.State)
	r = refused(t, o.Admit(t.Context(), stranger.Name))
	require.Equal(t, mysql.SubjectConnection, r.Subject)
	require.Contains(t, r.Message, "Access denied")
	require.ErrorContains(t, o.Admit(t.Context(), "nobody"), "no instance of that name")
	require.Equal(t, failover.Stopped, refused(t, o.Prepare(t.Context(), leader.Name)).State)

	require.NoError(t, o.Prepare(t.Context(), empty.Name))
	require.Equal(t, "10", empty.Value(t, "SELECT CONCAT(@@read_only, @@super_read_only)"))

	leader.MustExec(t, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY")
	o.await(t, leader.Name, "purged", func(i failover.Instance) bool { return !i.Facts.GTIDPurged.IsEmpty() })
	r = refused(t, o.Admit(t.Context(), empty.Name))
	require.Equal(t, failover.NeedsSeed, r.State)
	require.Contains(t, r.Message, "the leader has purged")
	// What the relay has needs no binlog of the leader's.
	o.relay.set(gtid.Set{}, gtid.MustParseSet(leader.GTIDExecuted(t)+","+errant.GTIDExecuted(t)))
	require.NoError(t, o.Admit(t.Context(), empty.Name))
	require.NoError(t, o.Admit(t.Context(), errant.Name), "what the relay has is not errant")

	require.NoError(t, leader.Kill9())
	o.await(t, leader.Name, "gone", faulty(mysql.Refused))
	require.NoError(t, o.Admit(t.Context(), empty.Name), "the relay is all that it needs")
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, o.Admit(stop, empty.Name), context.Canceled)
}

func TestInstancesComeAndGoWhileOthersAreObserved(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	leader, follower := c.Leader, c.Followers[0]
	o := observe(t, leader)
	first := o.await(t, leader.Name, "reachable", reachable)
	alias := targetOf(leader)
	alias.Name = "alias"
	o.SetTargets([]mysql.Target{targetOf(leader), targetOf(follower), alias})
	o.await(t, follower.Name, "reachable", reachable)
	o.await(t, alias.Name, "reachable", reachable)
	require.Contains(t, refused(t, o.Admit(t.Context(), "alias")).Message, "are the same server")
	kept, _ := o.View().Instance(leader.Name)
	require.Equal(t, first.Since, kept.Since, "its connection was kept")

	o.SetTargets([]mysql.Target{targetOf(follower)})
	o.SetLeader(follower.Name)
	v := o.View()
	require.Len(t, v.Instances, 1)
	require.True(t, v.Instances[0].Leader)
	require.Equal(t, follower.Name, v.Leader)
	o.SetLeader("")
	require.Equal(t, failover.Stopped, refused(t, o.Prepare(t.Context(), follower.Name)).State)
}

// A follower whose commits wait for an acknowledgement that nobody sends could
// only be applied to at the pace of the time-out.
func TestAFollowersCommitsWaitForNobody(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed(), mysqltest.SemiSyncSource())
	follower := c.Followers[0]
	follower.MustExec(t, "SET GLOBAL rpl_semi_sync_source_enabled = ON")
	o := observe(t, c.Leader, follower)
	require.NoError(t, o.Prepare(t.Context(), follower.Name))
	require.Equal(t, "0", follower.Value(t, "SELECT @@rpl_semi_sync_source_enabled"))
	require.Equal(t, "1", follower.Value(t, "SELECT @@read_only"))
}
