package daemon

import (
	"context"
	"fmt"

	"github.com/batondb/baton/cmd/internal/check"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

// settleLeader finds out who leads, once: the state directory knows it from
// then on. It returns the targets of all instances.
func (d *Daemon) settleLeader(ctx context.Context, cfg config.Config) ([]mysql.Target, error) {
	leader := d.state.get().Leader
	if leader == "" {
		var epoch int64
		var err error
		if leader, epoch, err = check.Leader(ctx, cfg); err != nil {
			return nil, err
		}
		if err := d.state.change(func(m *memory) { m.Leader, m.Epoch = leader, max(epoch, 1) }); err != nil {
			return nil, err
		}
	}
	if _, ok := cfg.Instance(leader); !ok {
		return nil, fmt.Errorf("%s leads, as the state in %s says, and is not among the instances of the configuration: add it again", leader, cfg.StateDir)
	}
	return targetsOf(cfg)
}

// targetsOf returns the targets of all instances, in the config's order.
func targetsOf(cfg config.Config) ([]mysql.Target, error) {
	targets := make([]mysql.Target, 0, len(cfg.Instances))
	for _, in := range cfg.Instances {
		t, err := mysql.TargetOf(in)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}
