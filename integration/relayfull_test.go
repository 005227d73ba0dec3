package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// onSmallDisk gives the state directory a file system of its own, which ends with the daemon: it is mounted in a mount
// namespace of the daemon's, which takes no rights beyond those of a user namespace where the tests don't run as root.
func onSmallDisk(megabytes int) option {
	return func(b *baton) {
		b.wrap = []string{"unshare", "--mount"}
		if os.Geteuid() != 0 {
			b.wrap = append(b.wrap, "--map-root-user")
		}
		b.wrap = append(b.wrap, "sh", "-c", fmt.Sprintf(`mkdir -p "$0" && mount -t tmpfs -o size=%dm tmpfs "$0" && exec "$@"`, megabytes), b.stateDir)
	}
}

// disk is the state directory as the daemon sees it.
func (b *baton) disk() string { return fmt.Sprintf("/proc/%d/root%s", b.pid(), b.stateDir) }

// fill leaves no byte free on the daemon's disk, and returns what frees it.
func (b *baton) fill() (free func()) {
	b.t.Helper()
	path := filepath.Join(b.disk(), "filler")
	f, err := os.Create(path)
	require.NoError(b.t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		_, err := f.Write(bytes.Repeat([]byte{1}, size))
		if errors.Is(err, syscall.ENOSPC) {
			size /= 2
			continue
		}
		require.NoError(b.t, err)
	}
	return func() { require.NoError(b.t, os.Remove(path)) }
}

// busy is the number of clients that wait for the leader. Of a group of commits only one is seen to wait for the
// acknowledgement.
func busy(t testing.TB, leader *mysqltest.Server) string {
	t.Helper()
	return leader.Value(t, "SELECT COUNT(*) FROM performance_schema.processlist WHERE user = 'root' AND command = 'Query' AND id <> CONNECTION_ID()")
}

func TestRelayDiskFullAndFreed(t *testing.T) {
	t.Parallel()
	c := protectedCluster(t, 2)
	b := startBaton(t, c.Servers(), onSmallDisk(256), set("durability.mode", "strict"),
		set("relay.retention", "1h")) // else it frees space by itself
	w := newWorkload(t, c.Leader, 3)
	for range 2 {
		w.start()
		w.await(t, 100)
		require.NoError(t, c.Followers[0].Stop(t.Context()))
		w.await(t, 100)
		free := b.fill()
		full := b.waitStatus("the relay is known to have failed", func(s state) bool { return s.Relay.Error != "" && s.Source.State == "stopped" })
		require.Contains(t, full.Relay.Error, "no space left on device")
		require.Contains(t, full.Relay.Mend, "free space")
		require.Contains(t, full.Source.Mend, "free space")
		said := b.waitEvent("source-stopped", "db1", "no space left on device")
		require.Contains(t, said.Mend, "free space")
		require.Contains(t, b.log(), "no space left on device")

		b.wait("every client waits", func() (bool, string) { n := busy(t, c.Leader); return n == fmt.Sprint(clients), n })
		w.stop()
		require.NoError(t, c.Followers[0].Restart(t.Context()))
		// Read after the last client was answered, so that it has all that was acknowledged.
		still := b.waitStatus("the relay still fails", func(s state) bool { return s.Relay.Error != "" })
		for _, f := range c.Followers {
			mysqltest.WaitGTID(t, f, still.Relay.Durable, patience)
			w.requireAcknowledged(t, f)
		}

		free()
		w.start()
		w.await(t, 100)
		require.Empty(t, b.waitStatus("the relay is well", func(s state) bool { return s.Relay.Error == "" && s.Source.State == "connected" }).Relay.Mend)
		converged(t, b, w, c.Leader, c.Followers...)
	}
	// A stop doesn't wait for room. What of the history has none then stands in the log only, which is an error.
	w.start()
	w.await(t, 20)
	b.fill()
	b.waitStatus("the relay is known to have failed", func(s state) bool { return s.Relay.Error != "" })
	b.signal(syscall.SIGTERM)
	b.exitWithin(stopTimeout)
	require.Contains(t, b.log(), "stopped in order")
}
