package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/internal/history"
)

// patience bounds every wait for something that has to come by itself. What it waits for takes a second or two on a
// machine that has nothing else to do.
const patience = 90 * time.Second

// daemon is baton, as a process of its own, and what is known of it from outside.
type daemon struct {
	t        testing.TB
	config   map[string]any
	dir      string // of everything but the state
	stateDir string
	client   *http.Client

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	kills  int
}

func newDaemon(t testing.TB, dir, stateDir string) *daemon {
	d := &daemon{t: t, dir: dir, stateDir: stateDir}
	d.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", d.socket())
		}}}
	t.Cleanup(d.end)
	return d
}

func (d *daemon) socket() string  { return filepath.Join(d.dir, "admin.sock") }
func (d *daemon) file() string    { return filepath.Join(d.dir, "shop.yaml") }
func (d *daemon) logFile() string { return filepath.Join(d.dir, "log") }

// set sets a key of the configuration, such as "failover.mode", for the next start.
func (d *daemon) set(key string, value any) {
	in := d.config
	parts := strings.Split(key, ".")
	for _, part := range parts[:len(parts)-1] {
		if in[part] == nil {
			in[part] = map[string]any{}
		}
		in = in[part].(map[string]any)
	}
	in[parts[len(parts)-1]] = value
}

// launch starts the process, if it doesn't run.
func (d *daemon) launch() {
	if d.alive() {
		return
	}
	text, err := yaml.Marshal(d.config)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(d.file(), text, 0o600))
	path, err := program()
	require.NoError(d.t, err)
	cmd := exec.Command(path, "run", "--config", d.file())
	log, err := os.OpenFile(d.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(d.t, err)
	defer log.Close()
	cmd.Stderr = log
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0", "CHAOS_DIR="+d.dir)
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
	require.NoError(d.t, <-started)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cmd, d.exited = cmd, exited
}

// start starts the daemon and returns when it answers.
func (d *daemon) start() {
	d.t.Helper()
	d.launch()
	wait(d.t, "the daemon answers", func() (bool, string) {
		if !d.alive() {
			d.t.Fatalf("the daemon ended by itself: %s\n%s", d.cmd.ProcessState, d.logTail())
		}
		_, err := d.status()
		return err == nil, fmt.Sprint(err)
	})
}

func (d *daemon) alive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return false
	}
	select {
	case <-d.exited:
		return false
	default:
		return true
	}
}

// kill9 kills the daemon where it is.
func (d *daemon) kill9() {
	if d.alive() {
		_ = d.cmd.Process.Kill()
		<-d.exited
		d.kills++
	}
}

// freeze stops the daemon's process where it is, until thaw.
func (d *daemon) freeze() {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Signal(syscall.SIGSTOP))
}

func (d *daemon) thaw() {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Signal(syscall.SIGCONT))
}

// stop ends the daemon in order.
func (d *daemon) stop() {
	d.t.Helper()
	if !d.alive() {
		return
	}
	require.NoError(d.t, d.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.exited:
	case <-time.After(patience):
		_ = d.cmd.Process.Signal(syscall.SIGQUIT) // its log then says where it hangs
		<-d.exited
		d.t.Fatalf("the daemon doesn't end\n%s", d.logTail())
	}
	require.Equal(d.t, 0, d.cmd.ProcessState.ExitCode(), "the exit code of an orderly stop\n%s", d.logTail())
}

// end is the last of the daemon; a test that failed shows its log.
func (d *daemon) end() {
	d.kill9()
	d.sound()
	if d.t.Failed() {
		d.t.Logf("end of the daemon's log:\n%s", d.logTail())
		keep := filepath.Join(os.TempDir(), fmt.Sprintf("baton-chaos-%d.log", os.Getpid()))
		if text, err := os.ReadFile(d.logFile()); err == nil && os.WriteFile(keep, text, 0o600) == nil {
			d.t.Logf("the whole log is in %s", keep)
		}
	}
}

// sound fails the test if the daemon has met a race or a panic.
func (d *daemon) sound() {
	log, _ := os.ReadFile(d.logFile()) // there is none before the first start
	for _, sign := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if i := bytes.Index(log, []byte(sign)); i >= 0 {
			d.t.Errorf("the daemon's log says %q:\n%s", sign, log[i:min(len(log), i+4000)])
		}
	}
}

func (d *daemon) logTail() string {
	log, _ := os.ReadFile(d.logFile())
	return string(log[max(0, len(log)-12<<10):])
}

// events are the events since a moment, as the state directory has them: also those of a daemon that was killed.
func (d *daemon) events(since time.Time) []history.Event {
	f, err := os.Open(filepath.Join(d.stateDir, "events.jsonl"))
	if err != nil {
		return nil // none yet
	}
	defer f.Close()
	var all []history.Event
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e history.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil && !e.Time.Before(since) {
			all = append(all, e)
		}
	}
	return all
}

// event waits for an event since a moment that says something.
func (d *daemon) event(since time.Time, kind history.Kind, says string) history.Event {
	d.t.Helper()
	var found history.Event
	wait(d.t, fmt.Sprintf("an event %s says %q", kind, says), func() (bool, string) {
		var told []string
		for _, e := range d.events(since) {
			told = append(told, fmt.Sprintf("%s %s: %s", e.Kind, e.Instance, e.Message))
			if e.Kind == kind && strings.Contains(e.Message+" "+e.Mend, says) {
				found = e
				return true, ""
			}
		}
		return false, strings.Join(told, "\n")
	})
	return found
}

// leadership is what the daemon has written down of who leads.
func (d *daemon) leadership() (l failover.Leadership) {
	raw, err := os.ReadFile(filepath.Join(d.stateDir, "state.json"))
	if err == nil {
		_ = json.Unmarshal(raw, &l) // the file is replaced as a whole
	}
	return l
}

// atStep waits until a hand-over has come to a step, as it is written down, and says whether it has before ctx ended.
func (d *daemon) atStep(ctx context.Context, step failover.Step) bool {
	for ctx.Err() == nil {
		if h := d.leadership().HandOver; h != nil && h.Step == step {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// status is what the tests read of the daemon's status.
type status struct {
	Epoch      int64
	Leader     string
	Durability struct{ State string }
	Source     struct{ State, Error string }
	Relay      struct{ Durable, Error string }
	Instances  []instanceStatus
	Forecast   struct {
		Candidate string
		BlockedBy string `json:"blocked_by"`
	}
}

type instanceStatus struct {
	Name, Role, State, Error, Errant string
}

func (s status) instance(name string) instanceStatus {
	for _, i := range s.Instances {
		if i.Name == name {
			return i
		}
	}
	return instanceStatus{}
}

func (s status) String() string {
	text, _ := json.Marshal(s)
	return string(text)
}

func (d *daemon) status() (s status, err error) {
	err = d.ask(http.MethodGet, "/v1/status", &s)
	return s, err
}

func (d *daemon) ask(method, path string, into any) error {
	request, err := http.NewRequest(method, "http://baton"+path, nil)
	if err != nil {
		return err
	}
	answer, err := d.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var said bytes.Buffer
		_, _ = said.ReadFrom(answer.Body)
		return errors.New(strings.TrimSpace(said.String()))
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// await waits until the status is as wanted. The daemon runs.
func (d *daemon) await(what string, done func(status) bool) (s status) {
	d.t.Helper()
	wait(d.t, what, func() (bool, string) {
		if !d.alive() {
			d.t.Fatalf("wait until %s: the daemon ended by itself: %s\n%s", what, d.cmd.ProcessState, d.logTail())
		}
		now, err := d.status()
		if err != nil {
			return false, err.Error()
		}
		s = now
		return done(s), s.String()
	})
	return s
}

// wait polls until done; what done says beside is shown when it never is.
func wait(t testing.TB, what string, done func() (bool, string)) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ok, said := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("wait until %s: not within %s; last: %s", what, patience, said)
		}
	}
}

// switchover orders one, and returns what came of it.
func (d *daemon) switchover(to string) (r failover.Result, err error) {
	err = d.order("/v1/switchover?to="+to, &r)
	return r, err
}

// rewind has what a quarantined instance alone has undone, and the instance follow again.
func (d *daemon) rewind(instance string) error {
	return d.order("/v1/rejoin?rewind=true&instance="+instance, new(any))
}

// order has the daemon do something that it tells the steps of, and reads on to the result.
func (d *daemon) order(path string, result any) error {
	request, err := http.NewRequest(http.MethodPost, "http://baton"+path, nil)
	if err != nil {
		return err
	}
	patient := &http.Client{Timeout: patience, Transport: d.client.Transport}
	answer, err := patient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said := "nothing"
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		said = lines.Text()
		var line struct{ Result json.RawMessage }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}
		if line.Result != nil {
			return json.Unmarshal(line.Result, result)
		}
	}
	return errors.Join(fmt.Errorf("the daemon's last word: %s", said), lines.Err())
}
