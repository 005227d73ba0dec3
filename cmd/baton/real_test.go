package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/cmd/internal/check"
	"github.com/batondb/baton/integration/mysqltest"
)

// TestVerbsOfARealDaemon runs the daemon as `baton run` does, on real servers,
// and asks it with every verb.
func TestVerbsOfARealDaemon(t *testing.T) {
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	follower := c.Followers[0]
	follower.MustExec(t, "SET GLOBAL read_only = ON")
	b := newBench(t)
	b.run, b.check = daemonOf(b.build), check.Run
	file := filepath.Join(filepath.Dir(b.socket), "shop.yaml")
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`
cluster: shop
state_dir: %s
mysql: {user: %s, password: %s}
leader: db1
instances:
- {name: db1, address: "127.0.0.1:%d"}
- {name: db2, address: "127.0.0.1:%d"}
admin: {socket: a.sock}
log: {level: error}
`, t.TempDir(), mysqltest.User, mysqltest.Password, c.Leader.Port, follower.Port)), 0o600))

	require.Equal(t, exitDone, b.do(t, "check", "--config", file), &b.out)
	stop := b.runDaemon(t, file)
	eventually(t, func() bool { return b.state(t, file, "db2") == admin.Streaming })

	c.Leader.MustExec(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY)")
	conn, err := c.Leader.DB().Conn(t.Context())
	require.NoError(t, err)
	// With a GTID of its own: baton's table of epochs comes before or after it.
	for _, statement := range []string{"SET GTID_NEXT = '" + uuid + ":1'", "INSERT INTO shop.orders VALUES (1), (2)", "SET GTID_NEXT = AUTOMATIC"} {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, conn.Close())
	mysqltest.WaitGTID(t, follower, c.Leader.GTIDExecuted(t), time.Minute)
	require.Equal(t, "2", follower.Value(t, "SELECT COUNT(*) FROM shop.orders"))

	require.Equal(t, exitDone, b.do(t, "status", "--config", file), &b.err)
	require.Contains(t, b.out.String(), "shop: db1 leads")
	require.Equal(t, exitDone, b.do(t, "relay", "ls", "--config", file), &b.err)
	require.Contains(t, b.out.String(), c.Leader.UUID(t))
	require.Equal(t, exitDone, b.do(t, "relay", "dump", "--gtid", uuid+":1", "--config", file), &b.err)
	require.Contains(t, b.out.String(), "shop.orders")
	require.NotContains(t, b.out.String(), "CREATE TABLE")

	require.Equal(t, exitDone, b.do(t, "pause", "db2", "--config", file), &b.err)
	eventually(t, func() bool { return b.state(t, file, "db2") == admin.Paused })
	require.Equal(t, exitDone, b.do(t, "resume", "db2", "--config", file), &b.err)
	eventually(t, func() bool { return b.state(t, file, "db2") == admin.Streaming })
	require.Equal(t, exitFailed, b.do(t, "pause", "db9", "--config", file))
	require.Contains(t, b.err.String(), "to do: ")
	require.Equal(t, exitDone, b.do(t, "events", "--config", file), &b.err)
	require.Contains(t, b.out.String(), "follower-paused")

	require.NoError(t, stop())
	require.Equal(t, exitNoDaemon, b.do(t, "status", "--config", file))
}

// runDaemon runs `baton run` until stop, which returns how it ended.
func (b *bench) runDaemon(t *testing.T, file string) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	daemon := program{terminal: terminal{in: strings.NewReader(""), out: &written{}, err: &written{}}, run: b.run}
	go func() {
		if code := daemon.execute(ctx, []string{"run", "--config", file}); code != exitDone {
			ended <- fmt.Errorf("exit code %d: %s", code, daemon.terminal.err)
		}
		close(ended)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return func() error { cancel(); return <-ended }
}

// state is that of an instance; "" while no daemon answers.
func (b *bench) state(t *testing.T, file, instance string) string {
	t.Helper()
	if b.do(t, "status", "-o", "json", "--config", file) != exitDone {
		return ""
	}
	var s admin.Status
	require.NoError(t, json.Unmarshal(b.out.Bytes(), &s))
	i, _ := s.Instance(instance)
	return i.State
}
