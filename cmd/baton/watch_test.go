package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/internal/history"
)

// written is a writer that can be read while it is written to.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// start runs a command line that goes on until stop, which returns its exit code.
func (b *bench) start(t *testing.T, args ...string) (out, err *written, stop func() int) {
	t.Helper()
	out, err = &written{}, &written{}
	b.terminal.in, b.terminal.out, b.terminal.err = strings.NewReader(""), out, err
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- b.execute(ctx, args) }()
	return out, err, func() int { cancel(); return <-code }
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, time.Millisecond)
}

func TestEventsAreFollowedUntilInterrupted(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	b.events.Record(history.Event{Kind: history.SourceLost, Message: "first"})
	out, _, stop := b.start(t, "events", "--follow", "--socket", b.socket)
	eventually(t, func() bool { return strings.Contains(out.String(), "first") })
	b.events.Record(history.Event{Kind: history.SourceLost, Message: "second"})
	eventually(t, func() bool { return strings.Contains(out.String(), "second") })
	require.Equal(t, exitDone, stop())
}

func TestWatchPrintsLinesWhereThereIsNoTerminal(t *testing.T) {
	b := newBench(t)
	b.daemon(t)
	out, _, stop := b.start(t, "status", "--watch", "--socket", b.socket)
	eventually(t, func() bool { return strings.Count(out.String(), "db2 follower stopped") >= 2 })
	require.Equal(t, exitDone, stop())
	require.NotContains(t, out.String(), "\x1b")
}

func TestWatchRedrawsOnATerminalAndWaitsForADaemonThatLeft(t *testing.T) {
	b := newBench(t)
	b.terminal.shows = true
	b.terminal.screenSize = func() (int, int) { return 80, 8 }
	cluster := &fakeCluster{status: healthy(t)}
	server := func() *admin.Server {
		s := admin.New(admin.Config{Socket: b.socket}, admin.Deps{Cluster: cluster, Events: history.New(history.Config{}, history.Deps{})})
		require.NoError(t, s.Open(t.Context()))
		return s
	}
	s := server()
	out, _, stop := b.start(t, "status", "--watch", "--socket", b.socket)
	eventually(t, func() bool { return strings.Contains(out.String(), "db1 leads") })
	require.Contains(t, out.String(), "more lines", "a picture higher than the screen is cut")
	require.NoError(t, s.Close())
	eventually(t, func() bool { return strings.Contains(out.String(), "waiting for it") })
	pictures := strings.Count(out.String(), "db1 leads")
	s = server()
	eventually(t, func() bool { return strings.Count(out.String(), "db1 leads") > pictures })
	require.Equal(t, exitDone, stop())
	require.NoError(t, s.Close())
	for picture := range strings.SplitSeq(out.String(), cursorHome) {
		require.LessOrEqual(t, strings.Count(picture, "\n"), 7)
	}
}
