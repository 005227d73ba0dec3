package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/integration/mysqltest"
)

// FanOut is what more followers cost.
type FanOut struct {
	Rate    int            `json:"rate"` // transactions a second
	Seconds int            `json:"seconds"`
	Series  []FanOutSeries `json:"series"`
}

// FanOutSeries is that of one way to replicate, to so many followers.
type FanOutSeries struct {
	Name      string `json:"name"`
	Native    bool   `json:"native"`
	Followers int    `json:"followers"`
	Runs      []Run  `json:"runs"` // the followers' CPU is that of all
}

// manyFollowers is what one follower is compared with.
const manyFollowers = 5

// fan is a way to replicate, to so many followers.
type fan struct {
	contestant
	followers int
}

// fans lists those whose names match a regular expression.
func fans(only string) []fan {
	native, baton := contestant{name: nativeDefault}, withBaton(batonRelaxed, "relaxed", "off", true)
	return chosen([]fan{{native, 1}, {native, manyFollowers}, {baton, 1}, {baton, manyFollowers}}, only)
}

func (b *bench) planFanOut() {
	st := &stage{rounds: b.opts.rounds, before: b.fillGuess() + overhead, guess: time.Duration(b.opts.seconds)*time.Second + 4*time.Second}
	for _, f := range fans(b.opts.only) {
		st.names = append(st.names, fmt.Sprintf("fan-out to %d, %s", f.followers, f.name))
	}
	if len(st.names) > 0 {
		b.add(st, b.fanOuts)
	}
}

// fanOuts measures one follower beside several, round by round, on servers that stay: those that a run leaves out it
// doesn't touch, and the next one that has them lets them catch up before it measures.
func (b *bench) fanOuts(ctx context.Context, st *stage) error {
	result := &FanOut{Rate: b.opts.rate, Seconds: b.opts.seconds}
	all := fans(b.opts.only)
	for _, f := range all {
		result.Series = append(result.Series, FanOutSeries{Name: f.name, Native: f.native(), Followers: f.followers})
	}
	dir, err := os.MkdirTemp(b.dir, "fanout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	from, err := b.fromBase(ctx)
	if err != nil {
		return err
	}
	leader, err := b.launch(ctx, dir, "leader", from)
	if err != nil {
		return err
	}
	defer leader.Close()
	followers, err := b.launchSeveral(ctx, dir, manyFollowers, func(int) mysqltest.Option { return from })
	defer closeAll(followers)
	if err != nil {
		return err
	}
	b.report.FanOut = result
	return b.inTurns(ctx, st, "fan-out", func(ctx context.Context, i, round int) (string, error) {
		r, err := b.fanOut(ctx, all[i].contestant, leader, followers[:all[i].followers])
		if err != nil {
			return "", err
		}
		result.Series[i].Runs = append(result.Series[i].Runs, r.of(round))
		return fmt.Sprintf("CPU: leader %.2f s, baton %.2f s", r.LeaderCPU, r.BatonCPU), nil
	})
}

// launchSeveral starts n followers side by side, each from what an option of its own says. Those that run are returned
// with an error too.
func (b *bench) launchSeveral(ctx context.Context, dir string, n int, from func(i int) mysqltest.Option) ([]*mysqltest.Server, error) {
	servers := make([]*mysqltest.Server, n)
	var group errgroup.Group
	for i := range servers {
		group.Go(func() (err error) {
			servers[i], err = b.launch(ctx, dir, fmt.Sprintf("follower%d", i+1), from(i))
			return err
		})
	}
	return servers, group.Wait()
}

func closeAll(servers []*mysqltest.Server) {
	for _, s := range servers {
		if s != nil {
			s.Close()
		}
	}
}

// fanOut measures once: from when all have everything, over a load at a fixed rate, until all have that too.
func (b *bench) fanOut(ctx context.Context, c contestant, leader *mysqltest.Server, followers []*mysqltest.Server) (run Run, err error) {
	dir, err := os.MkdirTemp(b.dir, "baton-")
	if err != nil {
		return run, err
	}
	defer os.RemoveAll(dir)
	r, err := c.replicate(ctx, b.opts.baton, dir, nil, leader, followers...)
	if err != nil {
		return run, err
	}
	defer r.stop()
	if err := r.start(ctx); err != nil {
		return run, err
	}
	if err := waitForAll(ctx, r, leader, followers); err != nil {
		return run, err
	}
	if err := apart(leader, r, followers...); err != nil {
		return run, err
	}
	if run, err = b.fanOutUnder(ctx, r, leader, followers); err != nil {
		return run, err
	}
	if err := r.stop(); err != nil {
		return run, err
	}
	for _, follower := range followers {
		// baton takes no follower that is another's replica.
		if c.native() {
			if err := (&native{follower}).exec(ctx, "RESET REPLICA ALL"); err != nil {
				return run, err
			}
		}
	}
	return run, nil
}

func (b *bench) fanOutUnder(ctx context.Context, r replication, leader *mysqltest.Server, followers []*mysqltest.Server) (run Run, err error) {
	var pids []int
	for _, f := range followers {
		pids = append(pids, f.Pid())
	}
	use, err := startMeter(leader.Pid(), pids...)
	if err != nil {
		return run, err
	}
	before, _, err := r.used()
	if err != nil {
		return run, err
	}
	began := time.Now()
	said, err := runSysbench(ctx, leaderSide, leader, "oltp_write_only", "run", fmt.Sprintf("--threads=%d", writers), fmt.Sprintf("--time=%d", b.opts.seconds),
		fmt.Sprintf("--rate=%d", b.opts.rate), "--percentile=99", "--rand-seed=42")
	if err != nil {
		return run, err
	}
	if run.Transactions, _, _, err = parseSysbench(said); err != nil {
		return run, err
	}
	if err := waitForAll(ctx, r, leader, followers); err != nil {
		return run, err
	}
	run.Seconds = time.Since(began).Seconds()
	if run.LeaderCPU, run.FollowerCPU, err = use.read(); err != nil {
		return run, err
	}
	run.BatonCPU, run.BatonPeak, err = r.used()
	run.BatonCPU -= before
	return run, err
}

// waitForAll waits until the followers have what the leader has now.
func waitForAll(ctx context.Context, r replication, leader *mysqltest.Server, followers []*mysqltest.Server) error {
	has, err := executed(ctx, leader)
	if err != nil {
		return err
	}
	for _, f := range followers {
		if err := waitFor(ctx, f, r, has); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}
