package mysqltest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sys/unix"
)

// stopTimeout bounds how long a server may take to become ready or to stop, where the caller gives no shorter limit.
const stopTimeout = 90 * time.Second

// pollInterval is how often a condition on a server is looked at.
const pollInterval = 10 * time.Millisecond

// Server is one MySQL instance. It listens on 127.0.0.1 and on a unix socket. Its root account has no password and may
// do everything, from either. Its methods may be used from several goroutines, except that only one at a time may
// stop, kill or restart it.
type Server struct {
	Name         string
	Port         int
	Socket       string
	DataDir      string
	Installation Installation

	options  options
	dir      string   // holds everything of this instance
	folders  []string // what Close removes
	reserved *portReservation
	watcher  *watcher
	db       *sql.DB

	mu      sync.Mutex
	process *process
	closed  bool
}

// Start launches an instance for the duration of the test, in a temporary folder. If the test fails, the end of the
// server's error log goes into the test's log. It ends the test if the server does not start, also for want of a MySQL
// server on this machine.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	dir := testFolder(t)
	s, err := Launch(t.Context(), dir, append(opts, inTestFolder(dir))...)
	if err != nil {
		t.Fatal(err)
	}
	s.endWith(t)
	return s
}

// testFolder is where servers of the test live: in memory if the machine has enough, since commits on a disk that many
// tests share take long and vary. Its name is short because the path of a unix socket must be.
func testFolder(t testing.TB) string {
	t.Helper()
	const enough = 4 << 30 // bytes; a server takes some 50 MB and what the test writes
	parent, shm := os.TempDir(), unix.Statfs_t{}
	if err := unix.Statfs("/dev/shm", &shm); err == nil && shm.Type == unix.TMPFS_MAGIC && int64(shm.Bavail)*shm.Bsize > enough {
		parent = "/dev/shm"
	}
	dir, err := os.MkdirTemp(parent, "mysqltest-")
	if err != nil {
		t.Fatalf("create a folder for mysqld: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// endWith closes the server when the test ends.
func (s *Server) endWith(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the error log of %s (port %d):\n%s", s.Name, s.Port, s.ErrorLog())
		}
		if err := s.Close(); err != nil {
			t.Errorf("close %s: %v", s.Name, err)
		}
	})
}

// Launch starts an instance in a new folder of its own below dir and returns when it answers. Whoever called it must
// call Close, which stops the server and removes that folder.
func Launch(ctx context.Context, dir string, opts ...Option) (*Server, error) {
	o := options{name: "mysqld"}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{Name: o.name, options: o}
	if err := s.prepare(ctx, dir); err != nil {
		s.Close()
		return nil, fmt.Errorf("prepare %s: %w", s.Name, err)
	}
	err := s.boot(ctx)
	// Somebody who does not reserve ports may have been faster: then another port is as good.
	for tries := 0; errors.Is(err, errPortTaken) && o.port == 0 && tries < 20; tries++ {
		if err = s.choosePort(); err == nil {
			err = s.boot(ctx)
		}
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// prepare makes everything that the server needs before its first start.
func (s *Server) prepare(ctx context.Context, dir string) error {
	var err error
	if s.options.installation != nil {
		s.Installation = *s.options.installation
	} else if s.Installation, err = Find(ctx); err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(dir, s.Name+"-"); err != nil {
		return err
	}
	s.folders = append(s.folders, s.dir)
	s.Socket = filepath.Join(s.dir, "mysqld.sock")
	if len(s.Socket) > 100 { // sockaddr_un holds 107 bytes, and mysqld adds ".lock"
		short, err := os.MkdirTemp("/tmp", "mysqltest-")
		if err != nil {
			return err
		}
		s.folders = append(s.folders, short)
		s.Socket = filepath.Join(short, "mysqld.sock")
	}
	if err := s.choosePort(); err != nil {
		return err
	}
	if s.watcher, err = startWatcher(s.options.testFolder, s.folders...); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.dir, "tmp"), 0o700); err != nil {
		return err
	}
	if s.options.ownClock {
		if err := s.makeClock(ctx); err != nil {
			return err
		}
	}
	if err := s.fillDataDir(ctx); err != nil {
		return err
	}
	connector, err := mysql.NewConnector(s.socketConfig())
	if err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	return nil
}

func (s *Server) choosePort() error {
	s.reserved.release()
	var err error
	if s.options.port != 0 {
		s.reserved, err = reservePort(s.options.port)
	} else {
		s.reserved, err = reserveAnyPort()
	}
	if err == nil {
		s.Port = s.reserved.port
	}
	return err
}

func (s *Server) fillDataDir(ctx context.Context) error {
	if s.options.dataDir != "" {
		var err error
		s.DataDir, err = filepath.Abs(s.options.dataDir)
		return err
	}
	s.DataDir = filepath.Join(s.dir, "data")
	from := s.options.copyOf
	if from == "" {
		from = s.Installation.TemplateDir
	}
	// Undo and redo files are mostly zeros: leaving holes for them makes the copy a quarter as large.
	out, err := exec.CommandContext(ctx, "cp", "-R", "-p", "--reflink=auto", "--sparse=always", from, s.DataDir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy the data directory %s: %w: %s", from, err, bytes.TrimSpace(out))
	}
	// The server_uuid is there; the copy shall get its own.
	if err := os.Remove(filepath.Join(s.DataDir, "auto.cnf")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// boot starts the process and waits until it answers.
func (s *Server) boot(ctx context.Context) error {
	file := filepath.Join(s.dir, "my.cnf")
	if err := os.WriteFile(file, s.optionFile(), 0o600); err != nil {
		return fmt.Errorf("write the option file of %s: %w", s.Name, err)
	}
	logged := len(s.readErrorLog())
	p, err := startProcess(s.clockEnvironment(), s.Installation.Mysqld, "--defaults-file="+file)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	if err := s.watcher.watch(p.pid()); err != nil {
		return err
	}
	if err := s.WaitReady(ctx); err != nil {
		s.Kill9()
		if bytes.Contains(s.readErrorLog()[logged:], []byte("Address already in use")) {
			return fmt.Errorf("start %s on port %d: %w", s.Name, s.Port, errPortTaken)
		}
		return fmt.Errorf("start %s: %w; end of its error log:\n%s", s.Name, err, s.ErrorLog())
	}
	return nil
}

// WaitReady waits until the server answers a query. It fails as soon as the process is gone, or after 90 seconds.
func (s *Server) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	p := s.current()
	for {
		_, err := s.db.ExecContext(ctx, "DO 1")
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("mysqld ended: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("wait until mysqld answers: %w (last: %v)", ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// Alive reports whether the process runs; a frozen one does.
func (s *Server) Alive() bool {
	p := s.current()
	return p != nil && p.alive()
}

// Exited is closed when the process that runs now has ended.
func (s *Server) Exited() <-chan struct{} { return s.current().exited }

// Pid is the process id of the server, also of one that has ended.
func (s *Server) Pid() int { return s.current().pid() }

// Kill9 kills the server at once (SIGKILL) and returns when the process is gone.
func (s *Server) Kill9() error { return s.end(context.Background(), syscall.SIGKILL) }

// Stop shuts the server down in order (SIGTERM) and returns when the process is gone. A frozen server is thawed for it.
func (s *Server) Stop(ctx context.Context) error {
	// The server gives open connections two seconds to end by themselves. Those of DB that are idle need not be among
	// them; the second call sets database/sql's default again.
	s.db.SetMaxIdleConns(0)
	s.db.SetMaxIdleConns(2)
	if err := s.Thaw(); err != nil {
		return err
	}
	return s.end(ctx, syscall.SIGTERM)
}

func (s *Server) end(ctx context.Context, sig syscall.Signal) error {
	p := s.current()
	if p == nil || !p.alive() {
		return nil
	}
	if err := p.signal(sig); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	select {
	case <-p.exited:
		return s.watcher.watch(0)
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of %s (process %d) after %s: %w", s.Name, p.pid(), sig, ctx.Err())
	}
}

// Restart starts the server again with its data, on its port, after shutting it down in order if it still runs. Options
// given here (only settings, NoBinlog and Relaxed) are added to the ones it has.
func (s *Server) Restart(ctx context.Context, opts ...Option) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	for _, opt := range opts {
		opt(&s.options)
	}
	return s.boot(ctx)
}

// Freeze stops the process where it is (SIGSTOP), and returns when all its threads are stopped: connections stay open
// and nothing answers.
func (s *Server) Freeze() error {
	if err := s.current().signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return s.current().waitStopped()
}

// Thaw lets a frozen process go on.
func (s *Server) Thaw() error { return s.current().signal(syscall.SIGCONT) }

// Close kills the server and removes its folder. It may be called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	if s.db != nil {
		s.db.Close() // it fails for connections that the server's end has broken already
	}
	errs := []error{s.Kill9()}
	for _, folder := range s.folders {
		errs = append(errs, os.RemoveAll(folder))
	}
	if s.watcher != nil {
		s.watcher.close()
	}
	s.reserved.release()
	return errors.Join(errs...)
}

// Addr is the server's TCP address, host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// DSN is the data source name, for go-sql-driver, of an account at the server's TCP address.
func (s *Server) DSN(user, password string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = user, password, "tcp", s.Addr()
	return c.FormatDSN()
}

func (s *Server) socketConfig() *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "unix", s.Socket
	c.MultiStatements, c.InterpolateParams = true, true
	c.Logger = &mysql.NopLogger{} // a server that is killed on purpose is no news
	return c
}

// DB is a pool of root's connections on the unix socket. It outlives restarts and may run several statements in one
// query.
func (s *Server) DB() *sql.DB { return s.db }

func (s *Server) errorLog() string { return filepath.Join(s.dir, "error.log") }

func (s *Server) readErrorLog() []byte {
	content, _ := os.ReadFile(s.errorLog()) // there is none before the first start
	return content
}

// ErrorLog is the end of the server's error log: its last 40 lines.
func (s *Server) ErrorLog() string {
	lines := strings.Split(strings.TrimSpace(string(s.readErrorLog())), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

func asRoot() bool { return os.Geteuid() == 0 }
