package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/history"
)

// watched is an open stream of a page.
type watched struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Reader
}

func watch(t *testing.T, s *Server, headers ...string) *watched {
	t.Helper()
	through := &http.Transport{DisableKeepAlives: true}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTPAddr().String()+"/v1/watch", nil)
	require.NoError(t, err)
	answer, err := withHeaders{through, headers}.RoundTrip(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &watched{t, answer, bufio.NewReader(answer.Body)}
}

// next waits for the next event of that name and decodes it.
func (w *watched) next(name string, into any) {
	w.t.Helper()
	for {
		event, err := w.lines.ReadString('\n')
		require.NoError(w.t, err)
		data, err := w.lines.ReadString('\n')
		require.NoError(w.t, err)
		end, err := w.lines.ReadString('\n')
		require.NoError(w.t, err)
		require.Equal(w.t, "\n", end)
		if event == "event: "+name+"\n" {
			require.NoError(w.t, json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), into))
			return
		}
	}
}

func TestAPageIsToldWhatHappenedAndWhatHappens(t *testing.T) {
	t.Parallel()
	s, _, store := startServer(t, &fakeCluster{status: exampleStatus(t)}, nil)
	store.Record(history.Event{Kind: history.DaemonStarted, Message: "before\nin two lines"})
	w := watch(t, s)
	require.Equal(t, http.StatusOK, w.answer.StatusCode)
	require.Equal(t, "text/event-stream", w.answer.Header.Get("Content-Type"))
	var hello Watched
	w.next("hello", &hello)
	require.Len(t, hello.Events, 1)
	require.Equal(t, "before\nin two lines", hello.Events[0].Message)
	require.Equal(t, config.RoleRead, hello.Session.Role)
	require.Equal(t, s.cfg.Socket, hello.Session.Socket)
	for range 2 { // at once, and a second later
		var status struct{ Cluster string }
		w.next("status", &status)
		require.Equal(t, "shop", status.Cluster)
	}
	store.Record(history.Event{Kind: history.FollowerPaused, Instance: "db2", Message: "paused"})
	var event history.Event
	w.next("event", &event)
	require.Equal(t, history.FollowerPaused, event.Kind)
}

func TestSamplesComeAsTheyAreTaken(t *testing.T) {
	t.Parallel()
	s, _, _ := startServer(t, &fakeCluster{}, nil) // its time goes on, as a daemon's
	w := watch(t, s)
	var first, second Sample
	w.next("sample", &first)
	w.next("sample", &second)
	require.Equal(t, first.N+1, second.N)
	var hello Watched
	watch(t, s).next("hello", &hello)
	require.GreaterOrEqual(t, len(hello.Samples), 2, "another page gets those of before")
}

func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	s, _, _ := startServer(t, &fakeCluster{}, nil)
	var open []*watched
	for range maxWatchers {
		w := watch(t, s)
		require.Equal(t, http.StatusOK, w.answer.StatusCode)
		open = append(open, w)
	}
	w := watch(t, s)
	require.Equal(t, http.StatusServiceUnavailable, w.answer.StatusCode)
	body, err := io.ReadAll(w.answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"code":"too-many"`)
	require.Equal(t, http.StatusOK, overTCP(t, s, http.MethodGet, "/v1/status").status, "nobody else is held up")
	require.NoError(t, open[0].answer.Body.Close())
	require.Eventually(t, func() bool { return watch(t, s).answer.StatusCode == http.StatusOK }, 30*time.Second, 20*time.Millisecond, "room again")
}

func TestPagesEndWithTheServer(t *testing.T) {
	t.Parallel()
	s, _, _ := startServer(t, &fakeCluster{}, nil)
	w := watch(t, s)
	var hello Watched
	w.next("hello", &hello)
	require.NoError(t, s.Close())
	_, err := io.ReadAll(w.lines)
	require.NoError(t, err, "in order")
}

// A page that takes nothing is dropped after writeTimeout, and its goroutines with it.
func TestASlowPageIsDropped(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out := &eventStream{w: w, control: http.NewResponseController(w)}
		var err error
		for err == nil {
			err = out.send("status", strings.Repeat("x", 1<<20))
		}
		ended <- err
	}))
	defer server.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 6*writeTimeout)
	defer cancel()
	select {
	case err := <-ended:
		require.ErrorContains(t, err, "timeout")
	case <-ctx.Done():
		t.Fatal("it is waited for")
	}
}

func TestTheSessionSaysWhatMayBeDone(t *testing.T) {
	t.Parallel()
	s, _, _ := startServer(t, &fakeCluster{}, func(c *Config) { c.Tokens = tokens() })
	require.Equal(t, http.StatusUnauthorized, ask(t, s, http.MethodGet, "/v1/session").status)
	require.Equal(t, http.StatusUnauthorized, watch(t, s).answer.StatusCode)
	for token, role := range map[string]config.Role{reader: config.RoleRead, commander: config.RoleCommand} {
		var session Session
		require.NoError(t, json.Unmarshal([]byte(ask(t, s, http.MethodGet, "/v1/session", "Authorization: Bearer "+token).body), &session))
		require.Equal(t, role, session.Role)
		require.Contains(t, session.Name, "token ")
		var hello Watched
		watch(t, s, "Authorization: Bearer "+token).next("hello", &hello)
		require.Equal(t, session, hello.Session)
	}
}
