package integration_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

func TestConnectionsAreCutAnywhere(t *testing.T) {
	t.Parallel()
	r, seed := chance(t)
	c := protectedCluster(t, 1)
	proxies := []*mysqltest.Proxy{mysqltest.StartProxy(t, c.Leader), mysqltest.StartProxy(t, c.Followers[0])}
	b := startBaton(t, c.Servers(), set("durability.mode", "strict"), at(0, proxies[0].Addr()), at(1, proxies[1].Addr()))
	w := newWorkload(t, c.Leader, seed)
	w.large = true
	for n := range *rounds {
		w.start()
		for range 2 + r.IntN(4) {
			i := r.IntN(len(proxies))
			// The way of the binlog, and the way back, on which little goes.
			disturb(t, r, proxies[i], []mysqltest.Direction{mysqltest.ToClient, mysqltest.ToServer}[i])
		}
		w.await(t, 20)
		converged(t, b, w, c.Leader, c.Followers...)
		if t.Failed() {
			t.Fatalf("round %d", n+1)
		}
		if n%4 == 3 {
			w.tidy(t)
		}
	}
	t.Logf("%d rounds, %d transactions acknowledged, %d and %d cuts to leader and follower",
		*rounds, w.total.Load(), proxies[0].Cuts(), proxies[1].Cuts())
}

// disturb breaks the connections through a proxy in one of the ways in which networks do.
func disturb(t testing.TB, r *rand.Rand, p *mysqltest.Proxy, downstream mysqltest.Direction) {
	t.Helper()
	way, most := downstream, 17 // log2 of bytes
	if r.IntN(2) == 0 {
		way, most = mysqltest.ToClient+mysqltest.ToServer-downstream, 10
	}
	switch r.IntN(5) {
	case 0:
		p.Stall(way)
		time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
		p.Resume(way)
	case 1:
		p.Cut()
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
		require.NoError(t, p.Restore())
	default:
		before := p.Cuts()
		p.CutAfter(1+r.Int64N(1<<r.IntN(most)), way)
		require.Eventually(t, func() bool { return p.Cuts() > before }, patience, time.Millisecond, "so many bytes pass")
	}
}

// A network that drops every packet ends no connection: both ends have to notice by themselves.
func TestSilentNetworkIsNoticed(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 1)
	p := mysqltest.StartProxy(t, c.Leader)
	b := startBaton(t, c.Servers(), at(0, p.Addr()))
	w := newWorkload(t, c.Leader, 1)
	w.write(t, 50)
	p.Stall(mysqltest.ToClient)
	p.Stall(mysqltest.ToServer)
	w.start()
	b.waitStatus("the stream is known to be dead", func(s state) bool {
		return s.Source.State != "connected" && s.instance("db1").State == "unreachable" && s.instance("db1").Error != ""
	})
	require.NoError(t, p.Restore())
	w.await(t, 50)
	converged(t, b, w, c.Leader, c.Followers...)
}
