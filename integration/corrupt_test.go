package integration_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// What a damaged connection makes of the leader's binlog is found out by its checksums: nothing wrong is ever applied, and
// once the connection is good again all goes on by itself.
func TestDamagedStream(t *testing.T) {
	t.Parallel()
	_, seed := chance(t)
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	p := mysqltest.StartProxy(t, c.Leader)
	// TLS would find it out before us. An observer that understands nothing makes the leader suspect, and no more.
	b := startBaton(t, c.Servers(), set("mysql.tls.mode", "disabled"), set("durability.mode", "async"), at(0, p.Addr()))
	w := newWorkload(t, c.Leader, seed)
	w.write(t, 20)
	for _, oneIn := range []int{200_000, 20_000, 2000} {
		p.Flip(rand.New(rand.NewPCG(seed, uint64(oneIn))), oneIn, mysqltest.ToClient)
		w.write(t, 150)
		require.True(t, b.alive())
		require.NoError(t, p.Restore())
		converged(t, b, w, c.Leader, c.Followers...)
	}
	require.Contains(t, b.log(), "checksum mismatch", "a damaged event was found out")
}

// Without checksums nothing says that what came isn't what was sent, so that a follower may be given something else, or
// stop. The daemon itself lives on, answers, and keeps to its memory, whatever lengths and counts are damaged.
func TestDamagedStreamWithoutChecksums(t *testing.T) {
	t.Parallel()
	_, seed := chance(t)
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed(), mysqltest.Setting("binlog_checksum", "NONE"))
	p := mysqltest.StartProxy(t, c.Leader)
	b := startBaton(t, c.Servers(), set("mysql.tls.mode", "disabled"), set("durability.mode", "async"), at(0, p.Addr()))
	w := newWorkload(t, c.Leader, seed)
	w.write(t, 20)
	for _, oneIn := range []int{11_000, 4000, 1000} {
		p.Flip(rand.New(rand.NewPCG(seed, uint64(oneIn))), oneIn, mysqltest.ToClient)
		w.write(t, 150)
		require.True(t, b.alive(), "%s", b.log())
		require.NoError(t, p.Restore())
		b.waitStatus("it answers", func(s state) bool { return s.Leader == "db1" })
	}
	require.Less(t, peakMemory(t, b.pid()), int64(512<<20))
}
