package failover

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var facts = HookFacts{Hook: "fence", Kind: Failover, OldLeader: "db1", OldAddress: "h1:3306", NewLeader: "db2", NewAddress: "h2:3306",
	Epoch: 7, Reason: "it is dead; \"really\"\nso"}

func shell(script string) Hook {
	return Hook{Command: []string{"sh", "-c", script}, Timeout: time.Minute}
}

func TestAHookIsToldTheFactsTwice(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run(t.Context(), []Hook{shell("cat >" + dir + "/stdin; env >" + dir + "/env")}, facts))
	input, err := os.ReadFile(filepath.Join(dir, "stdin"))
	require.NoError(t, err)
	var told HookFacts
	require.NoError(t, json.Unmarshal(input, &told))
	require.Equal(t, facts, told)
	environment, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err)
	for _, line := range []string{
		"BATON_HOOK=fence", "BATON_KIND=failover", "BATON_OLD_LEADER=db1", "BATON_OLD_ADDRESS=h1:3306",
		"BATON_NEW_LEADER=db2", "BATON_NEW_ADDRESS=h2:3306", "BATON_EPOCH=7", "BATON_REASON=it is dead; \"really\"\nso", "PATH=",
	} {
		require.Contains(t, string(environment), line)
	}
}

func TestHooksRunOneAfterTheOtherUntilOneFails(t *testing.T) {
	dir := t.TempDir()
	err := run(t.Context(), []Hook{
		shell("echo first >>" + dir + "/ran"),
		shell("echo second >>" + dir + "/ran; echo not today; seq 10000 >&2; echo the end; exit 3"),
		shell("echo third >>" + dir + "/ran"),
	}, facts)
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "hook fence")
	require.True(t, strings.HasSuffix(err.Error(), "9999\n10000\nthe end"), "the end of what it printed is told")
	require.Less(t, len(err.Error()), 3<<10)
	ran, err := os.ReadFile(filepath.Join(dir, "ran"))
	require.NoError(t, err)
	require.Equal(t, "first\nsecond\n", string(ran))
	require.ErrorContains(t, run(t.Context(), []Hook{{Command: []string{"/nowhere/fence"}, Timeout: time.Minute}}, facts), "/nowhere/fence")
}

func TestAHookThatTakesTooLongIsKilled(t *testing.T) {
	hook := shell("sleep 600 & echo $!; wait")
	hook.Timeout = time.Second
	err := run(t.Context(), []Hook{hook}, facts)
	require.ErrorContains(t, err, "killed after 1s: ")
	child, convErr := strconv.Atoi(err.Error()[strings.LastIndex(err.Error(), " ")+1:])
	require.NoError(t, convErr)
	gone := func() bool { return errors.Is(syscall.Kill(child, 0), syscall.ESRCH) || zombie(t, child) }
	require.Eventually(t, gone, time.Minute, time.Millisecond, "with what it has started")

	// What left its group and keeps its output open is not waited for.
	hook = shell("setsid sleep 20 & sleep 600")
	hook.Timeout = 300 * time.Millisecond
	require.ErrorContains(t, run(t.Context(), []Hook{hook}, facts), "killed after 300ms")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, run(ctx, []Hook{shell("sleep 600")}, facts), "nor does it outlive the daemon's stop")
}

// zombie tells whether a process has ended and nobody has waited for it.
func zombie(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && strings.Contains(string(status), ") Z ")
}
