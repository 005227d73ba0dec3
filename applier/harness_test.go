package applier_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

var rounds = flag.Int("rounds", 4, "how many times the kill test kills the follower or its connections")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what must happen.
const patience = 90 * time.Second

// poll is how often it is looked.
const poll = 5 * time.Millisecond

// memoryRelay gives real transactions to any number of readers, which wait at
// the head.
type memoryRelay struct {
	mu      sync.Mutex
	txs     []*binlog.Transaction
	base    gtid.Set
	durable gtid.Set
	grew    chan struct{}
	err     error // what Next returns, if set
	taken   int   // how many the reader that is furthest has taken
}

func newRelay(txs ...*binlog.Transaction) *memoryRelay {
	r := &memoryRelay{grew: make(chan struct{})}
	r.append(txs...)
	return r
}

func (r *memoryRelay) append(txs ...*binlog.Transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, tx := range txs {
		r.durable.Add(tx.GTID)
	}
	r.txs = append(r.txs, txs...)
	r.wake()
}

// wake is called with r.mu held.
func (r *memoryRelay) wake() {
	close(r.grew)
	r.grew = make(chan struct{})
}

// follow appends what the leader has committed and the relay lacks. The leader
// must be at rest.
func (r *memoryRelay) follow(t testing.TB, leader *mysqltest.Server) {
	t.Helper()
	all := binlogtest.Read(t, leader)
	r.append(all[len(r.txs):]...)
}

func (r *memoryRelay) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.wake()
}

func (r *memoryRelay) Durable() gtid.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.durable
}

func (r *memoryRelay) NewReader(from gtid.Set) (applier.Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !from.ContainsSet(r.base) {
		return nil, fmt.Errorf("%w: %s", applier.ErrPurged, r.base.Subtract(from))
	}
	return &memoryReader{relay: r, from: from}, nil
}

type memoryReader struct {
	relay *memoryRelay
	from  gtid.Set
	at    int
}

func (rd *memoryReader) Next(ctx context.Context) (*binlog.Transaction, error) {
	for {
		rd.relay.mu.Lock()
		err, grew := rd.relay.err, rd.relay.grew
		var tx *binlog.Transaction
		if rd.at < len(rd.relay.txs) {
			tx = rd.relay.txs[rd.at]
			rd.at++
			rd.relay.taken = max(rd.relay.taken, rd.at)
		}
		rd.relay.mu.Unlock()
		switch {
		case err != nil:
			return nil, err
		case tx != nil && rd.from.Contains(tx.GTID):
		case tx != nil:
			return tx, nil
		default:
			select {
			case <-grew:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
}

func (rd *memoryReader) Close() error { return nil }

// gate makes the follower read-only as baton's does, or refuses what a test has
// it refuse.
type gate struct {
	follower *mysqltest.Server
	mu       sync.Mutex
	err      error
}

func (g *gate) Admit(ctx context.Context) error {
	g.mu.Lock()
	err := g.err
	g.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = g.follower.DB().ExecContext(ctx, "SET GLOBAL super_read_only=OFF; SET GLOBAL read_only=ON")
	return err
}

func (g *gate) refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

// recorder keeps what was recorded.
type recorder struct {
	mu     sync.Mutex
	events []history.Event
}

func (r *recorder) Record(e history.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) of(kind history.Kind) []history.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []history.Event
	for _, e := range r.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// A subject is an applier under test and all it works with.
type subject struct {
	*applier.Applier
	t        testing.TB
	follower *mysqltest.Server
	relay    *memoryRelay
	gate     *gate
	recorder *recorder
	end      context.CancelFunc
	ended    chan struct{}
}

// config is for tests: what waits is retried only when a test says so.
func config(follower *mysqltest.Server, sessions int) applier.Config {
	return applier.Config{Name: follower.Name, Sessions: sessions, CatchingUp: 10 * time.Second, Retry: time.Hour, Batches: schedule.Never, BatchSize: 100}
}

// inBatches is config with batches at all times.
func inBatches(follower *mysqltest.Server, sessions int) applier.Config {
	cfg := config(follower, sessions)
	cfg.Batches = schedule.Always
	return cfg
}

// start runs an applier until the test ends, or end is called.
func start(t testing.TB, cfg applier.Config, follower *mysqltest.Server, relay *memoryRelay) *subject {
	t.Helper()
	s := &subject{t: t, follower: follower, relay: relay, gate: &gate{follower: follower}, recorder: &recorder{}}
	s.run(cfg)
	return s
}

func (s *subject) run(cfg applier.Config) {
	dial := func(ctx context.Context) (*client.Conn, error) {
		return client.ConnectWithContext(ctx, s.follower.Addr(), mysqltest.User, mysqltest.Password, "", 10*time.Second, func(c *client.Conn) error {
			return c.SetCapability(mysql.CLIENT_MULTI_STATEMENTS)
		})
	}
	s.Applier = applier.New(cfg, applier.Deps{Dial: dial, Relay: s.relay, Gate: s.gate, Recorder: s.recorder, Logger: zap.NewNop()})
	var ctx context.Context
	ctx, s.end = context.WithCancel(context.Background())
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		s.Run(ctx)
	}()
	s.t.Cleanup(s.stop)
}

func (s *subject) stop() {
	s.end()
	<-s.ended
}

// waitFor waits until the status is as it should be.
func (s *subject) waitFor(what string, ok func(applier.Status) bool) applier.Status {
	s.t.Helper()
	var st applier.Status
	require.Eventually(s.t, func() bool {
		st = s.Status()
		return ok(st)
	}, patience, 5*time.Millisecond, "%s, the status is not: %s", s.follower.Name, what)
	return st
}

func (s *subject) waitState(state applier.State) applier.Status {
	s.t.Helper()
	return s.waitFor(string(state), func(st applier.Status) bool { return st.State == state })
}

// waitHead waits until the follower has all that the relay has.
func (s *subject) waitHead() {
	s.t.Helper()
	defer func() {
		if st := s.Status(); s.t.Failed() && st.Failure != nil {
			s.t.Logf("%s is %s: %s", s.follower.Name, st.State, st.Failure.Message)
		}
	}()
	mysqltest.WaitGTID(s.t, s.follower, s.relay.Durable().String(), patience)
	s.waitFor("nothing in flight, no lag", func(st applier.Status) bool { return st.Lag == 0 && st.InFlight == 0 })
}

// pair is a leader with a table d.t (id, v) of ten rows and a follower without.
func pair(t testing.TB, opts ...mysqltest.Option) (leader, follower *mysqltest.Server) {
	t.Helper()
	c := mysqltest.StartCluster(t, 1, append([]mysqltest.Option{mysqltest.Relaxed()}, opts...)...)
	c.Leader.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.n (a INT, b INT)",
		"INSERT INTO d.t VALUES (1,0),(2,0),(3,0),(4,0),(5,0),(6,0),(7,0),(8,0),(9,0),(10,0)")
	return c.Leader, c.Followers[0]
}

// lastOf is the GTID of the newest transaction of the relay.
func lastOf(r *memoryRelay) gtid.GTID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.txs)[len(r.txs)-1].GTID
}
