package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/batondb/baton/integration/mysqltest"
)

// node is an instance: the server, the two ways to it, and the disk that it has for itself.
type node struct {
	*mysqltest.Server
	name string // in the configuration
	uuid string
	disk disk
	forBaton,
	forClients *mysqltest.Proxy
	frozen atomic.Bool
}

// cluster is three instances and a daemon.
type cluster struct {
	t      testing.TB
	nodes  []*node
	daemon *daemon
	state  disk // the daemon's
}

// Modes of durability.
const (
	strict   = "strict"
	balanced = "balanced"
)

// startCluster starts three instances, the first of which leads, with the tables of the clients, and a daemon.
func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := newCluster(t)
	c.daemon.start()
	c.settled()
	return c
}

// newCluster is startCluster with a daemon that is still to be started.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "chaos-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &cluster{t: t, state: mount(t, filepath.Join(dir, "state"), 512)}
	installation, err := mysqltest.Find(t.Context())
	require.NoError(t, err)
	c.nodes = make([]*node, 3)
	errs := make([]error, len(c.nodes))
	var wg sync.WaitGroup
	for i := range c.nodes {
		n := &node{name: fmt.Sprint("db", i+1)}
		n.disk = mount(t, filepath.Join(dir, n.name), 2048)
		c.nodes[i] = n
		wg.Go(func() { errs[i] = n.launch(t.Context(), installation) })
	}
	wg.Wait()
	for _, n := range c.nodes {
		if n.Server != nil {
			t.Cleanup(func() {
				if t.Failed() {
					log := n.ErrorLog()
					t.Logf("end of the error log of %s:\n%s", n.name, log[max(0, len(log)-3000):])
				}
				if err := n.Close(); err != nil {
					t.Errorf("close %s: %v", n.name, err)
				}
			})
		}
	}
	require.NoError(t, errors.Join(errs...))
	var instances []map[string]any
	for _, n := range c.nodes {
		n.uuid = n.UUID(t)
		n.forBaton, n.forClients = mysqltest.StartProxy(t, n.Server), mysqltest.StartProxy(t, n.Server)
		instances = append(instances, map[string]any{"name": n.name, "address": n.forBaton.Addr()})
	}
	c.nodes[0].MustExec(t, tables...)
	c.daemon = newDaemon(t, dir, c.state.path)
	c.daemon.config = map[string]any{
		"cluster": "shop", "state_dir": c.state.path, "leader": "db1", "instances": instances,
		"mysql":      map[string]any{"user": mysqltest.User, "password": mysqltest.Password},
		"admin":      map[string]any{"socket": c.daemon.socket()},
		"durability": map[string]any{"mode": strict},
		"hooks":      map[string]any{},
		"failover":   map[string]any{"cooldown": "1s"},
		"switchover": map[string]any{"drain_timeout": "1s"},
		"relay":      map[string]any{"segment_size": "4MiB", "memory": "8MiB", "retention": "0s"},
		"log":        map[string]any{"format": "json", "level": "info"},
	}
	return c
}

func (n *node) launch(ctx context.Context, installation mysqltest.Installation) (err error) {
	n.Server, err = mysqltest.Launch(ctx, n.disk.path, mysqltest.On(installation), mysqltest.Name(n.name), mysqltest.Relaxed(), mysqltest.OwnClock(),
		mysqltest.Setting("max_binlog_size", "16M"))
	if err != nil {
		return err
	}
	if err := n.CreateAccount(ctx, mysqltest.User, mysqltest.Password); err != nil {
		return err
	}
	if err := n.writePid(); err != nil {
		return err
	}
	return n.ExecUnlogged(ctx, "CREATE USER app@'%' IDENTIFIED BY 'app'", "GRANT ALL ON chaos.* TO app@'%'")
}

// writePid leaves the server's process id where the fence hook looks for it.
func (n *node) writePid() error {
	return os.WriteFile(n.disk.path+".pid", fmt.Append(nil, n.Pid()), 0o600)
}

// node returns the instance of that name.
func (c *cluster) node(name string) *node {
	for _, n := range c.nodes {
		if n.name == name {
			return n
		}
	}
	c.t.Fatalf("there is no instance %q", name)
	return nil
}

// leader is who leads, as the daemon has written down.
func (c *cluster) leader() *node { return c.node(c.daemon.leadership().Leader) }

// followers are the others.
func (c *cluster) followers() []*node {
	leader := c.leader()
	var others []*node
	for _, n := range c.nodes {
		if n != leader {
			others = append(others, n)
		}
	}
	return others
}

// kill kills the server. Its host refuses connections from then on, which the proxies alone would accept.
func (n *node) kill(t testing.TB) {
	t.Helper()
	n.frozen.Store(false)
	require.NoError(t, n.Kill9())
	n.forBaton.Cut()
	n.forClients.Cut()
}

func (n *node) freeze(t testing.TB) {
	t.Helper()
	n.frozen.Store(true)
	require.NoError(t, n.Freeze())
}

// revive starts a server that ended and thaws one that is frozen.
func (n *node) revive(t testing.TB) {
	t.Helper()
	if !n.Alive() {
		require.NoError(t, n.Restart(context.WithoutCancel(t.Context())))
		require.NoError(t, n.writePid())
		require.NoError(t, n.forBaton.Restore())
		require.NoError(t, n.forClients.Restore())
	} else if n.frozen.Load() {
		require.NoError(t, n.Thaw())
	}
	n.frozen.Store(false)
}

// heal undoes every fault: all run, and all is connected.
func (c *cluster) heal() {
	c.t.Helper()
	c.state.free(c.t)
	for _, n := range c.nodes {
		n.disk.free(c.t)
		require.NoError(c.t, n.SetClock(0))
		require.NoError(c.t, n.forBaton.Restore())
		n.forBaton.Slow(0)
		require.NoError(c.t, n.forClients.Restore())
		n.forClients.Slow(0)
	}
	for _, n := range c.nodes {
		n.revive(c.t)
	}
	c.daemon.start()
}

// settled waits until who leads takes writes, commits wait for the relay, and every other instance is streaming or
// quarantined.
func (c *cluster) settled() status {
	c.t.Helper()
	s := c.daemon.await("the cluster has come to rest", func(s status) bool {
		if c.daemon.leadership().HandOver != nil || s.Source.State != "connected" || s.Durability.State != "protected" {
			return false
		}
		for _, i := range s.Instances {
			if i.State != "streaming" && i.State != "quarantined" {
				return false
			}
		}
		return true
	})
	leader := c.node(s.Leader)
	wait(c.t, leader.name+" takes writes", func() (bool, string) {
		row := leader.Rows(c.t, "SELECT @@GLOBAL.read_only, @@GLOBAL.super_read_only, @@GLOBAL.rpl_semi_sync_source_enabled")[0]
		return strings.Join(row, "") == "001", fmt.Sprint(row)
	})
	return s
}

// reseed makes a quarantined instance anew from another follower, as an operator does.
func (c *cluster) reseed(bad, good *node) {
	c.t.Helper()
	require.NoError(c.t, good.Stop(c.t.Context()))
	require.NoError(c.t, bad.Stop(c.t.Context()))
	own, err := os.ReadFile(filepath.Join(bad.DataDir, "auto.cnf"))
	require.NoError(c.t, err)
	require.NoError(c.t, os.RemoveAll(bad.DataDir))
	out, err := exec.Command("cp", "-R", "-p", "--sparse=always", good.DataDir, bad.DataDir).CombinedOutput()
	require.NoError(c.t, err, "%s", out)
	require.NoError(c.t, os.WriteFile(filepath.Join(bad.DataDir, "auto.cnf"), own, 0o600))
	bad.revive(c.t)
	good.revive(c.t)
}

// disk is a small file system in memory.
type disk struct {
	path      string
	megabytes uint64
}

func mount(t testing.TB, path string, megabytes uint64) disk {
	t.Helper()
	require.NoError(t, os.Mkdir(path, 0o700))
	require.NoError(t, unix.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", megabytes)))
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	return disk{path, megabytes}
}

// fill leaves no byte free, until free.
func (d disk) fill(t testing.TB) {
	t.Helper()
	// What is written meanwhile may need more than what was in use: then again.
	wait(t, d.path+" is full", func() (bool, string) {
		var st unix.Statfs_t
		require.NoError(t, unix.Statfs(d.path, &st))
		used := (st.Blocks - st.Bfree) * uint64(st.Bsize)
		err := unix.Mount("tmpfs", d.path, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", used))
		if !errors.Is(err, syscall.EINVAL) {
			require.NoError(t, err)
		}
		return err == nil, fmt.Sprint(err)
	})
}

func (d disk) free(t testing.TB) {
	t.Helper()
	require.NoError(t, unix.Mount("tmpfs", d.path, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%dm", d.megabytes)))
}

// forget has the servers drop the binlogs that nobody needs any more.
func (c *cluster) forget() {
	c.t.Helper()
	for _, n := range c.nodes {
		n.MustExec(c.t, "FLUSH LOCAL BINARY LOGS")
		n.MustExec(c.t, "PURGE BINARY LOGS TO '"+n.Rows(c.t, "SHOW BINARY LOG STATUS")[0][0]+"'")
	}
}

// until waits for a while, or until done.
func until(most time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

// clear removes all that is on the disk.
func (d disk) clear(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(d.path)
	require.NoError(t, err)
	for _, e := range entries {
		require.NoError(t, os.RemoveAll(filepath.Join(d.path, e.Name())))
	}
}
