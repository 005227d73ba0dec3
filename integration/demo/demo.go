package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
)

const (
	followers = 2
	// ackTimeout is how long a commit waits for baton before the leader goes on without.
	ackTimeout = 10 * time.Second
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
	cluster *mysqltest.Cluster
	daemon  *daemon
	load    *load
	watch   *watch
	fail    context.CancelCauseFunc
}

func newDemo(o options, s *screen) *demo { return &demo{options: o, screen: s} }

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
	d.print(d.paint(bold, "A shop on one MySQL leader and two followers, replicated by baton"))
	for _, step := range []func(context.Context) error{d.startServers, d.startDaemon, d.openShop, d.day, d.prove} {
		if err := step(ctx); err != nil {
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
	}
	if d.cluster != nil {
		var wg sync.WaitGroup // side by side: each removes a folder of 100 MB
		failed := make([]error, 1+followers)
		for i, s := range d.cluster.Servers() {
			wg.Go(func() { failed[i] = s.Close() })
		}
		wg.Wait()
		errs = append(errs, failed...)
	}
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
	if d.folder, err = newFolder(); err != nil {
		return err
	}
	d.say("MySQL %s; starting a leader and %d followers on loopback, fully durable (sync_binlog=1, innodb_flush_log_at_trx_commit=1)",
		installation.Version, followers)
	if d.cluster, err = mysqltest.LaunchCluster(ctx, d.folder.path, followers, mysqltest.SemiSyncSource()); err != nil {
		return err
	}
	for _, s := range d.cluster.Servers() {
		d.say("  %-9s  %s", s.Name, s.Addr())
	}
	_, err = d.cluster.Leader.DB().ExecContext(ctx, fmt.Sprintf(
		"SET GLOBAL rpl_semi_sync_source_timeout = %d; SET GLOBAL rpl_semi_sync_source_enabled = ON", ackTimeout.Milliseconds()))
	if err != nil {
		return fmt.Errorf("enable semi-sync on the leader: %w", err)
	}
	d.say("semi-sync is on at the leader: a commit returns when baton has fsynced it (rpl_semi_sync_source_timeout = %s)", ackTimeout)
	return nil
}

func (d *demo) startDaemon(ctx context.Context) error {
	binary, err := filepath.Abs(d.baton)
	if err != nil {
		return err
	}
	if d.daemon, err = newDaemon(binary, d.folder.path, d.cluster); err != nil {
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
	if err := d.until(ctx, "baton streams from the leader and feeds both followers", func() bool { return d.watch.healthy() }); err != nil {
		return err
	}
	d.say("baton run: it streams from the leader and feeds both followers, which it has made read_only")
	return nil
}

func (d *demo) openShop(ctx context.Context) error {
	d.say("creating the shop on the leader: tables, foreign keys, JSON, full-text index, a table without key, an account")
	if err := stockUp(ctx, d.cluster.Leader.DB()); err != nil {
		return err
	}
	for _, f := range d.cluster.Followers {
		if err := d.caughtUp(ctx, f); err != nil {
			return err
		}
	}
	d.say("all of it is on the followers")
	return nil
}

func (d *demo) sayHowToConnect() {
	d.print("\nThe servers and the daemon keep running until Ctrl-C. Write to the leader and look at the followers:")
	client := d.cluster.Leader.Installation.Mysql
	if client == "" {
		client = "mysql"
	}
	for _, s := range d.cluster.Servers() {
		d.print(fmt.Sprintf("  %s -u root -S %s   # %s", client, s.Socket, s.Name))
	}
	for _, verb := range []string{"status --watch", "relay ls", "events --follow"} {
		d.print(fmt.Sprintf("  %s %s --config %s", d.daemon.binary, verb, d.daemon.config))
	}
	d.print(fmt.Sprintf("  tail -f %s", d.daemon.log))
}
