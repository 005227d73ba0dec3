package daemon

import (
	"context"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/failover/plan"
	"github.com/batondb/baton/internal/mysql"
)

// settingsOf is what the configuration says about handing over.
func settingsOf(cfg config.Config) failover.Settings {
	s := failover.Settings{
		Promise: plan.Promise(cfg.Durability.Mode), AckTimeout: cfg.Durability.AckTimeout,
		Automatic: cfg.Failover.Mode == config.FailoverAutomatic, Interval: cfg.Failover.Interval,
		Window: cfg.Failover.Window, Cooldown: cfg.Failover.Cooldown, BootFenced: cfg.Failover.Boot == config.BootFenced,
		Timeout: cfg.Switchover.Timeout, Drain: cfg.Switchover.DrainTimeout, MaxLag: cfg.Switchover.MaxLag,
		Promotions: map[string]plan.Promotion{},
		Hooks: failover.Hooks{
			BeforePromote: hooksOf(cfg.Hooks.BeforePromote), Fence: hooksOf(cfg.Hooks.Fence),
			AfterPromote: hooksOf(cfg.Hooks.AfterPromote), AfterSwitchover: hooksOf(cfg.Hooks.AfterSwitchover),
		},
	}
	for _, in := range cfg.Instances {
		s.Promotions[in.Name] = plan.Promotion(in.Promotion)
	}
	return s
}

// semiSyncOf is how commits on the leader are to wait; nil where they are not.
func semiSyncOf(cfg config.Config) *mysql.SemiSyncSettings {
	switch cfg.Durability.Mode {
	case config.Async:
		return nil
	case config.Strict:
		return &mysql.SemiSyncSettings{}
	}
	return &mysql.SemiSyncSettings{Timeout: cfg.Durability.AckTimeout}
}

func hooksOf(hooks []config.Hook) []failover.Hook {
	var of []failover.Hook
	for _, h := range hooks {
		of = append(of, failover.Hook{Command: h.Command, Timeout: h.Timeout})
	}
	return of
}

// namesOf are the names of all instances, in the config's order.
func namesOf(cfg config.Config) []string {
	var names []string
	for _, in := range cfg.Instances {
		names = append(names, in.Name)
	}
	return names
}

// handOvers are the orders to hand over, as the admin API wants them.
type handOvers struct {
	*failover.Controller
	d *Daemon
}

// Follow implements [failover.Followers].
func (d *Daemon) Follow(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.followers[instance] != nil || !d.mayFollow {
		return
	}
	if target, err := d.targetOf(instance); err == nil {
		d.startFollower(target)
	}
}

// Retire implements [failover.Followers].
func (d *Daemon) Retire(instance string) {
	d.mu.Lock()
	f := d.followers[instance]
	delete(d.followers, instance)
	d.mu.Unlock()
	if f != nil {
		f.end()
		<-f.ended
	}
}

// Progress implements [failover.Followers].
func (d *Daemon) Progress(instance string) (problem string, lag time.Duration) {
	d.mu.Lock()
	f := d.followers[instance]
	d.mu.Unlock()
	if f == nil {
		return "nothing is applied to it", 0
	}
	st := f.applier.Status()
	lag = max(0, st.Lag)
	switch {
	case st.Failure != nil:
		return st.Failure.Message, lag
	case st.State == applier.Paused:
		return "applying to it is paused by an operator: `baton resume " + instance + "`", lag
	case st.Mode == "":
		return "it is not being applied to yet", lag
	}
	return "", lag
}

// fenceFirst fences an instance that has led and answers again.
func (d *Daemon) fenceFirst(ctx context.Context, instance string) error {
	if !d.control.Deposed(instance) {
		return nil
	}
	return d.control.FenceDeposed(ctx, instance)
}
