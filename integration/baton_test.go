package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/batondb/baton/integration/mysqltest"
)

// patience bounds every wait for something that has to come by itself.
const patience = 90 * time.Second

// poll is how often it is looked for.
const poll = 50 * time.Millisecond

// baton is the daemon of one cluster: the program itself, run as a process of its own, and what asks it.
type baton struct {
	t        testing.TB
	config   map[string]any
	file     string // the configuration
	stateDir string
	socket   string
	logFile  string // what every run of the daemon has written to standard error
	// wrap is put before the program's command line, to run it under a limit.
	wrap []string
	// env is added to the environment of the program, of its verbs too.
	env []string

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// option changes the configuration before the daemon is started.
type option func(*baton)

// set sets a key of the configuration, such as "relay.max_size".
func set(key string, value any) option {
	return func(b *baton) {
		in := b.config
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			if in[part] == nil {
				in[part] = map[string]any{}
			}
			in = in[part].(map[string]any)
		}
		in[parts[len(parts)-1]] = value
	}
}

// stateIn puts the state directory elsewhere.
func stateIn(dir string) option {
	return func(b *baton) {
		b.stateDir = dir
		b.config["state_dir"] = dir
	}
}

// at has the daemon reach a server by another address: a proxy's.
func at(server int, address string) option {
	return func(b *baton) { b.instances()[server]["address"] = address }
}

// batonFor is a daemon that is not started yet, for servers the first of which leads: db1, db2, …
func batonFor(t testing.TB, servers []*mysqltest.Server, opts ...option) *baton {
	t.Helper()
	dir, err := os.MkdirTemp("", "baton-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &baton{
		t: t, file: filepath.Join(dir, "shop.yaml"), stateDir: filepath.Join(dir, "state"),
		socket: filepath.Join(dir, "admin.sock"), logFile: filepath.Join(dir, "log"),
	}
	b.config = map[string]any{
		"cluster": "shop", "state_dir": b.stateDir, "leader": "db1",
		"mysql":    map[string]any{"user": mysqltest.User, "password": mysqltest.Password},
		"admin":    map[string]any{"socket": b.socket},
		"failover": map[string]any{"mode": "manual", "interval": "100ms", "timeout": "500ms"},
		// Small, so that segments end and large transactions go by the disk.
		"relay": map[string]any{"segment_size": "4MiB", "memory": "8MiB", "retention": "0s"},
		"log":   map[string]any{"format": "json", "level": "info"},
	}
	var instances []map[string]any
	for i, s := range servers {
		instances = append(instances, map[string]any{"name": name(i), "address": s.Addr()})
	}
	b.config["instances"] = instances
	for _, o := range opts {
		o(b)
	}
	return b
}

// startBaton starts a daemon for the servers, the first of which leads, and returns when it answers.
func startBaton(t testing.TB, servers []*mysqltest.Server, opts ...option) *baton {
	t.Helper()
	b := batonFor(t, servers, opts...)
	b.start()
	return b
}

// name is an instance's name in the configuration.
func name(i int) string { return fmt.Sprint("db", i+1) }

func (b *baton) instances() []map[string]any { return b.config["instances"].([]map[string]any) }

func (b *baton) writeConfig() {
	b.t.Helper()
	text, err := yaml.Marshal(b.config)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(b.file, text, 0o600))
}

// environment has a race end the program at once, and the program's end wait for nothing.
func environment() []string {
	return append(os.Environ(), "GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0")
}

// start starts the daemon and returns when it answers.
func (b *baton) start() {
	b.t.Helper()
	b.launch()
	b.wait("the daemon answers", func() (bool, string) {
		_, err := b.get("/v1/status")
		return err == nil, fmt.Sprint(err)
	})
}

// launch starts the daemon's process.
func (b *baton) launch() {
	b.t.Helper()
	b.writeConfig()
	path, err := program()
	require.NoError(b.t, err)
	line := append(slices.Clone(b.wrap), path, "run", "--config", b.file)
	cmd := exec.Command(line[0], line[1:]...)
	log, err := os.OpenFile(b.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(b.t, err)
	defer log.Close()
	cmd.Stderr = log
	cmd.Env = append(environment(), b.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	exited, started := make(chan struct{}), make(chan error)
	go func() {
		// Pdeathsig is sent when the thread ends that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // ProcessState tells
			close(exited)
		}
	}()
	require.NoError(b.t, <-started)
	b.mu.Lock()
	first := b.cmd == nil
	b.cmd, b.exited = cmd, exited
	b.mu.Unlock()
	if first {
		b.t.Cleanup(b.end)
	}
}

// end is the last of the daemon; a test that failed shows its log.
func (b *baton) end() {
	if b.alive() {
		if b.t.Failed() {
			stdout, stderr, _ := b.run("status")
			b.t.Logf("the daemon's last status:\n%s%s", stdout, stderr)
		}
		b.signal(syscall.SIGKILL)
		<-b.exited
	}
	log := b.log()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") {
		b.t.Errorf("the daemon met a race or a panic")
	}
	if b.t.Failed() {
		const most = 12 << 10
		b.t.Logf("end of the daemon's log:\n%s", log[max(0, len(log)-most):])
	}
}

func (b *baton) log() string {
	text, _ := os.ReadFile(b.logFile) // there is none before the first start
	return string(text)
}

func (b *baton) alive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return false
	}
	select {
	case <-b.exited:
		return false
	default:
		return true
	}
}

func (b *baton) pid() int { return b.cmd.Process.Pid }

func (b *baton) signal(s syscall.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		b.t.Errorf("send %s to the daemon: %v", s, err)
	}
}

// kill9 kills the daemon where it is.
func (b *baton) kill9() {
	b.t.Helper()
	if !b.alive() {
		b.t.Fatalf("the daemon ended by itself: %s", b.cmd.ProcessState)
	}
	b.signal(syscall.SIGKILL)
	<-b.exited
}

// stop ends the daemon in order, which has to succeed.
func (b *baton) stop() {
	b.t.Helper()
	require.True(b.t, b.alive(), "the daemon ended by itself")
	b.signal(syscall.SIGTERM)
	require.Equal(b.t, 0, b.exitWithin(stopTimeout), "the exit code of an orderly stop")
}

// exitCode waits until the daemon has ended.
func (b *baton) exitCode() int {
	b.t.Helper()
	return b.exitWithin(patience)
}

func (b *baton) exitWithin(most time.Duration) int {
	b.t.Helper()
	select {
	case <-b.exited:
	case <-time.After(most):
		before := len(b.log())
		b.signal(syscall.SIGQUIT)
		<-b.exited
		b.t.Fatalf("the daemon doesn't end; it hangs here:\n%s", b.log()[before:])
	}
	return b.cmd.ProcessState.ExitCode()
}

// restart kills the daemon and starts it again.
func (b *baton) restart() {
	b.t.Helper()
	b.kill9()
	b.start()
}

// reload has the daemon read the configuration as it stands now, and waits until it has said what came of it.
func (b *baton) reload() (said string) {
	b.t.Helper()
	b.writeConfig()
	return b.hangup()
}

func (b *baton) hangup() (said string) {
	b.t.Helper()
	before := len(b.log())
	b.signal(syscall.SIGHUP)
	b.wait("the daemon has reloaded", func() (bool, string) {
		for line := range strings.Lines(b.log()[before:]) {
			if strings.Contains(line, "configuration was") {
				said = line
			}
		}
		return said != "", b.log()[before:]
	})
	return said
}

// run runs a verb that asks the daemon.
func (b *baton) run(verb ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	return b.command(append(verb, "--socket", b.socket)...)
}

// check runs `baton check`.
func (b *baton) check() (stdout, stderr string, code int) {
	b.t.Helper()
	b.writeConfig()
	return b.command("check", "--config", b.file)
}

func (b *baton) command(args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	path, err := program()
	require.NoError(b.t, err)
	cmd := exec.Command(path, args...)
	cmd.Env = append(environment(), b.env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(b.t, err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// must runs a verb that has to succeed.
func (b *baton) must(verb ...string) string {
	b.t.Helper()
	stdout, stderr, code := b.run(verb...)
	require.Equal(b.t, 0, code, "baton %v: %s", verb, stderr)
	return stdout
}

// wait polls until done; what done says beside is shown when it never is. A daemon that ended by itself fails the test.
func (b *baton) wait(what string, done func() (bool, string)) {
	b.t.Helper()
	b.waitFor(what, patience, done)
}

// waitFor is wait with a patience of its own.
func (b *baton) waitFor(what string, patience time.Duration, done func() (bool, string)) {
	b.t.Helper()
	var said string
	for deadline := time.Now().Add(patience); ; {
		ok, now := done()
		if ok {
			return
		}
		said = now
		if !b.alive() {
			b.t.Fatalf("wait until %s: the daemon ended by itself: %s; %s", what, b.cmd.ProcessState, said)
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("wait until %s: not within %s; last: %s", what, patience, said)
		}
		time.Sleep(poll)
	}
}
