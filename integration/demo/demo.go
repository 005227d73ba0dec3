package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
)

const (
	instances = 3
	// ackTimeout is how long a commit waits for baton before the leader goes on without: baton's default.
	ackTimeout = 10 * time.Second
	// cooldown is how soon after a hand-over baton may replace another dead leader: short, so that whoever keeps the
	// demo running can kill one after the other.
	cooldown = 2 * time.Second
	// poll is the time between two looks at what is waited for.
	poll = 50 * time.Millisecond
)

// errKept is the end of a demo that was kept running until somebody ended it.
var errKept = errors.New("ended after all was proved")

// errLeft tells that something could not be taken away.
var errLeft = errors.New("could not clean up")

// demo is one performance.
type demo struct {
	options
	*screen

	folder  *folder
	servers []*mysqltest.Server
	leader  *mysqltest.Server // one of the servers
	daemon  *daemon
	load    *load
	watch   *watch
	fail    context.CancelCauseFunc

	acts        []act // what it consists of
	unprotected int64 // commits that went on without baton, on leaders that lead no more
}

// act is a part of the demo.
type act func(context.Context) error

func newDemo(o options, s *screen) *demo {
	d := &demo{options: o, screen: s}
	d.acts = []act{d.startServers, d.startDaemon, d.openShop, d.day, d.prove}
	return d
}

// run performs the demo and takes everything away again.
func (d *demo) run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	d.fail = cancel
	err := d.perform(ctx)
	if ctx.Err() != nil && !errors.Is(err, errKept) {
		err = context.Cause(ctx) // the steps only know that they were ended
	}
	d.hide()
	cancel(nil)
	if left := d.close(err == nil || errors.Is(err, errKept)); left != nil {
		return errors.Join(err, fmt.Errorf("%w: %w", errLeft, left))
	}
	return err
}

func (d *demo) perform(ctx context.Context) error {
	d.print(d.paint(bold, "A shop on one MySQL leader and two followers, replicated and led by baton"))
	for _, act := range d.acts {
		if err := act(ctx); err != nil {
			return err
		}
	}
	if !d.keep {
		return nil
	}
	d.sayHowToConnect()
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, errInterrupted) {
		return cause
	}
	return errKept
}

// close ends what was started, the newest first. A daemon that has nothing more to prove is stopped in order.
func (d *demo) close(inOrder bool) error {
	var errs []error
	if d.load != nil {
		d.load.Close()
	}
	if d.watch != nil {
		d.watch.Close()
	}
	if d.daemon != nil {
		signal := syscall.SIGKILL
		if inOrder {
			signal = syscall.SIGTERM
		}
		errs = append(errs, d.daemon.end(signal))
		d.daemon.free()
	}
	var wg sync.WaitGroup // side by side: each removes a folder of 100 MB
	failed := make([]error, len(d.servers))
	for i, s := range d.servers {
		wg.Go(func() { failed[i] = s.Close() })
	}
	wg.Wait()
	errs = append(errs, failed...)
	if d.folder != nil {
		errs = append(errs, d.folder.Close())
	}
	return errors.Join(errs...)
}

func (d *demo) startServers(ctx context.Context) error {
	if _, err := os.Stat(d.baton); err != nil {
		return fmt.Errorf("find the program to show: %w (make build makes it, -baton names another)", err)
	}
	d.say("looking for a MySQL server; the first time on a machine one may have to be downloaded")
	installation, err := mysqltest.Find(ctx)
	if err != nil {
		return err
	}
	if d.folder, err = newFolder(d.parent); err != nil {
		return err
	}
	d.say("MySQL %s; starting %d servers on loopback, fully durable (sync_binlog=1, innodb_flush_log_at_trx_commit=1)", installation.Version, instances)
	cluster, err := mysqltest.LaunchCluster(ctx, d.folder.path, instances-1)
	if err != nil {
		return err
	}
	d.servers, d.leader = cluster.Servers(), cluster.Leader
	for i, s := range d.servers {
		s.Name = fmt.Sprintf("db%d", i+1) // who leads will change
		role := "follower"
		if s == d.leader {
			role = "leader"
		}
		d.say("  %s  %s  %s", s.Name, s.Addr(), role)
	}
	return nil
}

// followers are the servers that don't lead.
func (d *demo) followers() []*mysqltest.Server {
	return slices.DeleteFunc(slices.Clone(d.servers), func(s *mysqltest.Server) bool { return s == d.leader })
}

func (d *demo) startDaemon(ctx context.Context) error {
	binary, err := filepath.Abs(d.baton)
	if err != nil {
		return err
	}
	if d.daemon, err = newDaemon(binary, d.folder.path, d.servers, d.leader); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	summary, err := d.daemon.check(ctx)
	if err != nil {
		return err
	}
	d.say("baton check: %s", summary)
	if err := d.daemon.start(); err != nil {
		return err
	}
	d.watch = watchDaemon(ctx, d)
	if err := d.until(ctx, "baton streams from the leader and feeds both followers", d.watch.healthy); err != nil {
		return err
	}
	d.say("its page is http://%s/: the topology, each follower's lag, what a failover would do; leave it open", d.daemon.page)
	d.say("baton run: it streams from db1, has made the others read_only and feeds them; a commit returns when baton has fsynced it:\n"+
		"it has set semi-sync up (durability balanced, ack_timeout %s). All by default, but failover.cooldown: %s, to be killed again soon", ackTimeout, cooldown)
	return nil
}

func (d *demo) openShop(ctx context.Context) error {
	d.say("creating the shop on the leader: tables, foreign keys, JSON, full-text index, a table without key, an account")
	if err := stockUp(ctx, d.leader.DB()); err != nil {
		return err
	}
	for _, f := range d.followers() {
		if err := d.caughtUp(ctx, f); err != nil {
			return err
		}
	}
	d.say("all of it is on the followers")
	return nil
}

func (d *demo) sayHowToConnect() {
	d.print("\nThe servers and the daemon keep running until Ctrl-C. Write to the leader and look at the followers:")
	client := d.leader.Installation.Mysql
	if client == "" {
		client = "mysql"
	}
	for _, endpoint := range []struct{ address, leads string }{{d.daemon.leader, "whoever leads"}, {d.daemon.followers, "a follower"}} {
		host, port, _ := strings.Cut(endpoint.address, ":")
		d.print(fmt.Sprintf("  %s -u %s -p%s -h %s -P %s shop   # %s", client, shopUser, shopPassword, host, port, endpoint.leads))
	}
	for _, s := range d.servers {
		d.print(fmt.Sprintf("  %s -u root -S %s   # %s", client, s.Socket, s.Name))
	}
	for _, verb := range []string{"status --watch", "relay ls", "events --follow"} {
		d.print(fmt.Sprintf("  %s %s --config %s", d.daemon.binary, verb, d.daemon.config))
	}
	d.print(fmt.Sprintf("  tail -f %s", d.daemon.log))
}
