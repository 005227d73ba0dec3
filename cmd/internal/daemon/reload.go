package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/mysql"
)

// hangups tells of every SIGHUP until stop is called.
func hangups() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reloadOnHangup reloads for systemd, which wants to know when it is done.
func (d *Daemon) reloadOnHangup(ctx context.Context) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		d.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", time.Duration(now.Nano()).Microseconds()))
	}
	if _, err := d.Reload(ctx); err != nil {
		d.logger.Error("the configuration was not reloaded; the former one stays in force", zap.Error(err))
	}
	d.notify("READY=1")
}

// Reload implements [admin.Commands]. A configuration with a mistake changes
// nothing.
func (d *Daemon) Reload(ctx context.Context) (admin.Reloaded, error) {
	if d.opts.ConfigFile == "" {
		return admin.Reloaded{}, errors.New("the daemon was started without a configuration file to read again")
	}
	cfg, err := config.Load(d.opts.ConfigFile)
	if err != nil {
		return admin.Reloaded{}, &admin.Error{Code: admin.Refused, Message: err.Error(), Mend: "mend the file and reload again; the former configuration stays in force"}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	changed, restart := config.Changes(d.cfg, cfg)
	m := d.state.get()
	leader := m.Leader
	if m.HandOver != nil {
		return admin.Reloaded{}, &admin.Error{Code: admin.Refused, Message: fmt.Sprintf("a %s is under way", m.HandOver.Kind), Mend: "reload when it is done"}
	}
	if _, ok := cfg.Instance(leader); !ok {
		return admin.Reloaded{}, &admin.Error{Code: admin.Refused, Message: leader + " leads and is not in the new configuration",
			Mend: "add it again: only followers can be removed"}
	}
	if err := d.adopt(ctx, keepRunning(d.cfg, cfg)); err != nil {
		return admin.Reloaded{}, err
	}
	d.history.Record(history.Event{Kind: history.ConfigReloaded, Message: reloadMessage(changed, restart)})
	return admin.Reloaded{Changed: changed, NeedsRestart: restart}, nil
}

// keepRunning is the new configuration, but for what needs a restart.
func keepRunning(old, cfg config.Config) config.Config {
	kept := cfg
	kept.Cluster, kept.StateDir, kept.MySQL, kept.Leader = old.Cluster, old.StateDir, old.MySQL, old.Leader
	kept.Durability, kept.Admin, kept.Log.Format = old.Durability, old.Admin, old.Log.Format
	kept.Admin.Tokens = cfg.Admin.Tokens
	kept.Failover.Interval, kept.Failover.Timeout = old.Failover.Interval, old.Failover.Timeout
	kept.Relay.SegmentSize, kept.Relay.Memory = old.Relay.SegmentSize, old.Relay.Memory
	kept.Instances = slices.Clone(cfg.Instances)
	for i, in := range kept.Instances {
		if before, ok := old.Instance(in.Name); ok {
			promotion := in.Promotion
			kept.Instances[i] = before
			kept.Instances[i].Promotion = promotion
		}
	}
	return kept
}

// adopt makes cfg the configuration in force. d.mu is held.
func (d *Daemon) adopt(ctx context.Context, cfg config.Config) error {
	targets, err := targetsOf(cfg)
	if err != nil {
		return err
	}
	if err := d.configureEndpoints(ctx, cfg); err != nil {
		return err
	}
	d.cfg = cfg
	d.level.SetLevel(levelOf(cfg.Log.Level))
	d.relay.SetLimits(int64(cfg.Relay.MaxSize), cfg.Relay.Retention)
	d.observer.SetTargets(targets)
	d.admin.SetTokens(cfg.Admin.Tokens)
	d.control.Configure(settingsOf(cfg), namesOf(cfg))
	leader := d.state.get().Leader
	for name, f := range d.followers {
		if _, ok := cfg.Instance(name); !ok {
			f.end()
			delete(d.followers, name)
			d.measured.Forget(name)
			continue
		}
		f.applier.Reconfigure(d.applierConfig(name))
	}
	for _, t := range targets {
		if t.Name != leader && d.followers[t.Name] == nil && d.mayFollow {
			d.startFollower(t)
		}
	}
	return nil
}

// targetOf returns the target of an instance of the configuration. d.mu is held.
func (d *Daemon) targetOf(name string) (mysql.Target, error) {
	in, ok := d.cfg.Instance(name)
	if !ok {
		return mysql.Target{}, errors.New("there is no instance " + name)
	}
	return mysql.TargetOf(in)
}

func reloadMessage(changed, restart []string) string {
	var parts []string
	if len(changed) > 0 {
		parts = append(parts, "changed: "+strings.Join(changed, ", "))
	}
	if len(restart) > 0 {
		parts = append(parts, "takes effect at the next start only: "+strings.Join(restart, ", "))
	}
	if len(parts) == 0 {
		return "the configuration was read again; nothing in it has changed"
	}
	return "the configuration was read again; " + strings.Join(parts, "; ")
}
