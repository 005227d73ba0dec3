package daemon

import (
	"context"

	"go.uber.org/zap"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/history"
	"github.com/batondb/baton/internal/logkey"
	"github.com/batondb/baton/internal/mysql"
)

// lead has the controller stream from the leader, apply to the others and hand
// over, until ctx ends. It begins when the relay has its beginning.
func (d *Daemon) lead(ctx context.Context) {
	if !d.begin(ctx) {
		return
	}
	d.mu.Lock()
	d.mayFollow = true
	d.mu.Unlock()
	d.stream.begin()
	if err := d.control.Begin(ctx); err != nil {
		d.history.Record(history.Event{Level: history.Error, Kind: history.SourceStopped, Message: err.Error(), Mend: "restart baton when the cause is mended"})
		return
	}
	if err := d.control.Run(ctx); err != nil {
		d.failed <- err
	}
}

// begin gives an empty relay its beginning, which takes a leader that answers.
// It returns false when ctx ended before.
func (d *Daemon) begin(ctx context.Context) bool {
	for d.relay.Empty() {
		changed := d.observer.Changed()
		base, ok := d.start()
		if ok {
			if err := d.relay.Init(base); err != nil {
				d.history.Record(history.Event{Level: history.Error, Kind: history.RelayFailed, Message: err.Error(),
					Mend: "free space in the state directory or put its permissions right, then restart baton"})
				return false
			}
			d.logger.Info("the relay begins", zap.Stringer(logkey.GTIDSet, base))
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// start is where an empty relay begins: at what all followers have in common. A
// follower that doesn't answer may have nothing; then it is the oldest that the
// leader can give. false while an instance hasn't been asked, or the leader
// doesn't answer or can't be read from: no follower is touched for it then.
func (d *Daemon) start() (gtid.Set, bool) {
	for _, in := range d.observer.View().Instances {
		if !in.Observed || in.Leader && in.Fault != nil {
			return gtid.Set{}, false
		}
	}
	if d.blocking(d.state.get().Leader) != nil {
		return gtid.Set{}, false
	}
	cluster := d.observer.Cluster()
	base, ok := cluster.Start()
	if !ok {
		return gtid.Set{}, false
	}
	for _, m := range cluster.Members {
		if m.Facts == nil {
			for _, leader := range cluster.Members {
				if leader.Leader {
					return leader.Facts.GTIDPurged, true
				}
			}
		}
	}
	return base, true
}

// blocking is what forbids replicating from or to an instance; nil for nothing.
func (d *Daemon) blocking(instance string) *mysql.Finding {
	return mysql.Blocking(d.observer.Findings(), instance)
}
