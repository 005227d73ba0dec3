// Package check asks every instance of a configuration what decides whether it
// can take part, and has it judged. It owns who is asked in which order; the
// judgement is internal/mysql's, the same as the daemon's.
//
// It promises to change nothing anywhere, and that an instance that can't be
// asked is a finding, not an error. Where a daemon of the cluster runs, it
// tells who leads and what the relay holds; none is needed.
package check

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

const (
	// instanceTimeout bounds what is asked of one instance.
	instanceTimeout = time.Minute
	// daemonTimeout bounds the answer of a daemon.
	daemonTimeout = 3 * time.Second
	// atOnce is the number of instances that are asked at the same time.
	atOnce = 16
)

// Run checks the instances of cfg. It returns an error only when ctx ends.
func Run(ctx context.Context, cfg config.Config) ([]mysql.Finding, error) {
	daemon := ask(ctx, cfg.Admin.Socket)
	members := make([]mysql.Member, len(cfg.Instances))
	var asking errgroup.Group
	asking.SetLimit(atOnce)
	for i, in := range cfg.Instances {
		asking.Go(func() error {
			members[i] = inspect(ctx, in)
			return nil
		})
	}
	_ = asking.Wait() // no error is returned above
	leader, unknown := leaderOf(cfg, daemon, members)
	if leader >= 0 {
		// Once more, since what is read later may hold more, and a follower
		// would seem to have what its leader has not.
		members[leader] = inspect(ctx, cfg.Instances[leader])
		members[leader].Leader = true
	}
	cluster := mysql.Cluster{Members: members, SemiSync: cfg.Durability.Mode != config.Async, Endpoints: len(cfg.Endpoints) > 0}
	if mode := cfg.Apply.CatchUp.Mode; mode != config.CatchUpOff {
		cluster.Batches = string(mode)
	}
	if daemon != nil {
		cluster.BatonID = daemon.Source.ServerID
		cluster.Relay = relayOf(ask(ctx, cfg.Admin.Socket))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	findings := mysql.Examine(cluster)
	if unknown != nil {
		findings = append([]mysql.Finding{*unknown}, findings...)
	}
	return findings, nil
}

// ask returns the status of the daemon, nil when none answers.
func ask(ctx context.Context, socket string) *admin.Status {
	ctx, cancel := context.WithTimeout(ctx, daemonTimeout)
	defer cancel()
	s, _, err := admin.NewClient(socket).Status(ctx)
	if err != nil {
		return nil
	}
	return &s
}

func relayOf(daemon *admin.Status) *mysql.RelaySets {
	if daemon == nil || daemon.Relay.Durable == nil || daemon.Relay.Purged == nil {
		return nil
	}
	return &mysql.RelaySets{Base: *daemon.Relay.Purged, Durable: *daemon.Relay.Durable}
}

func inspect(ctx context.Context, in config.Instance) mysql.Member {
	ctx, cancel := context.WithTimeout(ctx, instanceTimeout)
	defer cancel()
	m := mysql.Member{Name: in.Name, Address: in.Address}
	facts, tables, err := read(ctx, in)
	if err != nil {
		m.Fault = mysql.Classify(err)
		return m
	}
	m.Facts, m.Tables = &facts, tables
	return m
}

func read(ctx context.Context, in config.Instance) (mysql.Facts, *mysql.Tables, error) {
	target, err := mysql.TargetOf(in)
	if err != nil {
		return mysql.Facts{}, nil, err
	}
	db, err := target.Open()
	if err != nil {
		return mysql.Facts{}, nil, err
	}
	defer func() { _ = db.Close() }() // nothing was written
	facts, err := mysql.Inspect(ctx, db)
	if err != nil {
		return mysql.Facts{}, nil, err
	}
	tables, err := mysql.InspectTables(ctx, db)
	if err != nil {
		// Without them the judgement says so by leaving them out; what was read
		// before still counts.
		return facts, nil, nil
	}
	return facts, &tables, nil
}
