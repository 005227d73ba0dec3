package main

import (
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
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
)

// stopTimeout bounds how long the daemon may take to stop in order.
const stopTimeout = 30 * time.Second

// patience is how long baton may say that something is wrong before it is believed to last.
const patience = 10 * time.Second

// daemon is `baton run` as a process of its own.
type daemon struct {
	binary string
	config string // path of the YAML file
	socket string // of its admin API
	log    string // path of what it writes to standard error

	process  *exec.Cmd
	exited   chan struct{} // closed when the process is gone
	troubled time.Time     // since when; zero while it isn't
}

// instance is a server as the configuration names it.
type instance struct {
	Name    string `yaml:"name"`
	Address string `yaml:"address"`
}

// newDaemon writes a configuration into a folder. The first of the instances leads. What settings holds is added.
func newDaemon(binary, dir string, settings map[string]any, instances ...instance) (*daemon, error) {
	d := &daemon{
		binary: binary, config: filepath.Join(dir, "baton.yaml"), socket: filepath.Join(dir, "baton.sock"), log: filepath.Join(dir, "baton.log"),
	}
	config := map[string]any{
		"cluster": "bench", "state_dir": filepath.Join(dir, "state"), "leader": instances[0].Name, "instances": instances,
		// As the connection of a native replica is by default.
		"mysql": map[string]any{"user": mysqltest.User, "password": mysqltest.Password, "tls": map[string]any{"mode": "disabled"}},
		// The native replicas have no semi-sync either.
		"durability": map[string]any{"mode": "async"},
		"failover":   map[string]any{"mode": "manual"},
		"admin":      map[string]any{"socket": d.socket},
	}
	for key, value := range settings {
		config[key] = value
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return nil, err
	}
	return d, os.WriteFile(d.config, text, 0o600)
}

// start starts the process, in a process group of its own: a Ctrl-C in the terminal is for the bench.
func (d *daemon) start(context.Context) error {
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p := exec.Command(d.binary, "run", "--config", d.config)
	p.Stdout, p.Stderr = log, log
	// The kernel ends it should the bench be killed.
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, exited := make(chan error), make(chan struct{})
	go func() {
		// That signal comes when the thread which started the process ends: it has to live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.Start()
		started <- err
		if err == nil {
			_ = p.Wait() // how it ended is in ProcessState
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start baton: %w (make build builds it)", err)
	}
	d.process, d.exited = p, exited
	return nil
}

// stop ends the process in order and waits until it is gone. It may be called twice, and before start.
func (d *daemon) stop() error {
	if d.process == nil {
		return nil
	}
	if err := d.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop baton: %w", err)
	}
	select {
	case <-d.exited:
		return nil
	case <-time.After(stopTimeout):
		_ = d.process.Process.Kill()
		<-d.exited
		return fmt.Errorf("baton was still running %s after SIGTERM", stopTimeout)
	}
}

func (d *daemon) pid() int { return d.process.Process.Pid }

func (d *daemon) pids() []int { return []int{d.pid()} }

// used is what the process has used since it started: CPU seconds and its largest resident size.
func (d *daemon) used() (cpu float64, peak int64, err error) {
	if cpu, err = cpuSeconds(d.pid()); err != nil {
		return 0, 0, err
	}
	peak, err = peakMemory(d.pid())
	return cpu, peak, err
}

// died is the error of a process that has ended; nil while it runs.
func (d *daemon) died() error {
	select {
	case <-d.exited:
		return fmt.Errorf("baton ended: %s; the end of its log:\n%s", d.process.ProcessState, d.lastLines())
	default:
		return nil
	}
}

// trouble is why the daemon will not go on by itself; nil while it does. What it says while it looks at the instances
// passes.
func (d *daemon) trouble(ctx context.Context) error {
	if err := d.died(); err != nil {
		return err
	}
	said := d.complaint(ctx)
	switch {
	case said == nil:
		d.troubled = time.Time{}
	case d.troubled.IsZero():
		d.troubled = time.Now()
	case time.Since(d.troubled) > patience:
		return said
	}
	return nil
}

// complaint is what the status says to be wrong now.
func (d *daemon) complaint(ctx context.Context) error {
	s, err := d.status(ctx)
	if err != nil {
		return nil // it may be starting still; whoever waits has a limit
	}
	if s.Source.State == "stopped" {
		return fmt.Errorf("baton does not read the leader: %s", s.Source.Error)
	}
	for _, i := range s.Instances {
		if i.State == "stopped" || i.State == "quarantined" || i.State == "needs-seed" {
			return fmt.Errorf("baton does not apply to %s, which is %s: %s", i.Name, i.State, i.Error)
		}
	}
	return nil
}

// status is what the bench reads of the daemon's status.
type status struct {
	Source    struct{ State, Error string }
	Relay     struct{ Durable *gtid.Set }
	Instances []struct{ Name, State, Error string }
}

// status asks the daemon, as `baton status` does.
func (d *daemon) status(ctx context.Context) (*status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://baton/v1/status", nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask baton for its status: %s", answer.Status)
	}
	var s status
	if err := json.NewDecoder(answer.Body).Decode(&s); err != nil {
		return nil, fmt.Errorf("read baton's status: %w", err)
	}
	return &s, nil
}

// lastLines is the end of the log.
func (d *daemon) lastLines() string {
	const most = 15
	text, _ := os.ReadFile(d.log) // none: it wrote none
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-most):], "\n  ")
}

// revisionOf is the revision that the program was built from; empty if it doesn't know.
func revisionOf(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "version", "-o", "json").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	var build struct{ Revision string }
	if err := json.Unmarshal(out, &build); err != nil {
		return "", fmt.Errorf("read the version that %s says: %w", binary, err)
	}
	return build.Revision, nil
}
