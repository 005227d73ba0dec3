package integration_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	b := startBaton(t, c.Servers())
	refused := func(second *baton, says ...string) {
		t.Helper()
		second.launch()
		require.Equal(t, 1, second.exitCode())
		for _, part := range says {
			require.Contains(t, second.log(), part)
		}
	}
	t.Run("the same state directory", func(t *testing.T) {
		refused(batonFor(t, c.Servers(), stateIn(b.stateDir)), b.stateDir, fmt.Sprintf("pid %d", b.pid()), "cluster shop", "stop that one first")
	})
	t.Run("the same socket", func(t *testing.T) {
		refused(batonFor(t, c.Servers(), set("admin.socket", b.socket)), b.socket, "another daemon answers", "another admin.socket")
	})
	t.Run("a state directory of another cluster", func(t *testing.T) {
		other := batonFor(t, c.Servers())
		require.NoError(t, os.Mkdir(other.stateDir, 0o700))
		content, err := os.ReadFile(filepath.Join(b.stateDir, "state.json"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(other.stateDir, "state.json"), []byte(strings.Replace(string(content), "shop", "bank", 1)), 0o600))
		refused(other, `cluster "bank"`, "state_dir")
	})
	t.Run("a file that is no socket", func(t *testing.T) {
		other := batonFor(t, c.Servers())
		require.NoError(t, os.WriteFile(other.socket, []byte("mine"), 0o600))
		refused(other, other.socket, "no socket")
		content, err := os.ReadFile(other.socket)
		require.NoError(t, err)
		require.Equal(t, "mine", string(content))
	})
	t.Run("the first goes on", func(t *testing.T) {
		w := newWorkload(t, c.Leader, 6)
		w.write(t, 20)
		converged(t, b, w, c.Leader, c.Followers...)
	})
	t.Run("a socket that a dead daemon left", func(t *testing.T) {
		b.kill9()
		st, err := os.Lstat(b.socket)
		require.NoError(t, err)
		require.Equal(t, os.ModeSocket, st.Mode().Type())
		_, err = net.Dial("unix", b.socket)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, stderr, code := b.run("status")
		require.Equal(t, 3, code)
		require.Contains(t, stderr, b.socket)
		b.start()
	})
}

func TestDaemonStopsInOrderUnderLoad(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 1)
	b := startBaton(t, c.Servers())
	w := newWorkload(t, c.Leader, 7)
	w.large = true
	for range 3 {
		w.start()
		w.await(t, 100)
		b.stop()
		require.Contains(t, b.log(), "stopped in order")
		b.start()
		w.await(t, 50)
		converged(t, b, w, c.Leader, c.Followers...)
	}
	require.NotContains(t, b.log(), "torn tail", "an orderly stop leaves nothing half written")
	// A follower that hangs doesn't hold the stop up.
	require.NoError(t, c.Followers[0].Freeze())
	w.start()
	w.await(t, 20)
	b.stop()
	require.NoError(t, c.Followers[0].Thaw())
	b.start()
	w.await(t, 20)
	converged(t, b, w, c.Leader, c.Followers...)
}

func TestReload(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	b := startBaton(t, c.Servers(), set("log.level", "warn"))
	w := newWorkload(t, c.Leader, 8)
	w.start()
	w.await(t, 20)
	require.NotContains(t, b.log(), `"level":"info"`)

	set("log.level", "info")(b)
	set("apply.sessions", 3)(b)
	set("relay.segment_size", "8MiB")(b)
	said := b.reload()
	for _, part := range []string{"changed", "apply.sessions", "log.level", "next start", "relay.segment_size"} {
		require.Contains(t, said, part)
	}
	b.waitEvent("config-reloaded", "", "apply.sessions")
	require.Contains(t, b.log(), `"level":"info"`)

	require.NoError(t, os.WriteFile(b.file, []byte("cluster: shop\nstate_dirr: /x\ninstances: 3\n"), 0o600))
	said = b.hangup()
	require.Contains(t, said, "not reloaded")
	require.Contains(t, said, "state_dirr")
	w.await(t, 20)

	// The leader can't be taken out.
	b.config["instances"] = b.instances()[1:]
	b.config["leader"] = "db2"
	said = b.reload()
	require.Contains(t, said, "not reloaded")
	require.Contains(t, said, "db1")
	require.Equal(t, "db1", b.status().Leader)
	w.await(t, 20)
	converged(t, b, w, c.Leader, c.Followers...)
}
