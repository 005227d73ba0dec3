package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output keeps what is written, and calls act once a text has been. The demo waits meanwhile.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	after string
	act   func()
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.act != nil && strings.Contains(o.text.String(), o.after) {
		act := o.act
		o.act = nil
		act()
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// build makes a program of this module for the test.
func build(t *testing.T, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, pkg).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// stage is a temporary folder that everything of a demo goes into. Its name is short, for sockets are in it.
func stage(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "demo-test-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

// left lists the processes that have to do with a folder, and what a demo made in it.
func left(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	for pid, command := range processes(t, dir) {
		found = append(found, fmt.Sprintf("process %d: %s", pid, command))
	}
	// The harness's reservations of ports are for all its users, and stay.
	for _, pattern := range []string{"baton-demo-*", "mysqltest-[0-9]*"} {
		folders, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		found = append(found, folders...)
	}
	return found
}

// processes are the command lines that mention a folder.
func processes(t *testing.T, dir string) map[int]string {
	t.Helper()
	found := map[int]string{}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range lines {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte(dir)) {
			continue // it has ended meanwhile, or isn't ours
		}
		pid, err := strconv.Atoi(strings.Split(file, "/")[2])
		require.NoError(t, err)
		found[pid] = string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
	}
	return found
}

func TestAllServersHoldTheSameAtTheEndAndNothingIsLeft(t *testing.T) {
	dir, out := stage(t), &output{}
	code := execute(t.Context(), []string{"-seconds", "3", "-baton", build(t, "../../cmd/baton")}, terminal{out: out})
	require.Equal(t, exitDone, code, out)
	require.Len(t, regexp.MustCompile(`(?m)^  \w+ +[\d,]+( +\d+){3}   identical$`).FindAllString(out.String(), -1), 9, out)
	require.Contains(t, out.String(), "All three servers hold the same")
	require.Contains(t, out.String(), "all of them on all servers")
	require.NotContains(t, out.String(), "\x1b", "there is no terminal")
	require.Empty(t, left(t, dir))
}

func TestInterruptedItLeavesNothing(t *testing.T) {
	baton := build(t, "../../cmd/baton")
	for _, when := range []string{"starting a leader", "kill -9 of baton itself", "keep running until Ctrl-C"} {
		t.Run(when, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			dir, out := stage(t), &output{after: when, act: func() { cancel(errInterrupted) }}
			code := execute(ctx, []string{"-seconds", "1", "-keep", "-baton", baton}, terminal{out: out})
			last := "interrupted: servers, daemon and folders are gone\n"
			if strings.HasPrefix(when, "keep") {
				require.Equal(t, exitDone, code, out)
				last = "\nservers, daemon and folders are gone\n"
			} else {
				require.Equal(t, exitInterrupted, code, out)
			}
			require.True(t, strings.HasSuffix(out.String(), last), out)
			require.Empty(t, left(t, dir))
		})
	}
}

func TestADaemonThatEndsFailsTheDemo(t *testing.T) {
	dir := stage(t)
	out := &output{after: "the shop is open", act: func() {
		for pid, command := range processes(t, dir) {
			if strings.Contains(command, " run --config ") {
				require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
			}
		}
	}}
	code := execute(t.Context(), []string{"-seconds", "60", "-baton", build(t, "../../cmd/baton")}, terminal{out: out})
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out.String(), "the demo failed: baton ended: ")
	require.Contains(t, out.String(), "daemon-started", "the log is shown")
	require.Empty(t, left(t, dir))
}

func TestARowThatIsMissingOnAFollowerFailsTheDemo(t *testing.T) {
	dir := stage(t)
	var deleted error
	out := &output{after: "they do, ", act: func() { deleted = deleteOnFollower(dir) }}
	code := execute(t.Context(), []string{"-seconds", "1", "-baton", build(t, "../../cmd/baton")}, terminal{out: out})
	require.NoError(t, deleted)
	require.Equal(t, exitFailed, code, out)
	require.Regexp(t, `page_views .* DIFFERENT`, out.String())
	require.Contains(t, out.String(), "the demo failed: the servers differ: table `shop`.`page_views` differs")
	require.Empty(t, left(t, dir))
}

func deleteOnFollower(dir string) error {
	sockets, err := filepath.Glob(filepath.Join(dir, "*", "follower1-*", "mysqld.sock"))
	if err != nil || len(sockets) != 1 {
		return fmt.Errorf("find the socket of follower1: %v, %w", sockets, err)
	}
	db, err := sql.Open("mysql", "root@unix("+sockets[0]+")/shop?multiStatements=true")
	if err != nil {
		return err
	}
	_, err = db.Exec("SET sql_log_bin = 0; DELETE FROM page_views LIMIT 1")
	return errors.Join(err, db.Close())
}

func TestKilledItLeavesNothing(t *testing.T) {
	baton, demo := build(t, "../../cmd/baton"), build(t, ".")
	dir := stage(t)
	cmd := exec.CommandContext(t.Context(), demo, "-seconds", "60", "-baton", baton)
	out := &output{after: "the shop is open", act: func() { _ = cmd.Process.Kill() }}
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	require.Error(t, cmd.Run(), "it was killed")
	require.Contains(t, out.String(), "the shop is open")
	require.Eventually(t, func() bool { return len(left(t, dir)) == 0 }, time.Minute, 50*time.Millisecond, "%v", out)
}

func TestAWrongCommandLineIsSaidAndNothingIsDone(t *testing.T) {
	for _, args := range [][]string{{"-seconds", "0"}, {"-seconds", "NaN"}, {"now"}, {"-unknown"}} {
		out := &output{}
		require.Equal(t, exitUsage, execute(t.Context(), args, terminal{out: out}), out)
		require.NotEmpty(t, out.String())
	}
	out := &output{}
	require.Equal(t, exitFailed, execute(t.Context(), []string{"-baton", filepath.Join(t.TempDir(), "none")}, terminal{out: out}))
	require.Contains(t, out.String(), "make build")
}
