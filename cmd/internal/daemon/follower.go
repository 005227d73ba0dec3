package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/relay"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/internal/mysql"
	"go.uber.org/zap"
)

// retryStopped is how long a stopped follower waits until it looks whether the
// cause is gone.
const retryStopped = 15 * time.Second

// A follower is an applier and what goes with it.
type follower struct {
	target  mysql.Target
	applier *applier.Applier
	gate    *gate
	end     context.CancelFunc
	ended   chan struct{}
	rate    rate

	reachable bool // whether the observer had an answer from it when it last looked
}

// startFollower starts the applier of an instance. d.mu is held.
func (d *Daemon) startFollower(t mysql.Target) {
	f := &follower{target: t, gate: &gate{d: d, name: t.Name}, ended: make(chan struct{})}
	f.applier = applier.New(d.applierConfig(t.Name), applier.Deps{
		Dial: t.Dial, Relay: relayOf{d.relay}, Gate: f.gate, Recorder: d.history,
		Logger: d.logger.Named("applier").With(zap.String("instance", t.Name)),
	})
	if slices.Contains(d.state.get().Paused, t.Name) {
		f.applier.Pause()
	}
	ctx, end := context.WithCancel(d.following)
	f.end = end
	d.followers[t.Name] = f
	d.work.Go(func() {
		defer close(f.ended)
		defer end()
		f.applier.Run(ctx)
	})
}

// applierConfig is how to apply to the follower of that name. d.mu is held.
func (d *Daemon) applierConfig(name string) applier.Config {
	return applier.Config{
		Name: name, Sessions: d.cfg.Apply.Sessions, LeaderOrder: d.cfg.Apply.Order == config.OrderLeader,
		CatchingUp: d.cfg.Apply.CatchUp.After, Retry: retryStopped,
	}
}

// gate admits an applier to its follower.
type gate struct {
	d        *Daemon
	name     string
	admitted atomic.Pointer[time.Time] // when the follower was last made ready
}

// Admit implements [applier.Gate].
func (g *gate) Admit(ctx context.Context) error {
	if err := g.d.fenceFirst(ctx, g.name); err != nil {
		return err
	}
	err := g.d.observer.Prepare(ctx, g.name)
	if err == nil {
		now := time.Now()
		g.admitted.Store(&now)
		return nil
	}
	refusal, ok := errors.AsType[*failover.Refusal](err)
	if !ok {
		return err
	}
	if refusal.State == failover.Unreachable {
		// Nobody has to mend anything in baton: it tries again soon, not after retryStopped.
		return unreachable{refusal}
	}
	states := map[failover.State]applier.State{
		failover.Quarantined: applier.Quarantined, failover.NeedsSeed: applier.NeedsSeed, failover.Stopped: applier.Stopped,
	}
	return &applier.Blocked{State: states[refusal.State], Reason: refusal.Message, Mend: refusal.Mend}
}

// unreachable is a refusal that passes by itself, as appliers see it.
type unreachable struct{ refusal *failover.Refusal }

func (u unreachable) Error() string { return u.refusal.Message }
func (u unreachable) Unwrap() error { return u.refusal }

// Mend says what to do about it.
func (u unreachable) Mend() string { return u.refusal.Mend }

// relayOf is the relay as appliers see it.
type relayOf struct{ *relay.Relay }

// NewReader implements [applier.Relay].
func (r relayOf) NewReader(from gtid.Set) (applier.Reader, error) {
	reader, err := r.Relay.NewReader(from)
	if err != nil {
		return nil, purged(err)
	}
	return readerOf{reader}, nil
}

type readerOf struct{ *relay.Reader }

// Next implements [applier.Reader].
func (r readerOf) Next(ctx context.Context) (*binlog.Transaction, error) {
	tx, err := r.Reader.Next(ctx)
	return tx, purged(err)
}

// purged has the relay's error match the applier's.
func purged(err error) error {
	if errors.Is(err, relay.ErrPurged) {
		return fmt.Errorf("%w: %w", applier.ErrPurged, err)
	}
	return err
}
