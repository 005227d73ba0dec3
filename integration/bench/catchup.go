package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// planCatchUp plans a stage for each load.
func (b *bench) planCatchUp() {
	for i, name := range b.opts.loads {
		l := loadNamed(name)
		cost := time.Duration(l.count(b.opts.transactions)) * l.guess
		st := &stage{rounds: b.opts.rounds, before: writeGuess, guess: cost + overhead}
		if i == 0 {
			st.before += b.fillGuess()
		}
		all := contestants(b.opts.only)
		if i > 0 && !b.opts.every {
			all = slices.DeleteFunc(all, func(c contestant) bool { return !c.always })
		}
		for _, c := range all {
			st.names = append(st.names, l.name+" "+c.name)
		}
		if len(all) > 0 {
			b.add(st, func(ctx context.Context, st *stage) error { return b.catchUps(ctx, st, l, all) })
		}
	}
}

// catchUps lets the contestants catch up with a load, round by round.
func (b *bench) catchUps(ctx context.Context, st *stage, what load, all []contestant) error {
	l, err := b.leaderWith(ctx, what)
	if err != nil {
		return err
	}
	for _, c := range all {
		l.result.Contestants = append(l.result.Contestants, Contestant{Name: c.name, Settings: c.settings, Native: c.native()})
	}
	b.report.CatchUp = append(b.report.CatchUp, l.result)
	return b.inTurns(ctx, st, "catch-up with "+what.name, func(ctx context.Context, i, round int) (string, error) {
		r, err := b.catchUp(ctx, l, all[i], round)
		if err != nil {
			return "", err
		}
		l.result.Contestants[i].Runs = append(l.result.Contestants[i].Runs, r)
		return fmt.Sprintf("%.1f s", r.Seconds), nil
	})
}

// catchUp measures one contestant once, from the start of replication until the follower has executed everything: what
// is fetched, written to a relay log and applied.
func (b *bench) catchUp(ctx context.Context, l *loaded, c contestant, round int) (run Run, err error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return run, err
	}
	defer os.RemoveAll(dir)
	from, err := b.fromBase(ctx)
	if err != nil {
		return run, err
	}
	follower, err := b.launch(ctx, dir, "follower", append(c.options, from)...)
	if err != nil {
		return run, err
	}
	defer follower.Close()
	r, err := c.replicate(ctx, b.opts.baton, dir, nil, l.leader, follower)
	if err != nil {
		return run, err
	}
	defer r.stop()
	use, err := startMeter(l.leader.Pid(), follower.Pid())
	if err != nil {
		return run, err
	}
	began := time.Now()
	if err := r.start(ctx); err != nil {
		return run, err
	}
	if err := waitFor(ctx, follower, r, l.executed); err != nil {
		return run, err
	}
	run = Run{Round: round, Seconds: time.Since(began).Seconds()}
	if run.LeaderCPU, run.FollowerCPU, err = use.read(); err != nil {
		return run, err
	}
	if run.FollowerPeak, err = peakMemory(follower.Pid()); err != nil {
		return run, err
	}
	if run.BatonCPU, run.BatonPeak, err = r.used(); err != nil {
		return run, err
	}
	if err := r.stop(); err != nil {
		return run, err
	}
	return run, verify(ctx, l.leader, follower, round == 1)
}
