package integration_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

var (
	rounds = flag.Int("rounds", 8, "rounds of the kill loop and of the loop that cuts connections")
	seed   = flag.Uint64("seed", 0, "seed of what is random; 0: a random one, which is printed")
)

// chance is the test's randomness. Which transaction a kill meets depends on the machine besides.
func chance(t testing.TB) (*rand.Rand, uint64) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 0)), s
}

// protectedCluster is a cluster whose leader waits for baton's acknowledgement, however long, from now on and after
// restarts.
func protectedCluster(t testing.TB, followers int) *mysqltest.Cluster {
	t.Helper()
	c := mysqltest.StartCluster(t, followers, mysqltest.SemiSyncSource(), mysqltest.Setting("max_binlog_size", "16M"))
	c.Leader.MustExec(t, "SET PERSIST rpl_semi_sync_source_timeout = 3600000", "SET PERSIST rpl_semi_sync_source_enabled = ON")
	return c
}

func TestKillLoop(t *testing.T) { killLoopWith(t, "off") }

// In small batches, so that there are many moments between two of them.
func TestKillLoopInBatches(t *testing.T) { killLoopWith(t, "always") }

func killLoopWith(t *testing.T, catchUp string) {
	t.Parallel()
	r, seed := chance(t)
	c := protectedCluster(t, 2)
	b := startBaton(t, c.Servers(), set("durability.mode", "strict"), set("apply.catch_up.mode", catchUp), set("apply.catch_up.batch", 30))
	w := newWorkload(t, c.Leader, seed)
	w.large = true
	l := &killLoop{t: t, r: r, baton: b, cluster: c, load: w, met: map[string]int{}}
	for n := range *rounds {
		w.start()
		for range 1 + r.IntN(3) {
			l.pause(600)
			l.strike()
		}
		l.pause(300)
		converged(t, b, w, c.Leader, c.Followers...)
		if t.Failed() {
			t.Fatalf("round %d: %v", n+1, l.met)
		}
		if n%4 == 3 {
			w.tidy(t)
			l.forget()
		}
		if n%20 == 19 {
			t.Logf("%d rounds", n+1)
		}
	}
	t.Logf("%d rounds, %d transactions acknowledged, struck: %v", *rounds, w.total.Load(), l.met)
}

// killLoop strikes at random.
type killLoop struct {
	t       *testing.T
	r       *rand.Rand
	baton   *baton
	cluster *mysqltest.Cluster
	load    *workload
	met     map[string]int // how often each was struck
}

// pause waits up to so many milliseconds.
func (l *killLoop) pause(most int) { time.Sleep(time.Duration(l.r.IntN(most)) * time.Millisecond) }

// strike kills or freezes one or more, and brings back what it has killed, in a random order.
func (l *killLoop) strike() {
	l.t.Helper()
	if l.r.IntN(6) == 0 {
		l.freeze()
		return
	}
	type victim struct {
		name       string
		kill, back func()
	}
	victims := []victim{{"daemon", l.baton.kill9, l.baton.start}}
	for _, s := range l.cluster.Servers() {
		victims = append(victims, victim{s.Name,
			func() { require.NoError(l.t, s.Kill9()) },
			func() { require.NoError(l.t, s.Restart(l.t.Context())) }})
	}
	l.r.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
	number := 1
	if l.r.IntN(3) == 0 {
		number = 2 + l.r.IntN(2)
	}
	victims = victims[:number]
	for _, v := range victims {
		l.met[v.name]++
		v.kill()
		if l.r.IntN(2) == 0 {
			l.pause(50)
		}
	}
	l.r.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
	for _, v := range victims {
		l.pause(300)
		v.back()
	}
}

// freeze stops a follower where it is for a while.
func (l *killLoop) freeze() {
	l.t.Helper()
	f := l.cluster.Followers[l.r.IntN(len(l.cluster.Followers))]
	l.met["freeze "+f.Name]++
	require.NoError(l.t, f.Freeze())
	l.pause(1500)
	require.NoError(l.t, f.Thaw())
}

// forget has the servers drop the binlogs that nobody needs any more.
func (l *killLoop) forget() {
	l.t.Helper()
	for _, s := range l.cluster.Servers() {
		s.MustExec(l.t, "FLUSH LOCAL BINARY LOGS")
		s.MustExec(l.t, "PURGE BINARY LOGS TO '"+s.Rows(l.t, "SHOW BINARY LOG STATUS")[0][0]+"'")
	}
}
