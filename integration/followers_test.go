package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// smallRelay has what a stopped follower lacks soon be on disk only.
func smallRelay() option {
	return func(b *baton) {
		set("relay.memory", "1MiB")(b)
		set("relay.segment_size", "1MiB")(b)
	}
}

func TestFollowerComesBackAfterAWhile(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	back, other := c.Followers[0], c.Followers[1]
	b := startBaton(t, c.Servers(), smallRelay())
	w := newWorkload(t, c.Leader, 1)
	w.write(t, 100)

	require.NoError(t, back.Stop(t.Context()))
	down := b.waitState("db2", "unreachable")
	require.NotEmpty(t, down.Error)
	require.NotEmpty(t, down.Mend)
	w.write(t, 1500)
	mysqltest.WaitGTID(t, other, c.Leader.GTIDExecuted(t), patience)
	s := b.status()
	require.Greater(t, s.Relay.Segments, 4, "what the stopped follower lacks is kept, on disk")
	require.Greater(t, *s.instance("db2").Behind, int64(1000))

	w.start() // it comes back under load
	require.NoError(t, back.Restart(t.Context()))
	w.await(t, 300)
	converged(t, b, w, c.Leader, c.Followers...)
}

func TestFollowersComeAndGoWhileOthersRun(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 2, mysqltest.Relaxed())
	first, added := c.Followers[0], c.Followers[1]
	b := startBaton(t, []*mysqltest.Server{c.Leader, first}, smallRelay())
	w := newWorkload(t, c.Leader, 2)
	w.start()
	w.await(t, 200)

	b.config["instances"] = append(b.instances(), map[string]any{"name": "db3", "address": added.Addr()})
	require.Contains(t, b.reload(), "db3")
	b.waitState("db3", "streaming")
	w.await(t, 100)

	b.must("pause", "db2")
	b.waitState("db2", "paused")
	held := first.GTIDExecuted(t)
	w.await(t, 300)
	w.settle(t)
	mysqltest.WaitGTID(t, added, c.Leader.GTIDExecuted(t), patience)
	require.Equal(t, held, first.GTIDExecuted(t), "nothing is applied to the paused one")

	b.restart()
	b.waitState("db2", "paused")
	b.must("resume", "db2")
	w.start()
	w.await(t, 100)
	converged(t, b, w, c.Leader, first, added)

	b.config["instances"] = b.instances()[:2]
	require.Contains(t, b.reload(), "db3")
	held = added.GTIDExecuted(t)
	w.write(t, 100)
	converged(t, b, w, c.Leader, first)
	require.Equal(t, held, added.GTIDExecuted(t), "nothing is applied to the one that was taken out")
}
