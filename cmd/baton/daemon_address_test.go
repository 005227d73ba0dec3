package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/cmd/internal/admin"
)

func TestEveryVerbWithoutADaemonExitsWith3(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{
		"status", "status --watch", "pause db2", "resume db2", "skip db2 --yes --gtid " + uuid + ":1",
		"relay ls", "relay dump", "events", "events --follow", "pause failover", "resume failover",
		"switchover --yes", "switchover --dry-run", "failover --yes", "rejoin db1 --yes",
	} {
		require.Equal(t, exitNoDaemon, b.do(t, append(strings.Fields(line), "--socket", b.socket)...), line)
		require.Contains(t, b.err.String(), b.socket, line)
		require.Contains(t, b.err.String(), "baton run", line)
	}
	file := b.configFile(t)
	require.Equal(t, exitNoDaemon, b.do(t, "status", "--config", file))
	require.Contains(t, b.err.String(), b.socket)
	require.Contains(t, b.err.String(), "baton run --config "+file)
	require.NotContains(t, b.err.String(), "systemctl", "the unit runs files of another folder")

	b.configFolder = filepath.Dir(file)
	for _, line := range [][]string{{"status", "--config", file}, {"status"}} {
		require.Equal(t, exitNoDaemon, b.do(t, line...))
		require.Contains(t, b.err.String(), "systemctl start baton@shop,")
		require.Contains(t, b.err.String(), "journalctl -u baton@shop ")
	}
	status, _, err := b.root().Find([]string{"status"})
	require.NoError(t, err)
	frozen := &admin.NoDaemonError{Err: admin.ErrSilent}
	require.Contains(t, b.mendNoDaemon(status, frozen), "in its log")
	require.NoError(t, status.Flags().Set("config", file))
	require.Contains(t, b.mendNoDaemon(status, frozen), "systemctl restart baton@shop")
}

// A user who isn't in the group baton is told so.
func TestWhatMayNotBeReadSaysWhoMay(t *testing.T) {
	b := newBench(t)
	require.Contains(t, b.mendNoDaemon(&cobra.Command{}, &admin.NoDaemonError{Err: os.ErrPermission}), "in the group of that socket")
	file := b.configFile(t)
	require.NoError(t, os.Chmod(file, 0))
	runtime.LockOSThread() // for root may read everything: this thread is nobody to files
	defer runtime.UnlockOSThread()
	me, _, _ := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
	defer func() { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, me, 0, 0) }()
	for _, line := range [][]string{{"status", "--config", file}, {"check", "--config", file}, {"run", "--config", file}} {
		require.Equal(t, exitFailed, b.do(t, line...), line)
		require.Contains(t, b.err.String(), "permission denied", line)
		require.Contains(t, b.err.String(), "in the group baton", line)
	}
}
