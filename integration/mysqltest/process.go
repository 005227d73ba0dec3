package mysqltest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a running mysqld. It is the leader of a process group of its own, so that a Ctrl-C in the terminal reaches
// only whoever started it, who can then stop things in order.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone and has been waited for
}

// startProcess starts it with more in its environment than this process has.
func startProcess(environment []string, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start mysqld: %w", err)
	}
	go func() {
		defer close(p.exited)
		p.cmd.Wait() // how it ended is in its error log and in ProcessState
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal reports no error for a process that is gone already.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to mysqld (process %d): %w", sig, p.pid(), err)
	}
	return nil
}

// waitStopped waits until every thread of the process has taken the SIGSTOP.
func (p *process) waitStopped() error {
	for {
		err := unix.Waitid(unix.P_PID, p.pid(), nil, unix.WSTOPPED, nil)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				err = fmt.Errorf("wait until mysqld (process %d) is stopped: %w", p.pid(), err)
			}
			return err
		}
	}
}

// watcherScript reads which process to end, and ends it and removes the folders when its input ends, which is when the
// process that holds the other end of the pipe dies, however it dies. The first argument is a folder that several
// watchers share ("" for none): the last one takes it away. (Pdeathsig would not do: it is sent when the
// starting thread ends, and leaves the folders.)
const watcherScript = `
trap '' INT TERM HUP
pid= shared=$1
shift
while read -r what value; do
	case $what in
	pid) pid=$value ;;
	forget) exit 0 ;;
	esac
done
[ -z "$pid" ] || kill -9 "$pid"
rm -rf -- "$@"
[ -z "$shared" ] || rmdir -- "$shared" 2>/dev/null
`

// watcher is a shell that outlives this process just long enough to clean up after it.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startWatcher(shared string, folders ...string) (*watcher, error) {
	w := &watcher{cmd: exec.Command("/bin/sh", append([]string{"-c", watcherScript, "sh", shared}, folders...)...)}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := w.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the watcher of mysqld: %w", err)
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watcher of mysqld: %w", err)
	}
	w.pipe = pipe
	return w, nil
}

// watch names the process to end; 0 for none.
func (w *watcher) watch(pid int) error {
	line := "pid\n"
	if pid != 0 {
		line = fmt.Sprintf("pid %d\n", pid)
	}
	if _, err := io.WriteString(w.pipe, line); err != nil {
		return fmt.Errorf("tell the watcher of mysqld: %w", err)
	}
	return nil
}

// close ends the watcher, whose work is not needed.
func (w *watcher) close() {
	io.WriteString(w.pipe, "forget\n") // it can only be gone already
	w.pipe.Close()
	w.cmd.Wait()
}
