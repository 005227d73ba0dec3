package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/failover/endpoint"
	"github.com/batondb/baton/internal/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	server1 = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	server2 = "4c22fa47-71ca-11e1-9e33-c80aa9429562"
)

func setOf(t testing.TB, text string) *gtid.Set {
	t.Helper()
	s, err := gtid.ParseSet(text)
	require.NoError(t, err)
	return &s
}

// exampleStatus is a cluster of a leader and a follower that stopped.
func exampleStatus(t testing.TB) Status {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Status{
		Cluster: "shop", Epoch: 3, Leader: "db1", Time: at,
		Durability: Durability{Mode: "balanced", State: Protected, Since: new(at.Add(-time.Hour))},
		Source:     Source{State: SourceConnected, Since: new(at.Add(-time.Hour)), Connects: 2, Acknowledged: 70},
		Relay: Relay{
			Received: setOf(t, server1+":1-100"), Durable: setOf(t, server1+":1-98"), Purged: setOf(t, ""),
			Bytes: 1 << 30, Segments: 4, Oldest: new(at.Add(-2 * time.Hour)), Fsyncs: 50, FsyncSeconds: 0.5,
			Transactions: 98, WrittenBytes: 1 << 20,
		},
		Instances: []Instance{
			{Name: "db1", Address: "10.0.0.1:3306", Role: Leader, State: Streaming, Version: "9.7.4", GTIDExecuted: setOf(t, server1+":1-100")},
			{
				Name: "db2", Address: "10.0.0.2:3306", Role: Follower, State: Stopped, Mode: PerTransaction, Version: "9.7.4",
				GTIDExecuted: setOf(t, server1+":1-44"), BehindTransactions: new(int64(54)),
				Errant: setOf(t, server2+":1-2"), Error: "can't apply", Mend: "mend the row", FailedGTID: server1 + ":45", FailedTable: "shop.orders",
				Applied: 44, Retried: 1,
			},
		},
		Endpoints: []Endpoint{
			{Listen: "127.0.0.1:6446", Route: "leader", LeadsTo: "db1", HeldTotal: 3, Connections: map[string]int{"db1": 12}, Opened: map[string]uint64{"db1": 40}},
			{Listen: "127.0.0.1:6447", Route: "followers", Held: 1, Refused: map[string]uint64{"no-follower": 2}},
		},
		LeaderHealth:   LeaderHealth{Health: Suspect, Reason: "probes fail"},
		HandOver:       &HandOver{Kind: "switchover", From: "db1", To: "db2", Step: "drain", Since: at},
		LastHandOver:   &LastHandOver{Kind: "failover", From: "db2", To: "db1", At: at.Add(-time.Hour), Seconds: new(2.5)},
		FailoverPaused: true,
		Forecast:       Forecast{WouldLose: new(int64(2)), Refused: []Refusal{{Instance: "db2", Reason: "it is stopped"}}, BlockedBy: "no candidate"},
		Daemon:         Daemon{Version: "1.0.0", PID: 4242, Started: at.Add(-time.Hour)},
	}
}

// fakeCluster is the daemon of these tests.
type fakeCluster struct {
	status       Status
	transactions []RelayTransaction
	streamError  error // ends the transactions

	mu      sync.Mutex
	calls   []string
	err     error
	blocked chan struct{} // when set, commands wait for it or their context
}

func (c *fakeCluster) Status() Status { return c.status }

func (c *fakeCluster) called(ctx context.Context, format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	if c.blocked != nil {
		select {
		case <-c.blocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.err
}

func (c *fakeCluster) Pause(ctx context.Context, instance string) error {
	return c.called(ctx, "pause %q", instance)
}

func (c *fakeCluster) Resume(ctx context.Context, instance string) error {
	return c.called(ctx, "resume %q", instance)
}

func (c *fakeCluster) Skip(ctx context.Context, instance string, g gtid.GTID) error {
	return c.called(ctx, "skip %q %s", instance, g)
}

func (c *fakeCluster) Reload(ctx context.Context) (Reloaded, error) {
	return Reloaded{Changed: []string{"log.level"}}, c.called(ctx, "reload")
}

func (c *fakeCluster) RelaySegments(ctx context.Context) ([]RelaySegment, error) {
	return []RelaySegment{{Number: 7, Name: "relay.000007", Bytes: 1000, Current: true}}, c.called(ctx, "segments")
}

func (c *fakeCluster) RelayTransactions(ctx context.Context, q RelayQuery) iter.Seq2[RelayTransaction, error] {
	_ = c.called(ctx, "transactions %v %d %d", q.GTIDs, q.Segment, q.Limit)
	return func(yield func(RelayTransaction, error) bool) {
		for _, t := range c.transactions {
			if !yield(t, nil) {
				return
			}
		}
		if c.streamError != nil {
			yield(RelayTransaction{}, c.streamError)
		}
	}
}

// routing is of an example's cluster whose db1 leads and whose db2 is far behind.
type routing struct{}

func (routing) View() endpoint.View {
	return endpoint.View{Leader: "db1", Followers: []endpoint.Follower{{Name: "db2", Lag: time.Hour}}}
}

// startServer runs a Server over c and a real history.
func startServer(t *testing.T, c Cluster, change func(*Config)) (*Server, *Client, *history.Store) {
	t.Helper()
	store := history.New(history.Config{Dir: t.TempDir()}, history.Deps{})
	require.NoError(t, store.Open(t.Context()))
	t.Cleanup(func() { _ = store.Close() })
	cfg := Config{Socket: socketPath(t), HTTP: "127.0.0.1:0"}
	if change != nil {
		change(&cfg)
	}
	s := New(cfg, Deps{Cluster: c, Routing: routing{}, Events: store, Build: Build{Version: "1.0.0", Revision: "abc", Go: "go1.26"}})
	require.NoError(t, s.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, NewClient(cfg.Socket), store
}

// socketPath is short, as unix(7) wants it.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "baton")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "a.sock")
}

func TestStatusGoesOverTheSocketUnchanged(t *testing.T) {
	c := &fakeCluster{status: exampleStatus(t)}
	_, client, _ := startServer(t, c, nil)
	got, raw, err := client.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, asJSON(t, c.status), asJSON(t, got))
	require.JSONEq(t, asJSON(t, c.status), string(raw))
}

func TestAStatusHasATime(t *testing.T) {
	_, client, _ := startServer(t, &fakeCluster{}, nil)
	got, _, err := client.Status(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), got.Time, time.Hour)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestCommandsReachTheCluster(t *testing.T) {
	c := &fakeCluster{}
	_, client, _ := startServer(t, c, nil)
	ctx := t.Context()
	g, err := gtid.Parse(server1 + ":45")
	require.NoError(t, err)

	require.NoError(t, client.Pause(ctx, "db2"))
	require.NoError(t, client.Resume(ctx, ""))
	require.NoError(t, client.Skip(ctx, "db2", g))
	reloaded, err := client.Reload(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"log.level"}, reloaded.Changed)
	segments, err := client.RelaySegments(ctx)
	require.NoError(t, err)
	require.Equal(t, "relay.000007", segments[0].Name)
	require.Equal(t, []string{`pause "db2"`, `resume ""`, `skip "db2" ` + server1 + ":45", "reload", "segments"}, c.calls)
}

func TestErrorsArriveWithTheirMend(t *testing.T) {
	c := &fakeCluster{err: &Error{Code: Refused, Message: "db1 leads", Mend: "name a follower"}}
	_, client, _ := startServer(t, c, nil)
	err := client.Pause(t.Context(), "db1")
	require.Equal(t, c.err, err)

	c.err = fmt.Errorf("pause db1: %w", &Error{Code: NotFound, Message: "there is no db1", Mend: "look"})
	require.Equal(t, errors.Unwrap(c.err), client.Pause(t.Context(), "db1"))

	c.err = errors.New("the disk is on fire")
	e, ok := errors.AsType[*Error](client.Pause(t.Context(), "db1"))
	require.True(t, ok)
	require.Equal(t, Failed, e.Code)
	require.Equal(t, "the disk is on fire", e.Message)
	require.NotEmpty(t, e.Mend)
}

func TestACommandEndsInTime(t *testing.T) {
	c := &fakeCluster{blocked: make(chan struct{})}
	_, client, _ := startServer(t, c, func(cfg *Config) { cfg.CommandTimeout = 20 * time.Millisecond })
	e, ok := errors.AsType[*Error](client.Pause(t.Context(), "db2"))
	require.True(t, ok)
	require.Equal(t, TimedOut, e.Code)
}

func TestASkipWithoutAGTIDIsABadRequest(t *testing.T) {
	s, _, _ := startServer(t, &fakeCluster{}, nil)
	for _, query := range []string{"", "?instance=db2", "?instance=db2&gtid=nonsense", "?gtid=" + server1 + ":1"} {
		r := overSocket(t, s, http.MethodPost, "/v1/skip"+query)
		require.Equal(t, http.StatusBadRequest, r.status, query)
		require.Equal(t, BadRequest, r.err.Code)
		require.NotEmpty(t, r.err.Mend)
	}
}

type reply struct {
	status int
	header http.Header
	body   string
	err    Error
}

func overSocket(t *testing.T, s *Server, method, path string) reply {
	t.Helper()
	return send(t, NewClient(s.cfg.Socket).http, method, "http://baton"+path)
}

func overTCP(t *testing.T, s *Server, method, path string) reply {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return send(t, c, method, "http://"+s.HTTPAddr().String()+path)
}

func send(t *testing.T, c *http.Client, method, url string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	answer, err := c.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	out := reply{status: answer.StatusCode, header: answer.Header, body: string(body)}
	_ = json.Unmarshal(body, &out.err)
	return out
}

// commands are all that change something.
var commands = []string{
	"/v1/pause?instance=db2", "/v1/resume", "/v1/skip?instance=db2&gtid=" + server1 + ":45", "/v1/reload", "/v1/switchover?to=db2", "/v1/switchover?dry_run=true",
	"/v1/failover", "/v1/failover/pause", "/v1/failover/resume", "/v1/rejoin?instance=db2&rewind=true",
}

func TestLoopbackAnswersQuestionsOnly(t *testing.T) {
	c := &fakeCluster{status: exampleStatus(t)}
	s, _, store := startServer(t, c, nil)
	store.Record(history.Event{Kind: history.DaemonStarted, Message: "started"})
	for _, path := range []string{"/v1/status", "/v1/events", "/metrics", "/health"} {
		require.Equal(t, http.StatusOK, overTCP(t, s, http.MethodGet, path).status, path)
		require.Equal(t, http.StatusOK, overSocket(t, s, http.MethodGet, path).status, path)
	}
	require.Contains(t, overTCP(t, s, http.MethodGet, "/v1/events").body, "daemon-started")

	for _, command := range commands {
		r := overTCP(t, s, http.MethodPost, command)
		require.Equal(t, http.StatusForbidden, r.status, command)
		require.Contains(t, r.err.Mend, s.cfg.Socket)
	}
	for _, path := range []string{"/v1/relay/segments", "/v1/relay/transactions", "/debug/pprof/"} {
		r := overTCP(t, s, http.MethodGet, path)
		require.Equal(t, http.StatusNotFound, r.status, path)
		require.Contains(t, r.err.Mend, s.cfg.Socket)
	}
	require.Empty(t, c.calls)
	require.Equal(t, http.StatusOK, overSocket(t, s, http.MethodGet, "/debug/pprof/").status)
	require.Equal(t, http.StatusNotFound, overSocket(t, s, http.MethodGet, "/v2/status").status)
	require.Equal(t, http.StatusNotFound, overSocket(t, s, http.MethodGet, "/v1/pause").status, "a command by GET")
}

func TestLoopbackAnswersOnlyUnderItsOwnNames(t *testing.T) {
	s, _, _ := startServer(t, &fakeCluster{}, nil)
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for host, want := range map[string]int{
		"localhost:8046": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:1": http.StatusOK, "[::1]": http.StatusOK,
		"evil.example": http.StatusConflict, "10.0.0.1": http.StatusConflict,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTPAddr().String()+"/v1/status", nil)
		require.NoError(t, err)
		r.Host = host
		answer, err := c.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, want, answer.StatusCode, host)
	}
}

func TestTheSocketIsForUserAndGroup(t *testing.T) {
	s, _, _ := startServer(t, &fakeCluster{}, nil)
	st, err := os.Stat(s.cfg.Socket)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(socketMode), st.Mode().Perm())
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second Close")
	require.NoFileExists(t, s.cfg.Socket)
}

func TestASocketOfALivingDaemonIsRefused(t *testing.T) {
	s, client, _ := startServer(t, &fakeCluster{}, nil)
	second := New(s.cfg, s.deps)
	err := second.Open(t.Context())
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, s.cfg.Socket)
	require.NoError(t, second.Close())
	_, _, err = client.Status(t.Context())
	require.NoError(t, err, "the first one goes on")
}

func TestASocketOfADeadDaemonIsReplaced(t *testing.T) {
	path := socketPath(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	require.FileExists(t, path)
	_, client, _ := startServer(t, &fakeCluster{}, func(cfg *Config) { cfg.Socket = path })
	_, _, err = client.Status(t.Context())
	require.NoError(t, err)
}

func TestAnotherFileInTheSocketsPlaceIsKept(t *testing.T) {
	path := socketPath(t)
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	err := New(Config{Socket: path}, Deps{}).Open(t.Context())
	require.ErrorContains(t, err, "no socket")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

func TestATakenPortLeavesNoSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	path := socketPath(t)
	s := New(Config{Socket: path, HTTP: l.Addr().String()}, Deps{Cluster: &fakeCluster{}, Events: history.New(history.Config{}, history.Deps{})})
	require.ErrorContains(t, s.Open(t.Context()), "admin.http")
	require.NoFileExists(t, path)
	require.NoError(t, s.Close())
}
