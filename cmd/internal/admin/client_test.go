package admin

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/failover"
)

func TestNoDaemon(t *testing.T) {
	path := socketPath(t)
	_, _, err := NewClient(path).Status(t.Context())
	e, ok := errors.AsType[*NoDaemonError](err)
	require.True(t, ok, err)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Contains(t, e.Error(), path)
	for _, err := range NewClient(path).Events(t.Context(), 1, true) {
		_, ok := errors.AsType[*NoDaemonError](err)
		require.True(t, ok, err)
	}
}

// A daemon that is frozen, as by a debugger or a disk, still has its socket, where the system takes connections for it.
func TestAFrozenDaemonIsNoDaemon(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	c := NewClient(path)
	c.question = time.Millisecond
	_, _, err = c.Status(t.Context())
	_, ok := errors.AsType[*NoDaemonError](err)
	require.True(t, ok, err)
	require.ErrorIs(t, err, ErrSilent)
	_, err = c.Failover(t.Context(), failover.Order{}, nil)
	require.ErrorIs(t, err, ErrSilent)
	for _, err := range c.Events(t.Context(), 1, true) {
		require.ErrorIs(t, err, ErrSilent)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = c.Status(ctx)
	require.ErrorIs(t, err, context.Canceled, "whoever asks has had enough first")
}

func TestSomethingElseOnTheSocketIsNoDaemon(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	server := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	defer func() { _ = server.Close(); <-done }()
	_, _, err = NewClient(path).Status(t.Context())
	require.ErrorContains(t, err, "not as baton does")
}
