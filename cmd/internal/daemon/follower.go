package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/relay"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/logkey"
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

	// What guard saw of it when it last looked.
	reachable, errant bool
}

// startFollower starts the applier of an instance. d.mu is held, and
// d.mayFollow is true.
func (d *Daemon) startFollower(t mysql.Target) {
	f := &follower{target: t, gate: &gate{d: d, target: t}, ended: make(chan struct{})}
	f.applier = applier.New(d.applierConfig(t.Name), applier.Deps{
		Dial: t.Dial, Relay: relayOf{d.relay}, Gate: f.gate, Recorder: d.history, LeaderNow: d.observer.LeaderNow,
		Applied: d.measured.Applied(t.Name),
		Logger:  d.logger.Named("applier").With(zap.String("instance", t.Name)),
	})
	if slices.Contains(d.state.get().Paused, t.Name) {
		f.applier.Pause()
	}
	ctx, end := context.WithCancel(context.Background())
	f.end = end
	d.followers[t.Name] = f
	d.applying.Go(func() {
		defer close(f.ended)
		defer end()
		f.applier.Run(ctx)
	})
}

// endFollowers ends all appliers, waits for them, and lets none begin any more.
func (d *Daemon) endFollowers() {
	d.mu.Lock()
	d.mayFollow = false
	for _, f := range d.followers {
		f.end()
	}
	d.mu.Unlock()
	d.applying.Wait()
}

// applierConfig is how to apply to the follower of that name. d.mu is held.
func (d *Daemon) applierConfig(name string) applier.Config {
	choices := map[config.CatchUpMode]schedule.Choice{
		config.CatchUpAuto: schedule.Auto, config.CatchUpAlways: schedule.Always, config.CatchUpOff: schedule.Never,
	}
	apply := d.cfg.Apply
	return applier.Config{
		Name: name, Sessions: apply.Sessions, LeaderOrder: apply.Order == config.OrderLeader, CatchingUp: apply.CatchUp.After,
		Batches: choices[apply.CatchUp.Mode], BatchSize: apply.CatchUp.Batch, Retry: retryStopped,
	}
}

// gate admits an applier to its follower.
type gate struct {
	d        *Daemon
	target   mysql.Target
	mu       sync.Mutex                // held while the instance is asked and changed
	kept     string                    // the errant transactions that were kept in files last
	mend     string                    // what to do about them
	admitted atomic.Pointer[time.Time] // when the follower was last made ready
}

// Admit implements [applier.Gate].
func (g *gate) Admit(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.d.fenceFirst(ctx, g.target.Name); err != nil {
		return err
	}
	// What can't take part for any other reason is not asked about a rewind.
	if err := g.d.observer.Admit(ctx, g.target.Name); err != nil && !mayBeRewinding(err) {
		return g.refuse(ctx, err)
	}
	if err := g.d.finishRewind(ctx, g.target); err != nil {
		return err
	}
	if err := g.d.observer.Prepare(ctx, g.target.Name); err != nil {
		return g.refuse(ctx, err)
	}
	now := time.Now()
	g.admitted.Store(&now)
	return nil
}

// mayBeRewinding tells whether an instance may be refused only because a rewind
// of it was cut off: its gtid_executed then holds too much, or too little.
func mayBeRewinding(err error) bool {
	refusal, ok := errors.AsType[*failover.Refusal](err)
	return ok && (refusal.State == failover.Quarantined || refusal.State == failover.NeedsSeed)
}

// refuse says in the applier's words why its follower isn't admitted. g.mu is
// held.
func (g *gate) refuse(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*failover.Refusal](err)
	if !ok {
		return err
	}
	if refusal.State == failover.Unreachable {
		// Nobody has to mend anything in baton: it tries again soon, not after retryStopped.
		return unreachable{refusal}
	}
	if refusal.State == failover.Quarantined {
		g.keep(ctx, refusal)
		if g.kept == refusal.Message {
			refusal.Mend = g.mend
		}
	}
	states := map[failover.State]applier.State{
		failover.Quarantined: applier.Quarantined, failover.NeedsSeed: applier.NeedsSeed, failover.Stopped: applier.Stopped,
	}
	return &applier.Blocked{State: states[refusal.State], Reason: refusal.Message, Mend: refusal.Mend}
}

// keep keeps the errant transactions in files, once for each set of them. g.mu is
// held.
func (g *gate) keep(ctx context.Context, refusal *failover.Refusal) {
	if g.kept == refusal.Message {
		return
	}
	step := func(name, detail string) {
		g.d.logger.Info(name+": "+detail, zap.String(logkey.Instance, g.target.Name))
	}
	errant, err := g.d.keepErrant(ctx, g.target, step)
	if err != nil {
		g.d.logger.Warn("the errant transactions could not be kept in files", zap.String(logkey.Instance, g.target.Name), zap.Error(err))
		return
	}
	defer func() { _ = errant.Close() }() // the files stay
	g.kept, g.mend = refusal.Message, mendErrant(g.target.Name, errant)
	g.d.history.Record(history.Event{Level: history.Warn, Kind: history.InstanceProblem, Instance: g.target.Name, GTID: errant.Set().String(),
		Message: fmt.Sprintf("its %d errant transactions are kept in %s (%s)", errant.Plan().Transactions, errant.Folder(), g.d.labelOf(g.target.Name)),
		Mend:    g.mend})
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
