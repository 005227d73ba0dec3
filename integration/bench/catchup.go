package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
)

// loaded is a leader that has been written to, and the state that it was in before.
type loaded struct {
	load         load
	leader       *mysqltest.Server
	before       *mysqltest.Server // stopped; its data directory is where followers begin
	firstBinlog  string            // that the leader has written the load to
	transactions int
	executed     gtid.Set // of the leader after the load
	result       *CatchUp
}

// close may be called twice, and on nil.
func (l *loaded) close() {
	if l == nil {
		return
	}
	for _, s := range []*mysqltest.Server{l.leader, l.before} {
		if s != nil {
			s.Close() // the folder goes with the whole run's
		}
	}
}

// loadLeader fills a server with tables, keeps its data as where followers begin, and writes the load to a copy of it.
func (b *bench) loadLeader(ctx context.Context, what load, transactions int) (*loaded, error) {
	l := &loaded{load: what, transactions: transactions}
	if err := b.fillLeader(ctx, l); err != nil {
		l.close()
		return nil, fmt.Errorf("load the leader: %w", err)
	}
	return l, nil
}

func (b *bench) fillLeader(ctx context.Context, l *loaded) error {
	b.begin("%s: filling %d tables with %d rows each … ", clock(time.Since(b.began)), tables, rows)
	var err error
	if l.before, err = b.launch(ctx, b.dir, "before"); err != nil {
		return err
	}
	if err := l.before.CreateAccount(ctx, mysqltest.User, mysqltest.Password); err != nil {
		return err
	}
	if err := prepare(ctx, l.before); err != nil {
		return err
	}
	if err := l.before.Stop(ctx); err != nil {
		return err
	}
	if l.leader, err = b.launch(ctx, b.dir, "leader", mysqltest.CopyOf(l.before.DataDir)); err != nil {
		return err
	}
	logs, err := binlogs(ctx, l.leader)
	if err != nil {
		return err
	}
	l.firstBinlog = logs[len(logs)-1].name
	b.end("done")

	b.begin("%s: writing %d transactions with %d threads (%s) … ", clock(time.Since(b.began)), l.transactions, b.opts.threads, l.load.about)
	began := time.Now()
	if err := l.load.write(ctx, l.leader, l.transactions, b.opts.threads); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	if l.executed, err = executed(ctx, l.leader); err != nil {
		return err
	}
	if logs, err = binlogs(ctx, l.leader); err != nil {
		return err
	}
	l.result = &CatchUp{Load: l.load.name, About: l.load.about, Transactions: l.transactions, LeaderSeconds: took}
	for _, log := range logs {
		if log.name >= l.firstBinlog {
			l.result.BinlogBytes += log.size
		}
	}
	b.end("%.1f s, %.0f MB of binlog", took, float64(l.result.BinlogBytes)/1e6)
	return nil
}

// catchUps lets all contestants catch up, round by round.
func (b *bench) catchUps(ctx context.Context, st *stage, l *loaded) error {
	all := contestants(b.opts.only)
	for _, c := range all {
		l.result.Contestants = append(l.result.Contestants, Contestant{Name: c.name, Settings: c.settings, Native: c.native()})
	}
	b.report.CatchUp = append(b.report.CatchUp, l.result)
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	return b.rounds(ctx, st, "catch-up with "+l.load.name, func(ctx context.Context, round int) error {
		var done []string
		for _, i := range turn(order, round) {
			c := all[i]
			what := fmt.Sprintf("%s, round %d of %d, %s", l.load.name, round, st.rounds, c.name)
			err := b.timed(st, done, l.load.name+" "+c.name, what, func() (string, error) {
				r, err := b.catchUp(ctx, l, c, round)
				if err != nil {
					return "", fmt.Errorf("%s: %w", c.name, err)
				}
				l.result.Contestants[i].Runs = append(l.result.Contestants[i].Runs, r)
				return fmt.Sprintf("%.1f s", r.Seconds), nil
			})
			if err != nil {
				return err
			}
			done = append(done, l.load.name+" "+c.name)
		}
		return nil
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
	follower, err := b.launch(ctx, dir, "follower", append(c.options, mysqltest.CopyOf(l.before.DataDir))...)
	if err != nil {
		return run, err
	}
	defer follower.Close()
	r, err := c.replicate(ctx, b.opts.baton, dir, l.leader, follower)
	if err != nil {
		return run, err
	}
	defer r.stop()
	use := usage{leader: l.leader.Pid(), follower: follower.Pid()}
	if err := use.begin(); err != nil {
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
	if err := use.end(&run); err != nil {
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

// usage is what the servers use of the CPU.
type usage struct {
	leader, follower             int // processes
	leaderBefore, followerBefore float64
}

func (u *usage) begin() (err error) {
	if u.leaderBefore, err = cpuSeconds(u.leader); err != nil {
		return err
	}
	u.followerBefore, err = cpuSeconds(u.follower)
	return err
}

func (u *usage) end(run *Run) error {
	leader, err := cpuSeconds(u.leader)
	if err != nil {
		return err
	}
	follower, err := cpuSeconds(u.follower)
	if err != nil {
		return err
	}
	run.LeaderCPU, run.FollowerCPU = leader-u.leaderBefore, follower-u.followerBefore
	run.FollowerPeak, err = peakMemory(u.follower)
	return err
}

// How often the follower is asked whether it has everything, how often for trouble, and when it is given up.
const (
	pollInterval = 20 * time.Millisecond
	troubleEvery = 50 // polls
	catchUpLimit = 15 * time.Minute
)

// waitFor waits until the follower has executed the set.
func waitFor(ctx context.Context, follower *mysqltest.Server, r replication, set gtid.Set) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	conn, err := follower.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	text := set.String()
	for polls := 1; ; polls++ {
		var has bool
		if err := conn.QueryRowContext(ctx, "SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)", text).Scan(&has); err != nil {
			return fmt.Errorf("ask the follower what it has: %w", err)
		}
		if has {
			return nil
		}
		if polls%troubleEvery == 0 {
			if err := r.trouble(ctx); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until the follower has everything: %w", ctx.Err())
		}
	}
}

// verify checks that the follower, to which nothing is applied any more, holds what the leader holds: the GTIDs, and
// with data every row. What has been added to the leader since the load, baton's own rows say, is fetched natively.
func verify(ctx context.Context, leader, follower *mysqltest.Server, data bool) error {
	has, err := executed(ctx, follower)
	if err != nil {
		return err
	}
	want, err := executed(ctx, leader)
	if err != nil {
		return err
	}
	if more := has.Subtract(want); !more.IsEmpty() {
		return fmt.Errorf("the follower has transactions that the leader has not: %s", more)
	}
	if !has.ContainsSet(want) {
		n := &native{follower: follower}
		if err := n.prepare(ctx, leader); err != nil {
			return err
		}
		if err := n.start(ctx); err != nil {
			return err
		}
		if err := waitFor(ctx, follower, n, want); err != nil {
			return err
		}
		if err := n.stop(); err != nil {
			return err
		}
	}
	if !data {
		return nil
	}
	if _, err := mysqltest.CompareData(ctx, leader, follower); err != nil {
		return fmt.Errorf("the follower's data is not the leader's: %w", err)
	}
	return nil
}

func executed(ctx context.Context, s *mysqltest.Server) (gtid.Set, error) {
	var text string
	if err := s.DB().QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&text); err != nil {
		return gtid.Set{}, fmt.Errorf("ask %s what it has: %w", s.Name, err)
	}
	return gtid.ParseSet(text)
}

// binlogFile is a line of SHOW BINARY LOGS.
type binlogFile struct {
	name string
	size int64 // bytes
}

func binlogs(ctx context.Context, s *mysqltest.Server) ([]binlogFile, error) {
	rows, err := s.DB().QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var files []binlogFile
	for rows.Next() {
		var f binlogFile
		var encrypted string
		if err := rows.Scan(&f.name, &f.size, &encrypted); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, rows.Err()
}

// sysbenchVersion is the number alone.
func sysbenchVersion(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask sysbench for its version: %w", err)
	}
	fields := strings.Fields(string(out))
	if len(fields) < 2 {
		return "", fmt.Errorf("sysbench --version says %q", out)
	}
	return fields[1], nil
}
