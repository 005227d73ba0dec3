package daemon

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/batondb/baton/applier"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/binlog/source"
	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/failover"
)

// Status implements [admin.Cluster].
func (d *Daemon) Status() admin.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.state.get()
	forecast := d.control.Forecast()
	s := admin.Status{
		Cluster: m.Cluster, Epoch: m.Epoch, Leader: admin.Text(m.Leader),
		Durability:   d.durabilityStatus(forecast),
		Source:       d.sourceStatus(),
		Relay:        d.relayStatus(),
		Forecast:     forecastOf(forecast),
		LeaderHealth: admin.LeaderHealth{Health: admin.Text(forecast.Verdict.Health), Reason: admin.Text(forecast.Verdict.Reason)},
		Endpoints:    d.endpointsStatus(),
		HandOver:     underWay(m.HandOver), LastHandOver: lastOf(m.Last), FailoverPaused: m.FailoverPaused,
		Daemon: admin.Daemon{Version: d.opts.Build.Version, PID: os.Getpid(), Started: d.started},
		Time:   time.Now(),
	}
	view := d.observer.View()
	durable := d.relay.Durable()
	for _, in := range view.Instances {
		if in.Leader {
			s.Instances = append(s.Instances, d.leaderStatus(in))
		} else {
			s.Instances = append(s.Instances, d.followerStatus(in, durable))
		}
	}
	return s
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (d *Daemon) durabilityStatus(f failover.Forecast) admin.Durability {
	state := admin.Unprotected
	if f.Protected {
		state = admin.Protected
	}
	return admin.Durability{Mode: admin.Text(d.cfg.Durability.Mode), State: admin.Text(state), Since: moment(f.Since)}
}

// forecastOf is what a failover now would do.
func forecastOf(f failover.Forecast) admin.Forecast {
	shown := admin.Forecast{WouldLose: &f.Plan.WouldLose, BlockedBy: admin.Text(f.Plan.BlockedBy)}
	if len(f.Plan.Candidates) > 0 {
		shown.Candidate = admin.Text(f.Plan.Candidates[0].Name)
	}
	for _, c := range f.Plan.Candidates {
		shown.Candidates = append(shown.Candidates, admin.Candidate{Instance: c.Name, Lacks: c.Lacks})
	}
	for _, r := range f.Plan.Refused {
		shown.Refused = append(shown.Refused, admin.Refusal{Instance: r.Instance, Reason: r.Reason})
	}
	return shown
}

func underWay(h *failover.HandOver) *admin.HandOver {
	if h == nil {
		return nil
	}
	return &admin.HandOver{Kind: string(h.Kind), From: h.From, To: admin.Text(h.To), Step: admin.Text(h.Step), Since: h.Started}
}

func lastOf(r *failover.Result) *admin.LastHandOver {
	if r == nil {
		return nil
	}
	return &admin.LastHandOver{Kind: string(r.Kind), From: r.From, To: r.To, At: r.At, Seconds: &r.Seconds, UnwritableSeconds: &r.UnwritableSeconds}
}

func (d *Daemon) sourceStatus() admin.Source {
	st, before, _ := d.stream.status()
	states := map[source.State]admin.Text{
		source.Connecting: admin.SourceConnecting, source.Streaming: admin.SourceConnected, source.Stopped: admin.SourceStopped,
	}
	s := admin.Source{
		State: states[st.State], Since: moment(st.Since), Error: admin.Text(st.Error), Mend: admin.Text(st.Mend),
		ServerID: d.state.get().ServerID, Connects: int64(before.connects + st.Connections), Acknowledged: int64(before.acknowledged + st.SemiSync.Acknowledgements),
	}
	if st.State == source.Stopped && st.Reason == "" {
		s.State = admin.SourceConnecting // it waits for the relay's beginning
	}
	return s
}

func (d *Daemon) relayStatus() admin.Relay {
	st := d.relay.Stats()
	source, before, _ := d.stream.status()
	received, durable, base := d.relay.Received(), d.relay.Durable(), d.relay.Base()
	r := admin.Relay{
		Bytes: st.Bytes, Segments: st.Segments, MemoryBytes: st.TailBytes, Fsyncs: int64(st.Syncs), FsyncSeconds: st.SyncTime.Seconds(),
		Transactions: int64(st.Transactions), WrittenBytes: int64(before.bytes + source.Bytes), Oldest: moment(st.OldestAt),
	}
	if !d.relay.Empty() {
		r.Received, r.Durable, r.Purged = &received, &durable, &base
	}
	if st.Failed != nil {
		r.Error, r.FailedSince = admin.Text(st.Failed.Error()), moment(st.FailedSince)
		r.Mend = "free space on the disk of the state directory, or mend it; baton goes on by itself"
	}
	return r
}

// observed is what is told of every instance.
func observed(in failover.Instance) admin.Instance {
	i := admin.Instance{Name: in.Name, Address: in.Address, Since: moment(in.Since)}
	if in.Facts != nil {
		executed := in.Facts.GTIDExecuted
		i.GTIDExecuted, i.Version = &executed, admin.Text(in.Facts.Version.Text)
	}
	if in.Facts != nil {
		errant := in.Errant
		i.Errant = &errant
	}
	if in.Fault != nil {
		i.Error, i.Mend = admin.Text(in.Fault.Message), admin.Text(in.Fault.Mend)
	}
	return i
}

func (d *Daemon) leaderStatus(in failover.Instance) admin.Instance {
	i := observed(in)
	i.Role = admin.Leader
	st, _, _ := d.stream.status()
	switch {
	case st.State == source.Streaming:
		i.State = admin.Streaming
	case st.State == source.Stopped && st.Reason != "":
		i.State, i.Error, i.Mend = admin.Stopped, admin.Text(st.Error), admin.Text(st.Mend)
	default:
		i.State = admin.Unreachable
		if i.Error == "" {
			i.Error = admin.Text(st.Error)
		}
		if why := d.blocking(in.Name); in.Fault == nil && why != nil {
			// It answers, and nothing is asked of it before this is mended.
			i.State, i.Error, i.Mend = admin.Stopped, admin.Text(why.Message), admin.Text(why.Mend)
			if why.SQL != "" {
				i.Mend += admin.Text(": " + why.SQL)
			}
		}
	}
	i.Since = moment(st.Since)
	return i
}

func (d *Daemon) followerStatus(in failover.Instance, durable gtid.Set) admin.Instance {
	i := observed(in)
	i.Role, i.State = admin.Follower, admin.Unreachable
	f := d.followers[in.Name]
	if in.Facts != nil && !d.relay.Empty() {
		behind := durable.Subtract(in.Facts.GTIDExecuted).Count()
		i.BehindTransactions = &behind
	}
	if f == nil {
		if in.Fault == nil && in.Observed && d.relay.Empty() {
			i.State, i.Error, i.Mend = admin.Stopped, "nothing is applied to it before the leader can be read from", "look at what is said of the leader"
		}
		return i
	}
	st := f.applier.Status()
	if st.Mode != "" && st.Behind >= 0 {
		i.BehindTransactions = &st.Behind // what was asked of the server is older
	}
	states := map[applier.State]string{
		applier.Connecting: admin.Unreachable, applier.Streaming: admin.Streaming, applier.CatchingUp: admin.CatchingUp,
		applier.Paused: admin.Paused, applier.Stopped: admin.Stopped, applier.Unreachable: admin.Unreachable,
		applier.Quarantined: admin.Quarantined, applier.NeedsSeed: admin.NeedsSeed,
	}
	i.State, i.Since, i.Mode, i.Clock = states[st.State], moment(st.Since), admin.Text(st.Mode), admin.Text(st.Clock)
	i.BinlogReaders = st.Readers
	i.Batches = admin.Batches{Commits: st.Batches.Commits, Transactions: st.Batches.Transactions,
		Early: st.Batches.Early, GaveWay: st.Batches.GaveWay, Seconds: st.Batches.Took.Seconds()}
	i.Applied, i.AppliedBytes, i.Retried, i.Ahead = st.Applied, st.Bytes, st.Retries, st.Ahead
	if st.Lag >= 0 {
		lag := st.Lag.Seconds()
		i.LagSeconds = &lag
	}
	if perSecond, ok := f.rate.perSecond(); ok {
		i.AppliedPerSecond = &perSecond
	}
	if fail := st.Failure; fail != nil {
		i.Error, i.Mend = admin.Text(fail.Message), admin.Text(fail.Mend)
		if !fail.GTID.IsZero() {
			i.FailedGTID, i.FailedTable = admin.Text(fail.GTID.String()), admin.Text(strings.Join(fail.Tables, ", "))
		}
	}
	if in.Fault != nil && (st.State == applier.Streaming || st.State == applier.CatchingUp) {
		// The applier's connections are still there; the instance answers nobody.
		i.State = admin.Unreachable
		i.Error, i.Mend = admin.Text(fmt.Sprintf("it doesn't answer: %s", in.Fault.Message)), admin.Text(in.Fault.Mend)
	}
	return i
}
