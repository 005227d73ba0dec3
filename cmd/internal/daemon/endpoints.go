package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover"
	"github.com/batondb/baton/failover/endpoint"
	"github.com/batondb/baton/failover/plan"
)

// observeInterval is how old what endpoints know of the followers may be.
const observeInterval = 100 * time.Millisecond

// configureEndpoints makes the endpoints those of a configuration.
func (d *Daemon) configureEndpoints(ctx context.Context, cfg config.Config) error {
	addresses := map[string]string{}
	for _, in := range cfg.Instances {
		addresses[in.Name] = in.Address
	}
	configs := make([]endpoint.Config, 0, len(cfg.Endpoints))
	for _, e := range cfg.Endpoints {
		allow, err := networksOf(e.Allow)
		if err != nil {
			return err
		}
		balancers, err := networksOf(e.AcceptProxy)
		if err != nil {
			return err
		}
		configs = append(configs, endpoint.Config{
			Listen: e.Listen, Route: endpoint.Route(e.Route), MaxLag: e.MaxLag, RefuseWithoutFollower: e.Fallback == config.FallbackRefuse,
			MaxConnections: e.MaxConnections, MaxHeld: e.MaxHeld, HoldTimeout: e.HoldTimeout, ConnectTimeout: e.ConnectTimeout,
			Allow: allow, AcceptProxy: balancers, SendProxy: e.SendProxy == config.ProxyV2,
		})
	}
	return d.endpoints.Configure(ctx, configs, addresses)
}

func networksOf(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("read a network of an endpoint: %w", err)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// tellEndpoints tells the endpoints how the followers are, until ctx ends.
func (d *Daemon) tellEndpoints(ctx context.Context) {
	ticker := time.NewTicker(observeInterval)
	defer ticker.Stop()
	var heard time.Time
	for {
		var stale time.Duration
		stale, heard = d.staleness(time.Now(), heard)
		d.endpoints.Observe(d.readable(stale, heard))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// staleness is how long ago the leader was last heard of, beyond what is usual: by
// that much more than their lag followers may be behind it. A leader that died
// has nothing to tell. It returns when that was, too, be it from a stream before
// this one.
func (d *Daemon) staleness(now, before time.Time) (stale time.Duration, heard time.Time) {
	heard = before
	if st := d.stream.State(); st.Heard.After(heard) {
		heard = st.Heard
	}
	d.mu.Lock()
	usual := usualSilence * d.cfg.Failover.Interval
	d.mu.Unlock()
	if stale = now.Sub(heard); stale <= usual || d.control.Forecast().Verdict.Health == plan.Died {
		return 0, heard
	}
	return stale, heard
}

// usualSilence is how many heartbeats may be late.
const usualSilence = 3

// readable tells, of each follower, whether it is to be read from, and how far it
// may be behind.
func (d *Daemon) readable(stale time.Duration, heard time.Time) []endpoint.Follower {
	view := d.observer.View()
	d.mu.Lock()
	defer d.mu.Unlock()
	var followers []endpoint.Follower
	for _, in := range view.Instances {
		if !in.Leader {
			followers = append(followers, d.readableFollower(in, stale, heard))
		}
	}
	return followers
}

// readableFollower is readable of one. d.mu is held.
func (d *Daemon) readableFollower(in failover.Instance, stale time.Duration, heard time.Time) endpoint.Follower {
	shown := endpoint.Follower{Name: in.Name}
	f := d.followers[in.Name]
	if f == nil {
		shown.Problem = "nothing is applied to it"
		return shown
	}
	st := f.applier.Status()
	switch {
	case in.Fault != nil:
		shown.Problem = "it doesn't answer: " + in.Fault.Message
	case st.Failure != nil:
		shown.Problem = fmt.Sprintf("it is %s: %s", st.State, st.Failure.Message)
	case st.Mode == "":
		shown.Problem = fmt.Sprintf("it is %s", st.State)
	case st.Lag < 0 || heard.IsZero():
		shown.Problem = "its lag isn't known"
	default:
		shown.Lag = st.Lag + stale
	}
	return shown
}

// endpointsStatus is how the endpoints are.
func (d *Daemon) endpointsStatus() []admin.Endpoint {
	view := d.endpoints.View()
	var all []admin.Endpoint
	for _, st := range d.endpoints.Status() {
		e := admin.Endpoint{Listen: st.Listen, Route: string(st.Route), Held: st.Held, HeldTotal: st.HeldTotal,
			Connections: st.Connections, Opened: st.Opened, Refused: map[string]uint64{}}
		if st.Route == endpoint.ToLeader {
			e.LeadsTo, e.Holding = admin.Text(view.Leader), admin.Text(view.Held)
		}
		for _, reason := range endpoint.Reasons() {
			e.Refused[string(reason)] = st.Refused[reason]
		}
		all = append(all, e)
	}
	return all
}
