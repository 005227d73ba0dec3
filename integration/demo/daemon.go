package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
)

// stopTimeout bounds how long the daemon may take to stop in order.
const stopTimeout = 20 * time.Second

// daemon is `baton run` as a process of its own, with the configuration that it was given.
type daemon struct {
	binary string
	config string // path of the YAML file
	socket string // of its admin API
	page   string // address of its status page
	log    string // path of what it writes to standard error
	// Where clients are led to the leader, and to followers.
	leader, followers string
	releases          []func() // of these addresses

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan struct{} // closed when the process is gone and has been waited for
}

// newDaemon writes the configuration of the cluster into a folder.
func newDaemon(binary, dir string, servers []*mysqltest.Server, leader *mysqltest.Server) (*daemon, error) {
	d := &daemon{
		binary: binary, config: filepath.Join(dir, "shop.yaml"), socket: filepath.Join(dir, "baton.sock"), log: filepath.Join(dir, "baton.log"),
	}
	for _, address := range []*string{&d.page, &d.leader, &d.followers} {
		reserved, release, err := mysqltest.ReserveAddress()
		if err != nil {
			d.free()
			return nil, err
		}
		*address, d.releases = reserved, append(d.releases, release)
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(mysqltest.Password+"\n"), 0o600); err != nil {
		return nil, err
	}
	var y strings.Builder
	fmt.Fprintf(&y, "cluster: shop\nstate_dir: %q\n", filepath.Join(dir, "state"))
	fmt.Fprintf(&y, "mysql: {user: %s, password_file: %q}\n", mysqltest.User, password)
	y.WriteString("instances:\n")
	for _, s := range servers {
		fmt.Fprintf(&y, "  - {name: %s, address: %q}\n", s.Name, s.Addr())
	}
	fmt.Fprintf(&y, "leader: %s\n", leader.Name)
	fmt.Fprintf(&y, "failover: {cooldown: %s}\n", cooldown)
	y.WriteString("relay: {segment_size: 16MiB}\n")
	fmt.Fprintf(&y, "endpoints:\n  - {listen: %q, route: leader}\n  - {listen: %q, route: followers}\n", d.leader, d.followers)
	fmt.Fprintf(&y, "admin: {socket: %q, http: %q}\n", d.socket, d.page)
	return d, os.WriteFile(d.config, []byte(y.String()), 0o600)
}

// free releases the addresses that the daemon listens on.
func (d *daemon) free() {
	for _, release := range d.releases {
		release()
	}
}

// check runs `baton check` and returns its last line, which sums up.
func (d *daemon) check(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, d.binary, "check", "--config", d.config).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("baton check: %w\n%s", err, out)
	}
	return lastLine(string(out)), nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// order gives an order by a verb of the binary, as an operator does in a script, and returns what that prints.
func (d *daemon) order(ctx context.Context, verb string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, d.binary, append([]string{verb, "--config", d.config, "--yes"}, args...)...)
	// A Ctrl-C in the terminal is for the demo.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("baton %s %s: %w\n%s", verb, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}

// start starts the process, which gets a process group of its own: a Ctrl-C in the terminal is for the demo, which
// stops things in order.
func (d *daemon) start() error {
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p := exec.Command(d.binary, "run", "--config", d.config)
	p.Stdout, p.Stderr = log, log
	// The kernel ends it should the demo be killed.
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
		return fmt.Errorf("start baton: %w", err)
	}
	d.mu.Lock()
	d.process, d.exited = p, exited
	d.mu.Unlock()
	return nil
}

func (d *daemon) current() (*exec.Cmd, chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.process, d.exited
}

// end sends a signal and waits until the process is gone; none is no error.
func (d *daemon) end(sig syscall.Signal) error {
	p, exited := d.current()
	if p == nil {
		return nil
	}
	if err := p.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to baton: %w", sig, err)
	}
	select {
	case <-exited:
		return nil
	case <-time.After(stopTimeout):
		_ = p.Process.Kill()
		<-exited
		return fmt.Errorf("baton was still running %s after %s", stopTimeout, sig)
	}
}

// died is the error of a process that has ended, with the end of its log; nil while it runs.
func (d *daemon) died() error {
	p, exited := d.current()
	select {
	case <-exited:
		return fmt.Errorf("baton ended: %s; the end of its log:\n%s", p.ProcessState, d.lastLines(15))
	default:
		return nil
	}
}

// lastLines is the end of the log.
func (d *daemon) lastLines(n int) string {
	text, _ := os.ReadFile(d.log) // none: it wrote none
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}
