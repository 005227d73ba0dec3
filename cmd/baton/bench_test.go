package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// fakeCluster is the daemon's side of the API in these tests.
type fakeCluster struct {
	mu     sync.Mutex
	status admin.Status
	calls  []string
	err    error
}

func (c *fakeCluster) Status() admin.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

func (c *fakeCluster) called(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	return c.err
}

func (c *fakeCluster) Pause(_ context.Context, instance string) error {
	return c.called("pause %s", instance)
}

func (c *fakeCluster) Resume(_ context.Context, instance string) error {
	return c.called("resume %s", instance)
}

func (c *fakeCluster) Skip(_ context.Context, instance string, g gtid.GTID) error {
	return c.called("skip %s %s", instance, g)
}

func (c *fakeCluster) Reload(context.Context) (admin.Reloaded, error) { return admin.Reloaded{}, c.err }

func (c *fakeCluster) RelaySegments(context.Context) ([]admin.RelaySegment, error) {
	newest := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	set, _ := gtid.ParseSet(uuid + ":1-70")
	return []admin.RelaySegment{
		{Number: 1, Name: "relay.000001", Bytes: 256 << 20, Transactions: new(int64(70)), GTIDs: &set, Newest: &newest},
		{Number: 2, Name: "relay.000002", Bytes: 157, GTIDs: new(gtid.Set{}), Current: true},
	}, c.err
}

func (c *fakeCluster) RelayTransactions(_ context.Context, q admin.RelayQuery) iter.Seq2[admin.RelayTransaction, error] {
	err := c.called("dump %v %d %d", q.GTIDs, q.Segment, q.Limit)
	return func(yield func(admin.RelayTransaction, error) bool) {
		if err != nil {
			yield(admin.RelayTransaction{}, err)
			return
		}
		yield(admin.RelayTransaction{
			GTID: uuid + ":45", Time: new(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)), Segment: 1, Bytes: 2048,
			Events: []admin.RelayEvent{
				{Type: "Gtid", Bytes: 80}, {Type: "Query", Bytes: 75, Query: "BEGIN"},
				{Type: "Table_map", Bytes: 60, Table: "shop.orders"}, {Type: "Write_rows", Bytes: 1802}, {Type: "Xid", Bytes: 31},
			},
		}, nil)
	}
}

// bench is a program, what it was given and what it printed.
type bench struct {
	program
	cluster  *fakeCluster
	handOver *fakeHandOvers
	events   *history.Store
	socket   string
	out, err bytes.Buffer
	loaded   []string // configuration files that run was called with
	findings []mysql.Finding
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("", "baton")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{socket: filepath.Join(dir, "a.sock"), cluster: &fakeCluster{status: pictures(t)["stopped"]}, handOver: &fakeHandOvers{}}
	b.program = program{
		build: admin.Build{Version: "1.2.0", Revision: "abc123", Go: "go1.26", Platform: "linux/amd64"},
		run: func(_ context.Context, cfg config.Config, file string) error {
			b.loaded = append(b.loaded, cfg.Cluster+" "+file)
			return nil
		},
		check: func(context.Context, config.Config) ([]mysql.Finding, error) { return b.findings, nil },
	}
	return b
}

// daemon starts the API's server.
func (b *bench) daemon(t *testing.T) {
	t.Helper()
	b.events = history.New(history.Config{Dir: t.TempDir()}, history.Deps{})
	require.NoError(t, b.events.Open(t.Context()))
	s := admin.New(admin.Config{Socket: b.socket}, admin.Deps{Cluster: b.cluster, HandOvers: b.handOver, Events: b.events})
	require.NoError(t, s.Open(t.Context()))
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, b.events.Close())
	})
}

// do runs a command line and returns the exit code.
func (b *bench) do(t *testing.T, args ...string) int {
	t.Helper()
	b.out.Reset()
	b.err.Reset()
	b.terminal.out, b.terminal.err = &b.out, &b.err
	if b.terminal.in == nil {
		b.terminal.in = strings.NewReader("")
	}
	return b.execute(t.Context(), args)
}

func (b *bench) configFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	text := fmt.Sprintf("cluster: shop\nstate_dir: state\nmysql: {user: baton, password: x}\nleader: db1\n"+
		"instances:\n- {name: db1, address: 10.0.0.1:3306}\n- {name: db2, address: 10.0.0.2:3306}\nadmin: {socket: %s}\n", b.socket)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
