package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// A leader that is gone for good, with its data: all that a client was told is in the relay, and from there on every
// follower, one that was behind too.
func TestAcknowledgedOutlivesTheLeader(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 2)
	b := startBaton(t, c.Servers(), set("durability.mode", "strict"))
	w := newWorkload(t, c.Leader, 9)
	b.must("pause", "db3")
	w.start()
	w.await(t, 300)
	require.NoError(t, c.Leader.Close()) // SIGKILL, and its data directory is removed
	w.stop()
	b.waitState("db1", "unreachable")
	b.restart() // what is durable outlives the daemon too
	b.must("resume", "db3")
	set := b.status().Relay.Durable
	for _, f := range c.Followers {
		mysqltest.WaitGTID(t, f, set, patience)
		require.Equal(t, set, f.GTIDExecuted(t))
	}
	w.verify(t, c.Followers...)
	for _, i := range b.status().Instances[1:] {
		require.Empty(t, i.Errant, i.Name)
	}
}
