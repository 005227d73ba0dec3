package integration_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// The leader dies while one follower is applied to in batches and the other lacks a lot. The one that is promoted
// hasn't in its binlog what came in batches; the other gets it from the relay, and what the new leader writes too.
func TestAFollowerThatWasFedInBatchesLeads(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 2)
	b := startBaton(t, c.Servers(), set("durability.mode", "strict"), set("apply.catch_up.mode", "always"), set("apply.catch_up.batch", 50))
	w := newWorkload(t, c.Leader, 11)
	b.must("pause", "db3")
	w.start()
	w.await(t, 400)
	b.must("pause", "db2")
	w.await(t, 400) // db2 lacks it when the leader dies
	require.NoError(t, c.Leader.Close())
	w.stop()
	b.must("resume", "db2")
	b.wait("db2 leads", func() (bool, string) {
		stdout, stderr, code := b.run("failover", "--to", "db2", "--yes")
		return code == 0, stdout + stderr
	})
	leader, other := c.Followers[0], c.Followers[1]
	require.NotEmpty(t, leader.Value(t, "SELECT @@global.gtid_purged"), "it was fed in batches")
	w.verify(t, leader)

	w.leader = leader
	w.start()
	w.await(t, 200)
	w.settle(t)
	b.kill9()
	b.start()
	b.must("resume", "db3")
	mysqltest.WaitGTID(t, other, leader.GTIDExecuted(t), patience)
	w.verify(t, leader, other)
	mysqltest.AssertSameData(t, leader, other)
	for _, i := range b.status().Instances {
		if i.Name != "db1" {
			require.Empty(t, i.Errant, i.Name)
		}
	}
}

// The mode is changed while a follower is written to, and in the middle of it the state directory is lost: what came in
// batches is known from the follower alone, and nothing of it is skipped or repeated.
func TestBatchesEndAndTheStateIsLost(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 1)
	leader, follower := c.Leader, c.Followers[0]
	b := startBaton(t, c.Servers(), set("durability.mode", "strict"), set("apply.catch_up.mode", "always"), set("apply.catch_up.batch", 20))
	w := newWorkload(t, leader, 12)
	w.start()
	for _, mode := range []string{"off", "always", "auto", "always"} {
		w.await(t, 150)
		set("apply.catch_up.mode", mode)(b)
		b.reload()
	}
	w.await(t, 150)
	b.kill9()
	require.NoError(t, os.RemoveAll(b.stateDir))
	b.start()
	w.await(t, 150)
	converged(t, b, w, leader, follower)
	require.NotEmpty(t, follower.Value(t, "SELECT @@global.gtid_purged"), "it was fed in batches")
	require.Positive(t, b.metric(`baton_follower_batches_total{cluster="shop",name="db2"}`))
}
