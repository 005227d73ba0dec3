package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/integration/mysqltest"
)

// Memory is what baton needs at most with several followers, one of which lacks much.
type Memory struct {
	Followers    int   `json:"followers"`
	Transactions int   `json:"transactions"` // that one of them lacks
	BinlogBytes  int64 `json:"binlog_bytes"`
	Runs         []Run `json:"runs"` // Seconds is how long the one took to catch up
}

func (b *bench) planMemory() {
	rows := time.Duration(b.opts.transactions) * time.Millisecond
	b.add(&stage{rounds: 1, before: b.fillGuess() + rows/3, guess: rows/2 + 2*overhead, names: []string{"memory"}}, b.memory)
}

// memory measures the peak while one follower catches up with transactions of all sizes from the relay's segments, and
// all others are at the head of a leader that is written to.
func (b *bench) memory(ctx context.Context, st *stage) error {
	ahead, err := b.farAhead(ctx)
	if err != nil {
		return err
	}
	defer ahead.close()
	result := &Memory{Followers: manyFollowers, Transactions: ahead.transactions, BinlogBytes: ahead.bytes}
	b.report.Memory = result
	return b.inTurns(ctx, st, "memory", func(ctx context.Context, _, round int) (string, error) {
		r, err := b.memoryOnce(ctx, ahead.server)
		if err != nil {
			return "", err
		}
		result.Runs = append(result.Runs, r.of(round))
		return fmt.Sprintf("%s MiB", mebibytes(float64(r.BatonPeak))), nil
	})
}

// farAhead is a data directory with much that the base lacks.
type farAhead struct {
	base
	transactions int
	bytes        int64 // of binlog
}

func (b *bench) farAhead(ctx context.Context) (*farAhead, error) {
	from, err := b.fromBase(ctx)
	if err != nil {
		return nil, err
	}
	b.begin("%s: writing what one of %d followers lacks … ", clock(time.Since(b.began)), manyFollowers)
	s, err := b.launch(ctx, b.dir, "ahead", from)
	if err != nil {
		return nil, err
	}
	a := &farAhead{base: base{s}}
	if err := a.write(ctx, b.opts.transactions, b.opts.threads); err != nil {
		a.close()
		return nil, err
	}
	b.end("%.0f MB of binlog", float64(a.bytes)/1e6)
	return a, nil
}

func (a *farAhead) write(ctx context.Context, transactions, threads int) error {
	before, err := executed(ctx, a.server)
	if err != nil {
		return err
	}
	logs, err := binlogs(ctx, a.server)
	if err != nil {
		return err
	}
	for _, name := range []string{"wide", "large", "large", "large", "bulk"} {
		l := loadNamed(name)
		if err := l.write(ctx, a.server, l.count(transactions), threads); err != nil {
			return err
		}
	}
	// Transactions that the relay holds on disk only, if the bulk load was large enough for it.
	for range 2 {
		if _, err := a.server.DB().ExecContext(ctx, "INSERT INTO loads.bulk (k, c) SELECT k, c FROM loads.bulk"); err != nil {
			return err
		}
	}
	has, err := executed(ctx, a.server)
	if err != nil {
		return err
	}
	a.transactions = int(has.Count() - before.Count())
	if a.bytes, err = binlogSize(ctx, a.server, logs[len(logs)-1].name); err != nil {
		return err
	}
	return a.server.Stop(ctx)
}

func (b *bench) memoryOnce(ctx context.Context, ahead *mysqltest.Server) (run Run, err error) {
	dir, err := os.MkdirTemp(b.dir, "memory-")
	if err != nil {
		return run, err
	}
	defer os.RemoveAll(dir)
	from, err := b.fromBase(ctx)
	if err != nil {
		return run, err
	}
	leader, err := b.launch(ctx, dir, "leader", mysqltest.CopyOf(ahead.DataDir))
	if err != nil {
		return run, err
	}
	defer leader.Close()
	followers, err := b.launchSeveral(ctx, dir, manyFollowers, func(i int) mysqltest.Option {
		if i == 0 {
			return from
		}
		return mysqltest.CopyOf(ahead.DataDir)
	})
	defer closeAll(followers)
	if err != nil {
		return run, err
	}
	defaults := contestant{name: "baton, defaults", apply: map[string]any{}}
	r, err := defaults.replicate(ctx, b.opts.baton, dir, nil, leader, followers...)
	if err != nil {
		return run, err
	}
	defer r.stop()
	began := time.Now()
	if err := r.start(ctx); err != nil {
		return run, err
	}
	if err := trickleUntil(ctx, leader, func(ctx context.Context) error { return waitForAll(ctx, r, leader, followers[:1]) }); err != nil {
		return run, err
	}
	run.Seconds = time.Since(began).Seconds()
	if err := waitForAll(ctx, r, leader, followers); err != nil {
		return run, err
	}
	if run.BatonCPU, run.BatonPeak, err = r.used(); err != nil {
		return run, err
	}
	if err := r.stop(); err != nil {
		return run, err
	}
	for _, f := range followers {
		if err := verify(ctx, leader, f, true); err != nil {
			return run, err
		}
	}
	return run, nil
}

// trickleUntil writes small and large transactions to the leader, at an easy pace, until the function returns.
func trickleUntil(ctx context.Context, leader *mysqltest.Server, done func(context.Context) error) error {
	const pace, largeEvery = 20 * time.Millisecond, 20
	group, ctx := errgroup.WithContext(ctx)
	finished := make(chan struct{})
	group.Go(func() error {
		defer close(finished)
		return done(ctx)
	})
	group.Go(func() error {
		for i := 0; ; i++ {
			statement := writeWide(i)
			if i%largeEvery == 0 {
				statement = writeLarge(i / largeEvery)
			}
			if _, err := leader.DB().ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("write to the leader: %w", err)
			}
			select {
			case <-time.After(pace):
			case <-finished:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return group.Wait()
}
