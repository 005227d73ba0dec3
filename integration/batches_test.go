package integration_test

import (
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
