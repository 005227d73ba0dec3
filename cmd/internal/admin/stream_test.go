package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/internal/history"
)

func TestEventsAreTheNewest(t *testing.T) {
	_, client, store := startServer(t, &fakeCluster{}, nil)
	for i := range 30 {
		store.Record(history.Event{Kind: history.SourceLost, Message: fmt.Sprint(i)})
	}
	for n, first := range map[int]string{5: "25", 100: "0"} {
		var got []string
		for e, err := range client.Events(t.Context(), n, false) {
			require.NoError(t, err)
			got = append(got, e.Message)
		}
		require.Len(t, got, min(n, 30))
		require.Equal(t, first, got[0])
		require.Equal(t, "29", got[len(got)-1])
	}
	for range client.Events(t.Context(), 0, false) {
		t.Fatal("none was wanted")
	}
}

func TestEventsAfterANumber(t *testing.T) {
	s, _, store := startServer(t, &fakeCluster{}, nil)
	for i := range 3 {
		store.Record(history.Event{Kind: history.SourceLost, Message: fmt.Sprint("event ", i+1)})
	}
	body := overSocket(t, s, http.MethodGet, "/v1/events?after=2").body
	require.Contains(t, body, "event 3")
	require.NotContains(t, body, "event 2")
	require.Equal(t, http.StatusBadRequest, overSocket(t, s, http.MethodGet, "/v1/events?n=-1").status)
	require.Equal(t, http.StatusBadRequest, overSocket(t, s, http.MethodGet, "/v1/events?after=x").status)
}

// follow gives the events of a --follow, and its error at last.
func follow(ctx context.Context, client *Client, n int) (<-chan history.Event, <-chan error) {
	events, ended := make(chan history.Event), make(chan error, 1)
	go func() {
		var last error
		for e, err := range client.Events(ctx, n, true) {
			if last = err; err == nil {
				events <- e
			}
		}
		ended <- last
	}()
	return events, ended
}

func TestFollowedEventsComeAtOnceUntilTheCallerLeaves(t *testing.T) {
	s, client, store := startServer(t, &fakeCluster{}, nil)
	store.Record(history.Event{Kind: history.SourceLost, Message: "old"})
	store.Record(history.Event{Kind: history.SourceLost, Message: "newest"})
	ctx, cancel := context.WithCancel(t.Context())
	events, ended := follow(ctx, client, 1)
	require.Equal(t, "newest", (<-events).Message)
	store.Record(history.Event{Kind: history.SourceConnected, Message: "new"})
	require.Equal(t, "new", (<-events).Message)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, func() bool { return len(s.streams) == 0 }, time.Minute, time.Millisecond, "the daemon notices")
}

func TestAStoppingDaemonEndsWhatIsFollowed(t *testing.T) {
	s, client, store := startServer(t, &fakeCluster{}, nil)
	store.Record(history.Event{Kind: history.SourceLost, Message: "one"})
	events, ended := follow(t.Context(), client, 1)
	<-events
	require.NoError(t, s.Close())
	_, ok := errors.AsType[*NoDaemonError](<-ended)
	require.True(t, ok)
}

func TestADaemonThatDiesInTheMiddleIsNoDaemon(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		_ = conn.Close()
	}()
	_, ended := follow(t.Context(), NewClient(path), 1)
	_, ok := errors.AsType[*NoDaemonError](<-ended)
	require.True(t, ok)
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	s, client, _ := startServer(t, &fakeCluster{}, nil)
	for range maxStreams {
		s.streams <- struct{}{}
	}
	for _, err := range client.Events(t.Context(), 1, true) {
		e, ok := errors.AsType[*Error](err)
		require.True(t, ok)
		require.Equal(t, TooMany, e.Code)
	}
	_, _, err := client.Status(t.Context())
	require.NoError(t, err, "short answers are still given")
}

func TestRelayTransactionsAreStreamed(t *testing.T) {
	c := &fakeCluster{}
	for i := range 500 {
		c.transactions = append(c.transactions, RelayTransaction{GTID: fmt.Sprintf("%s:%d", server1, i+1), Events: []RelayEvent{{Type: "Gtid"}}})
	}
	_, client, _ := startServer(t, c, nil)
	var got []RelayTransaction
	for tx, err := range client.RelayTransactions(t.Context(), RelayQuery{GTIDs: setOf(t, server1+":1-5"), Segment: 3, Limit: 500}) {
		require.NoError(t, err)
		got = append(got, tx)
	}
	require.Equal(t, c.transactions, got)
	require.Equal(t, []string{"transactions " + server1 + ":1-5 3 500"}, c.calls)
}

func TestAnErrorInAStreamComesWhole(t *testing.T) {
	want := &Error{Code: Refused, Message: "segment 3 is damaged", Mend: "restore it"}
	c := &fakeCluster{streamError: want}
	_, client, _ := startServer(t, c, nil)
	for _, transactions := range [][]RelayTransaction{nil, {{GTID: "u:1"}}} {
		c.transactions = transactions
		n := 0
		for _, err := range client.RelayTransactions(t.Context(), RelayQuery{}) {
			if n == len(transactions) {
				require.Equal(t, want, err)
			}
			n++
		}
		require.Equal(t, len(transactions)+1, n)
	}
}
