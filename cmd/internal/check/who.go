package check

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

// Leader returns the name of the leader of a cluster whose daemon has no state
// directory, and the epoch that it leads in, 0 where none was ever counted.
//
// Where instances know an epoch (baton.epoch), the newest counts: baton has led
// the cluster before and has lost its state. Otherwise it is whom the
// configuration names, else the only instance, else the only one that can be
// written to. Where that leaves a doubt, the error says what is needed: an
// instance that doesn't answer is one, since it might have led last.
func Leader(ctx context.Context, cfg config.Config) (name string, epoch int64, err error) {
	witnesses := make([]witness, len(cfg.Instances))
	var asking errgroup.Group
	asking.SetLimit(atOnce)
	for i, in := range cfg.Instances {
		asking.Go(func() error {
			witnesses[i] = hear(ctx, in)
			return nil
		})
	}
	_ = asking.Wait() // no error is returned above
	newest := witness{}
	for _, w := range witnesses {
		if w.known && w.epoch.Number > newest.epoch.Number {
			newest = w
		}
	}
	if newest.known {
		name, err := leaderOfEpoch(cfg, witnesses, newest)
		return name, newest.epoch.Number, err
	}
	name, err = firstLeader(cfg, witnesses)
	return name, 0, err
}

// A witness is what one instance says of who leads.
type witness struct {
	mysql.Member
	epoch mysql.Epoch
	known bool // it knows an epoch
}

func hear(ctx context.Context, in config.Instance) witness {
	w := witness{Member: inspect(ctx, in)}
	if w.Fault != nil {
		return w
	}
	ctx, cancel := context.WithTimeout(ctx, instanceTimeout)
	defer cancel()
	target, err := mysql.TargetOf(in)
	if err == nil {
		db, openErr := target.Open()
		if err = openErr; err == nil {
			defer func() { _ = db.Close() }() // nothing was written
			w.epoch, w.known, err = mysql.ReadEpoch(ctx, db)
		}
	}
	if err != nil {
		w.Fault = mysql.Classify(err)
	}
	return w
}

// leaderOfEpoch returns whom the newest epoch belongs to, if nothing speaks
// against it.
func leaderOfEpoch(cfg config.Config, witnesses []witness, newest witness) (string, error) {
	said := fmt.Sprintf("baton.epoch on %s says that %s leads in epoch %d", newest.Name, newest.epoch.Leader, newest.epoch.Number)
	for _, w := range witnesses {
		if w.Fault != nil {
			return "", fmt.Errorf("it is not certain who leads: %s, but %s doesn't answer and might know a later one (%s); bring it back, or take it out of the configuration if it never will be",
				said, w.Name, w.Fault.Message)
		}
	}
	for _, w := range witnesses {
		if w.Facts == nil || w.Facts.ServerUUID != newest.epoch.LeaderUUID {
			continue
		}
		if cfg.Leader != "" && cfg.Leader != w.Name {
			return "", fmt.Errorf("it is not certain who leads: the configuration says %s, and %s; if that is right, set leader: %s", cfg.Leader, said, w.Name)
		}
		return w.Name, nil
	}
	return "", fmt.Errorf("it is not certain who leads: %s, which is no instance of the configuration; add it", said)
}

// firstLeader returns who leads a cluster that baton hasn't led before.
func firstLeader(cfg config.Config, witnesses []witness) (string, error) {
	if cfg.Leader != "" {
		return cfg.Leader, nil
	}
	if len(cfg.Instances) == 1 {
		return cfg.Instances[0].Name, nil
	}
	var members []mysql.Member
	for _, w := range witnesses {
		if w.Fault != nil {
			return "", errors.New("no leader is known: " + w.Name + " doesn't answer, and it may lead: " + w.Fault.Message +
				"; name the leader in the configuration: leader: NAME")
		}
		members = append(members, w.Member)
	}
	leader, unknown := leaderOf(cfg, nil, members)
	if unknown != nil {
		return "", errors.New("no leader is known: " + unknown.Message + "; " + unknown.Mend)
	}
	return cfg.Instances[leader].Name, nil
}
