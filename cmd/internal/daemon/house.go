package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
)

const (
	sampleInterval = time.Second      // between two readings of counters
	purgeInterval  = 10 * time.Second // between two looks for segments that can go
)

// keepHouse does what has to be done from time to time, until ctx ends.
func (d *Daemon) keepHouse(ctx context.Context) {
	sample, purge := time.NewTicker(sampleInterval), time.NewTicker(purgeInterval)
	defer sample.Stop()
	defer purge.Stop()
	var watchdog <-chan time.Time
	if period := d.watchdogPeriod(); period > 0 {
		t := time.NewTicker(period)
		defer t.Stop()
		watchdog = t.C
	}
	for {
		select {
		case <-sample.C:
			d.sample(time.Now())
		case <-purge.C:
			d.purge()
		case <-watchdog:
			// Status takes every lock of the daemon: a deadlock ends the notifications.
			_ = d.Status()
			d.notify("WATCHDOG=1")
		case <-ctx.Done():
			return
		}
	}
}

// sample takes readings of what is told as a rate or with a since.
func (d *Daemon) sample(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.followers {
		f.rate.add(now, f.applier.Status().Applied)
	}
}

// purge removes what the relay need not keep.
func (d *Daemon) purge() {
	if d.relay.Empty() {
		return
	}
	lost, err := d.relay.Purge(d.applied())
	if err != nil {
		d.logger.Warn("could not remove old segments of the relay", zap.Error(err))
	}
	if len(lost) > 0 {
		d.history.Record(history.Event{Level: history.Error, Kind: history.RelayPurged,
			Message: fmt.Sprintf("the relay reached relay.max_size: transactions were removed that these followers lack: %s", strings.Join(lost, ", ")),
			Mend:    "rebuild these followers; give the relay more room for the next time"})
	}
}

// applied tells what each follower has, as far as it matters to the relay: one
// that never answered may need everything, one that needs a seed can use
// nothing.
func (d *Daemon) applied() map[string]gtid.Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	applied := map[string]gtid.Set{}
	for _, in := range d.observer.View().Instances {
		f := d.followers[in.Name]
		if f == nil || f.applier.Status().State == applier.NeedsSeed {
			continue
		}
		applied[in.Name] = gtid.Set{}
		if in.Facts != nil {
			applied[in.Name] = in.Facts.GTIDExecuted
		}
	}
	return applied
}

// guard has a follower admitted anew whose writes were allowed by somebody, or
// that has transactions which the leader hasn't, until ctx ends.
func (d *Daemon) guard(ctx context.Context) {
	for {
		changed := d.observer.Changed()
		view := d.observer.View()
		d.mu.Lock()
		for _, in := range view.Instances {
			f := d.followers[in.Name]
			if f == nil || in.Facts == nil {
				continue
			}
			state := f.applier.Status().State
			back := in.Reachable() && !f.reachable && state == applier.Unreachable
			clean := in.Errant.IsEmpty() && f.errant && state == applier.Quarantined
			if back || clean {
				f.applier.Recheck()
			}
			f.reachable, f.errant = in.Reachable(), !in.Errant.IsEmpty()
			if !f.reachable || f.applier.Status().Mode == "" {
				continue
			}
			if at := f.gate.admitted.Load(); at == nil || !in.Answered.After(*at) {
				continue // said before it was made ready
			}
			if !in.Errant.IsEmpty() || !in.Facts.ReadOnly || in.Facts.SuperReadOnly {
				f.applier.Recheck()
			}
		}
		d.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// rateWindow is the number of readings that a rate is taken over.
const rateWindow = 5

// rate is how fast a counter grows.
type rate struct {
	readings [rateWindow]reading
	n        int
}

type reading struct {
	at    time.Time
	count int64
}

func (r *rate) add(at time.Time, count int64) {
	r.readings[r.n%rateWindow] = reading{at, count}
	r.n++
}

// perSecond is the growth over the last readings; false when there are less
// than two.
func (r *rate) perSecond() (float64, bool) {
	if r.n < 2 {
		return 0, false
	}
	newest, oldest := r.readings[(r.n-1)%rateWindow], r.readings[0]
	if r.n > rateWindow {
		oldest = r.readings[r.n%rateWindow]
	}
	return float64(newest.count-oldest.count) / newest.at.Sub(oldest.at).Seconds(), true
}
