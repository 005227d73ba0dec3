package check

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

// Leader returns the name of the leader of a cluster whose daemon has no state
// yet: whom the configuration names, else the only instance, else the only one
// that can be written to. Where that leaves a doubt, the error says what is
// needed; an instance that doesn't answer is one, since it might be the leader.
func Leader(ctx context.Context, cfg config.Config) (string, error) {
	if cfg.Leader != "" {
		return cfg.Leader, nil
	}
	if len(cfg.Instances) == 1 {
		return cfg.Instances[0].Name, nil
	}
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
	for _, m := range members {
		if m.Fault != nil {
			return "", errors.New("no leader is known: " + m.Name + " doesn't answer, and it may lead: " + m.Fault.Message +
				"; name the leader in the configuration: leader: NAME")
		}
	}
	leader, unknown := leaderOf(cfg, nil, members)
	if unknown != nil {
		return "", errors.New("no leader is known: " + unknown.Message + "; " + unknown.Mend)
	}
	return cfg.Instances[leader].Name, nil
}
