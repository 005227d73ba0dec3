package failover_test

import (
	"context"
	"testing"
	"time"

	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

// beating observes servers, the first of which leads and is written to.
func beating(t *testing.T, servers ...*mysqltest.Server) observed {
	t.Helper()
	db, err := targetOf(servers[0]).Open()
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, mysql.EnsureSchema(t.Context(), db))
	return observeAs(t, failover.Config{Heartbeat: true}, servers...)
}

// writes is how many heartbeats a server has seen.
func writes(t *testing.T, s *mysqltest.Server) string {
	t.Helper()
	return s.Value(t, "SELECT COUNT_WRITE FROM performance_schema.table_io_waits_summary_by_table WHERE OBJECT_SCHEMA = 'baton' AND OBJECT_NAME = 'heartbeat'")
}

// statement runs a statement as root that may hang until the test's end.
func statement(t *testing.T, s *mysqltest.Server, text string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = s.DB().ExecContext(ctx, text)
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

func TestTheHeartbeatIsWrittenToTheLeaderOnlyAndLeavesNothingBehind(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	leader, follower := c.Leader, c.Followers[0]
	follower.MustExec(t, "CREATE DATABASE baton", "CREATE TABLE baton.heartbeat (id INT UNSIGNED NOT NULL PRIMARY KEY, written DATETIME(6) NOT NULL)")
	o := beating(t, leader, follower)
	executed := leader.GTIDExecuted(t)
	advance := func(s *mysqltest.Server) {
		t.Helper()
		before := writes(t, s)
		require.Eventually(t, func() bool { return writes(t, s) != before }, patience, 10*time.Millisecond)
	}
	advance(leader)
	o.await(t, follower.Name, "reachable", reachable)
	require.Equal(t, "0", writes(t, follower))
	require.Equal(t, executed, leader.GTIDExecuted(t), "nothing is logged")

	o.SetLeader(follower.Name)
	advance(follower)
	written := writes(t, leader)
	advance(follower)
	advance(follower)
	require.Equal(t, written, writes(t, leader))
	require.Equal(t, "0", leader.Value(t, "SELECT COUNT(*) FROM baton.heartbeat"))

	follower.MustExec(t, "SET GLOBAL read_only = ON")
	o.await(t, follower.Name, "read-only", func(i failover.Instance) bool { return i.Facts.ReadOnly })
	o.SetLeader(leader.Name)
	advance(leader)
}

func TestACommitThatWaitsForAnAcknowledgementIsNoFault(t *testing.T) {
	c := mysqltest.StartCluster(t, 0, mysqltest.Relaxed())
	leader := c.Leader
	o := beating(t, leader)
	leader.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.a (id INT PRIMARY KEY)")
	db, err := targetOf(leader).Open()
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, mysql.SetUpSemiSync(t.Context(), db, mysql.SemiSyncSettings{}))
	for _, row := range []string{"1", "2", "3"} {
		statement(t, leader, "INSERT INTO shop.a VALUES ("+row+")")
	}
	require.Eventually(t, func() bool {
		n, err := mysql.Waiters(t.Context(), db)
		return err == nil && n == 3
	}, patience, 10*time.Millisecond)
	before := writes(t, leader)
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		i, _ := o.View().Instance(leader.Name)
		require.Nil(t, i.WriteFault)
	}
	require.NotEqual(t, before, writes(t, leader), "it is written while commits wait")
	statement(t, leader, "SET GLOBAL super_read_only = ON") // heartbeats hang, behind the commits that wait
	i := o.await(t, leader.Name, "answering", reachable)
	require.Nil(t, i.WriteFault)
}

func TestALeaderThatAnswersButCannotBeWrittenTo(t *testing.T) {
	c := mysqltest.StartCluster(t, 0, mysqltest.Relaxed())
	leader := c.Leader
	o := beating(t, leader)
	o.await(t, leader.Name, "reachable", reachable)
	conn, err := leader.DB().Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	require.NoError(t, err)
	i := o.await(t, leader.Name, "not to be written to", func(i failover.Instance) bool { return i.WriteFault != nil })
	require.True(t, i.Reachable())
	require.Equal(t, mysql.WriteHangs, i.WriteFault.Kind)
	require.Contains(t, i.WriteFault.Message, "read lock")
	require.False(t, i.WriteSince.IsZero())
	_, err = conn.ExecContext(t.Context(), "UNLOCK TABLES")
	require.NoError(t, err)
	o.await(t, leader.Name, "to be written to", func(i failover.Instance) bool { return i.WriteFault == nil && i.WriteSince.IsZero() })
}

func TestRefusalsAreDated(t *testing.T) {
	c := mysqltest.StartCluster(t, 0, mysqltest.Relaxed())
	leader := c.Leader
	o := beating(t, leader)
	i := o.await(t, leader.Name, "reachable", reachable)
	require.True(t, i.FailingSince.IsZero() && i.RefusedSince.IsZero())
	before := time.Now()
	require.NoError(t, leader.Kill9())
	i = o.await(t, leader.Name, "refused", faulty(mysql.Refused))
	require.False(t, i.FailingSince.After(i.RefusedSince))
	require.True(t, i.RefusedSince.After(before.Add(-time.Second)))
	since := i.RefusedSince
	for range 5 {
		<-o.Changed()
		i, _ = o.View().Instance(leader.Name)
		require.Equal(t, since, i.RefusedSince)
	}
	require.NoError(t, leader.Restart(t.Context()))
	i = o.await(t, leader.Name, "reachable", reachable)
	require.True(t, i.FailingSince.IsZero() && i.RefusedSince.IsZero())
}
