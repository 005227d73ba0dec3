package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/source"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/history"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for; it is no measure of speed.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 5*time.Millisecond, what)
}

// A tape is a relay in memory: what was appended becomes durable at Sync, and
// Discard forgets the rest. Faults can be set.
type tape struct {
	mu         sync.Mutex
	format     binlog.Format
	groups     binlog.Grouper
	current    gtid.GTID
	appended   []binlog.Event // since the last Sync
	whole      []gtid.GTID    // of these
	ended      int            // how many of them come before an unfinished transaction
	events     []binlog.Event // durable, in the order of the stream
	order      []gtid.GTID    // durable transactions, in the order of the stream
	durable    gtid.Set
	appendFail error
	syncFail   error
	discards   int
	gate       chan struct{} // Sync waits until it is closed; nil for open
	inSync     int           // Syncs that wait at the gate
	syncs      int
}

func (r *tape) Durable() gtid.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.durable
}

func (r *tape) Append(e binlog.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.appendFail != nil {
		return r.appendFail
	}
	if e.Type() == replication.FORMAT_DESCRIPTION_EVENT {
		f, err := binlog.ParseFormat(e)
		if err != nil {
			return err
		}
		r.format = f
	}
	part, err := r.groups.Next(e, r.format)
	if err != nil {
		return err
	}
	switch part {
	case binlog.First:
		info, err := binlog.ParseGTID(e, r.format)
		if err != nil {
			return err
		}
		if r.durable.Contains(info.GTID) || slices.Contains(r.whole, info.GTID) {
			return fmt.Errorf("%s came twice", info.GTID)
		}
		r.current = info.GTID
	case binlog.Last:
		r.whole = append(r.whole, r.current)
	}
	r.appended = append(r.appended, e)
	if !r.groups.Open() {
		r.ended = len(r.appended)
	}
	return nil
}

func (r *tape) Sync() error {
	r.mu.Lock()
	gate := r.gate
	r.inSync++
	r.mu.Unlock()
	if gate != nil {
		<-gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inSync--
	if r.syncFail != nil {
		return r.syncFail
	}
	r.syncs++
	for _, g := range r.whole {
		r.durable.Add(g)
	}
	r.order = append(r.order, r.whole...)
	r.events = append(r.events, r.appended[:r.ended]...)
	r.appended, r.ended, r.whole = r.appended[r.ended:], 0, nil
	return nil
}

func (r *tape) Discard() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discards++
	if r.syncFail != nil {
		return r.syncFail
	}
	r.appended, r.ended, r.whole, r.groups = nil, 0, nil, binlog.Grouper{}
	return nil
}

func (r *tape) with(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// block makes Sync wait until the result is called.
func (r *tape) block(t testing.TB) (open func()) {
	gate := make(chan struct{})
	r.with(func() { r.gate = gate })
	open = sync.OnceFunc(func() {
		r.with(func() { r.gate = nil })
		close(gate)
	})
	t.Cleanup(open)
	return open
}

func (r *tape) waiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inSync > 0
}

// log collects history events.
type log struct {
	mu     sync.Mutex
	events []history.Event
}

func (l *log) Record(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *log) count(kind history.Kind) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// dialer connects to addr as the harness's baton account.
func dialer(addr string, options ...client.Option) func(context.Context) (*client.Conn, error) {
	return dialerAs(addr, mysqltest.User, mysqltest.Password, options...)
}

func dialerAs(addr, user, password string, options ...client.Option) func(context.Context) (*client.Conn, error) {
	return func(ctx context.Context) (*client.Conn, error) {
		return client.ConnectWithContext(ctx, addr, user, password, "", 10*time.Second, options...)
	}
}

// leader starts a server with baton's account and a table.
func leader(t testing.TB, options ...mysqltest.Option) *mysqltest.Server {
	t.Helper()
	s := mysqltest.Start(t, options...)
	s.MustCreateAccount(t)
	s.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)")
	return s
}

// config is quick, so that tests are.
func config() source.Config {
	return source.Config{
		Leader: "db1", ServerID: 4_000_000_000,
		Heartbeat: 200 * time.Millisecond, ReadTimeout: 5 * time.Second,
		BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond, Retry: 300 * time.Millisecond,
	}
}

// A following is a Source that runs for the duration of a test.
type following struct {
	*source.Source
	relay *tape
	log   *log
}

func follow(t testing.TB, cfg source.Config, dial func(context.Context) (*client.Conn, error), relay *tape) *following {
	t.Helper()
	f := &following{relay: relay, log: &log{}}
	f.Source = source.New(cfg, source.Deps{Dial: dial, Relay: relay, Recorder: f.log})
	done := make(chan error, 1)
	go func() { done <- f.Run(context.Background()) }()
	t.Cleanup(func() {
		require.NoError(t, f.Close())
		require.NoError(t, <-done)
		if t.Failed() {
			t.Logf("status at the end: %+v", f.Status())
		}
	})
	return f
}

// caughtUp waits until the relay holds all that the server has.
func (f *following) caughtUp(t testing.TB, s *mysqltest.Server) {
	t.Helper()
	want, err := gtid.ParseSet(s.GTIDExecuted(t))
	require.NoError(t, err)
	want = want.Subtract(unlogged(t, s))
	if !assert.Eventually(t, func() bool { return f.relay.Durable().ContainsSet(want) }, patience, 5*time.Millisecond) {
		require.FailNow(t, "not caught up", "lacks %s; status %+v", want.Subtract(f.relay.Durable()), f.Status())
	}
}

func unlogged(t testing.TB, s *mysqltest.Server) gtid.Set {
	t.Helper()
	purged, err := gtid.ParseSet(s.Value(t, "SELECT @@GLOBAL.gtid_purged"))
	require.NoError(t, err)
	return purged
}

func (f *following) stopsWith(t testing.TB, reason source.Reason) source.Status {
	t.Helper()
	if !assert.Eventually(t, func() bool { return f.Status().Reason == reason }, patience, 5*time.Millisecond) {
		require.FailNow(t, "no such reason", "want %s, status %+v", reason, f.Status())
	}
	st := f.Status()
	require.NotEmpty(t, st.Error)
	require.NotEmpty(t, st.Mend)
	return st
}

func (f *following) streams(t testing.TB) {
	t.Helper()
	eventually(t, "streaming", func() bool { return f.Status().State == source.Streaming })
}

// kept tells which events a file must yield in the relay.
func kept(e binlog.Event) bool {
	switch e.Type() {
	case replication.PREVIOUS_GTIDS_EVENT, replication.STOP_EVENT, replication.FORMAT_DESCRIPTION_EVENT:
		return false
	}
	return e.Flags()&binlog.FlagArtificial == 0
}

// binlogEvents reads the events of all binlog files of a server, as far as
// kept. Format_description_events differ: in a file that is open they say so.
func binlogEvents(t testing.TB, s *mysqltest.Server) []binlog.Event {
	t.Helper()
	var all []binlog.Event
	for _, row := range s.Rows(t, "SHOW BINARY LOGS") {
		content, err := os.ReadFile(filepath.Join(s.DataDir, row[0]))
		require.NoError(t, err)
		content = content[4:]
		for len(content) > 0 {
			size := int(binlog.Event(content).Size())
			if e := binlog.Event(content[:size]); kept(e) {
				all = append(all, e)
			}
			content = content[size:]
		}
	}
	return all
}

// sameAsBinlog compares what became durable with the leader's files, byte for
// byte.
func (f *following) sameAsBinlog(t testing.TB, s *mysqltest.Server) {
	t.Helper()
	f.caughtUp(t, s)
	want := binlogEvents(t, s)
	var got []binlog.Event
	f.relay.with(func() {
		for _, e := range f.relay.events {
			if kept(e) {
				got = append(got, e)
			}
		}
	})
	require.Equal(t, len(want), len(got), "events")
	for i := range want {
		require.True(t, bytes.Equal(want[i], got[i]), "event %d: %s", i, want[i].Type())
	}
}

var errDisk = errors.New("no space left on device")
