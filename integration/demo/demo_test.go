package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "demo-test-programs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// programs is a folder for what tests build.
var programs string

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

// baton builds the program to show, once.
var baton = sync.OnceValues(func() (string, error) { return build("../../cmd/baton") })

// build makes a program of this module.
func build(pkg string) (string, error) {
	program := filepath.Join(programs, "program-"+filepath.Base(pkg))
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return program, nil
}

// staged is a demo in a folder of its own, which everything of it goes into.
func staged(t *testing.T, load time.Duration, out *output) (d *demo, dir string) {
	t.Helper()
	program, err := baton()
	require.NoError(t, err)
	dir = stage(t)
	return newDemo(options{load: load, baton: program, parent: dir}, newScreen(terminal{out: out})), dir
}

// stage is a temporary folder that everything of a demo goes into. Its name is short, for sockets are in it.
func stage(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "demo-test-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
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

func TestEverythingHappensAllServersHoldTheSameAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	out := &output{after: "keep running until Ctrl-C", act: func() { cancel(errInterrupted) }}
	d, dir := staged(t, 2*time.Second, out)
	d.keep = true
	require.Equal(t, exitDone, d.performed(ctx), out)
	for _, happened := range []string{
		"ALTER TABLE orders", "db3 had all of them", "transactions acknowledged meanwhile: 0", "commits return",
		`db[23] leads. After the kill: cut .*, writable \d+\.\d\d s\n`, "fenced: read_only=1, .*an order there gets error 1290",
		"db1 follows db[23]", `db1 leads again: hold clients .* freeze .* writable \d+\.\d\d s\n`, "no order could be placed for", `no customer\n +saw an error`, "the shop is open, at baton's endpoints",
		"All three servers hold the same", "acknowledged, each of them once on all servers, and no other; every commit waited",
		"\nservers, daemon and folders are gone\n$",
	} {
		require.Regexp(t, happened, out.String())
	}
	require.Len(t, regexp.MustCompile(`(?m)^  \w+ +[\d,]+( +\d+){3}   identical$`).FindAllString(out.String(), -1), 9, out)
	require.NotContains(t, out.String(), "\x1b", "there is no terminal")
	require.Empty(t, left(t, dir))
}

func TestInterruptedItLeavesNothing(t *testing.T) {
	for _, when := range []string{"starting 3 servers", "kill -9 of db1"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			out := &output{after: when, act: func() { cancel(errInterrupted) }}
			d, dir := staged(t, time.Second, out)
			d.acts = []act{d.startServers, d.startDaemon, d.openShop, func(ctx context.Context) error {
				return d.openFor(ctx, happening{0, d.killLeader})
			}}
			require.Equal(t, exitInterrupted, d.performed(ctx), out)
			require.True(t, strings.HasSuffix(out.String(), "interrupted: servers, daemon and folders are gone\n"), out)
			require.Empty(t, left(t, dir))
		})
	}
}

func TestWhatIsWrongIsFoundAndFailsTheDemo(t *testing.T) {
	t.Parallel()
	out := &output{}
	d, dir := staged(t, time.Second/2, out)
	d.acts = []act{d.startServers, d.startDaemon, d.openShop,
		func(ctx context.Context) error { return d.openFor(ctx) },
		func(ctx context.Context) error { return d.findsWrongOrders(ctx) },
		func(ctx context.Context) error { return d.findsAMissingRow(ctx) },
		func(ctx context.Context) error {
			process, _ := d.daemon.current()
			if err := process.Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}}
	require.Equal(t, exitFailed, d.performed(t.Context()), out)
	require.Contains(t, out.String(), "the demo failed: baton ended: ")
	require.Contains(t, out.String(), "daemon-started", "the log is shown")
	require.Empty(t, left(t, dir))
}

// findsWrongOrders fails unless an order that is lost, changed, or there without anybody's knowledge is found.
func (d *demo) findsWrongOrders(ctx context.Context) error {
	acknowledged := d.load.stop()
	if len(acknowledged) < 2 {
		return fmt.Errorf("only %d orders were placed", len(acknowledged))
	}
	if err := findOrders(ctx, d.leader, acknowledged); err != nil {
		return err
	}
	lost := append(slices.Clone(acknowledged), order{reference: "R-lost", id: 1 << 40, cents: []int{100}})
	changed := slices.Clone(acknowledged)
	changed[0].cents = []int{1}
	for want, orders := range map[string][]order{
		`R-lost was acknowledged as no 1099511627776 of 1.00, and [] is there`: lost,
		"was acknowledged as": changed, "was never acknowledged": acknowledged[1:],
	} {
		if err := findOrders(ctx, d.leader, orders); err == nil || !strings.Contains(err.Error(), want) {
			return fmt.Errorf("not found: %s; but %w", want, err)
		}
	}
	return nil
}

// findsAMissingRow deletes one on a follower, unlogged, and fails unless the proof fails by it.
func (d *demo) findsAMissingRow(ctx context.Context) error {
	f := d.followers()[0]
	if err := d.caughtUp(ctx, f); err != nil {
		return err
	}
	if err := f.ExecUnlogged(ctx, "DELETE FROM shop.page_views LIMIT 1"); err != nil {
		return err
	}
	if err := d.prove(ctx); err == nil || !strings.Contains(err.Error(), "the servers differ: table `shop`.`page_views` differs") {
		return fmt.Errorf("the missing row was not found, but: %w", err)
	}
	return nil
}

func TestKilledItLeavesNothing(t *testing.T) {
	t.Parallel()
	program, err := baton()
	require.NoError(t, err)
	demo, err := build(".")
	require.NoError(t, err)
	dir := stage(t)
	cmd := exec.CommandContext(t.Context(), demo, "-seconds", "60", "-baton", program)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
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
