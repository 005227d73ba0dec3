package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
)

// Commits is how much a leader commits while it is followed.
type Commits struct {
	Threads int             `json:"threads"`
	Seconds int             `json:"seconds"`
	Series  []CommitsSeries `json:"series"`
}

// CommitsSeries is that with one kind of follower.
type CommitsSeries struct {
	Name     string       `json:"name"`
	Settings string       `json:"settings"`
	Native   bool         `json:"native"`
	Runs     []CommitsRun `json:"runs"`
}

// CommitsRun is one measurement of it. CPU is that until the follower has everything.
type CommitsRun struct {
	Run
	Rate float64 `json:"transactions_per_second"`
	P99  float64 `json:"p99_seconds"` // of a transaction of four statements
	// Behind is how long after the last commit the follower had everything.
	Behind float64 `json:"behind_seconds"`
}

// A guard is what commits on the leader wait for.
type guard struct {
	name     string
	settings string
	with     contestant
	follower []mysqltest.Option
	baton    map[string]any // settings
	waits    bool           // for an acknowledgement, however long
}

// Names that more than the list below knows.
const (
	nativeSemiSync = "native, semi-sync"
	batonStrict    = "baton, strict"
)

func (g guard) String() string { return g.name }

// guards lists those whose names match a regular expression.
func guards(only string) []guard {
	baton := withBaton(batonRelaxed, "relaxed", "off", true)
	mode := func(mode string) map[string]any {
		return map[string]any{"durability": map[string]any{"mode": mode}}
	}
	return chosen([]guard{
		{name: "native, asynchronous", settings: "commits wait for nothing"},
		{name: nativeSemiSync, settings: "semi-sync, AFTER_SYNC; the replica acknowledges what it has written to its relay log, fsynced or not", waits: true},
		{name: "native, semi-sync, fsynced", settings: "and sync_relay_log=1", follower: []mysqltest.Option{mysqltest.Setting("sync_relay_log", "1")}, waits: true},
		{name: "baton, async", settings: "durability: {mode: async}", with: baton, baton: mode("async")},
		{name: batonStrict, settings: "durability: {mode: strict}; acknowledged is what is fsynced in the relay", with: baton, baton: mode("strict"), waits: true},
	}, only)
}

func (b *bench) planCommits() {
	st := &stage{rounds: b.opts.rounds, before: b.fillGuess(), guess: time.Duration(b.opts.seconds)*time.Second + overhead + 2*time.Second}
	for _, g := range guards(b.opts.only) {
		st.names = append(st.names, "commits "+g.name)
	}
	if len(st.names) > 0 {
		b.add(st, b.commits)
	}
}

// commits measures what the leader commits, round by round.
func (b *bench) commits(ctx context.Context, st *stage) error {
	result := &Commits{Threads: b.opts.threads, Seconds: b.opts.seconds}
	all := guards(b.opts.only)
	for _, g := range all {
		result.Series = append(result.Series, CommitsSeries{Name: g.name, Settings: g.settings, Native: g.with.native()})
	}
	if _, err := b.theBase(ctx); err != nil {
		return err
	}
	b.report.Commits = result
	return b.inTurns(ctx, st, "commits", func(ctx context.Context, i, round int) (string, error) {
		r, err := b.commit(ctx, all[i])
		if err != nil {
			return "", err
		}
		r.Round = round
		result.Series[i].Runs = append(result.Series[i].Runs, r)
		return fmt.Sprintf("%.0f transactions/s", r.Rate), nil
	})
}

// commit measures one kind of follower once.
func (b *bench) commit(ctx context.Context, g guard) (run CommitsRun, err error) {
	dir, err := os.MkdirTemp(b.dir, "commits-")
	if err != nil {
		return run, err
	}
	defer os.RemoveAll(dir)
	from, err := b.fromBase(ctx)
	if err != nil {
		return run, err
	}
	leader, err := b.launch(ctx, dir, "leader", from, mysqltest.SemiSyncSource())
	if err != nil {
		return run, err
	}
	defer leader.Close()
	follower, err := b.launch(ctx, dir, "follower", append(g.follower, from, mysqltest.SemiSyncReplica())...)
	if err != nil {
		return run, err
	}
	defer follower.Close()
	r, err := g.with.replicate(ctx, b.opts.baton, dir, g.baton, leader, follower)
	if err != nil {
		return run, err
	}
	defer r.stop()
	if err := g.attach(ctx, r, leader, follower); err != nil {
		return run, err
	}
	if err := apart(leader, r, follower); err != nil {
		return run, err
	}
	if run, err = b.commitUnder(ctx, r, leader, follower); err != nil {
		return run, err
	}
	if err := g.kept(ctx, leader); err != nil {
		return run, err
	}
	if err := r.stop(); err != nil {
		return run, err
	}
	return run, verify(ctx, leader, follower, false)
}

// attach starts replication and returns when commits wait as they shall.
func (g guard) attach(ctx context.Context, r replication, leader, follower *mysqltest.Server) error {
	if g.waits && g.with.native() {
		if _, err := follower.DB().ExecContext(ctx, "SET GLOBAL rpl_semi_sync_replica_enabled = ON"); err != nil {
			return err
		}
		_, err := leader.DB().ExecContext(ctx, "SET GLOBAL rpl_semi_sync_source_timeout = 3600000, GLOBAL rpl_semi_sync_source_enabled = ON")
		if err != nil {
			return err
		}
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := g.waitUntilGuarded(ctx, r, leader); err != nil {
		return err
	}
	has, err := executed(ctx, leader)
	if err != nil {
		return err
	}
	return waitFor(ctx, follower, r, has)
}

// waitUntilGuarded waits until the leader has somebody to wait for.
func (g guard) waitUntilGuarded(ctx context.Context, r replication, leader *mysqltest.Server) error {
	if !g.waits {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		on, err := semiSyncStatus(ctx, leader, "status", "clients")
		if err != nil {
			return err
		}
		if on["status"] == "ON" && on["clients"] == "1" {
			return nil
		}
		if err := r.trouble(ctx); err != nil {
			return err
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return fmt.Errorf("wait until commits on the leader wait for an acknowledgement: %w", ctx.Err())
		}
	}
}

// kept checks that every commit was acknowledged.
func (g guard) kept(ctx context.Context, leader *mysqltest.Server) error {
	if !g.waits {
		return nil
	}
	counts, err := semiSyncStatus(ctx, leader, "yes_tx", "no_tx")
	if err != nil {
		return err
	}
	if counts["no_tx"] != "0" || counts["yes_tx"] == "0" {
		return fmt.Errorf("%s commits were acknowledged and %s were not", counts["yes_tx"], counts["no_tx"])
	}
	return nil
}

// semiSyncStatus reads status variables of the leader's plugin, by the ends of their names.
func semiSyncStatus(ctx context.Context, leader *mysqltest.Server, names ...string) (map[string]string, error) {
	values := map[string]string{}
	for _, name := range names {
		var value string
		err := leader.DB().QueryRowContext(ctx, "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = ?",
			"Rpl_semi_sync_source_"+name).Scan(&value)
		if err != nil {
			return nil, fmt.Errorf("read the leader's Rpl_semi_sync_source_%s: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}

// commitUnder lets sysbench write for the time that is asked for.
func (b *bench) commitUnder(ctx context.Context, r replication, leader, follower *mysqltest.Server) (run CommitsRun, err error) {
	use, err := startMeter(leader.Pid(), follower.Pid())
	if err != nil {
		return run, err
	}
	before, _, err := r.used()
	if err != nil {
		return run, err
	}
	began := time.Now()
	said, err := runSysbench(ctx, leaderSide, leader, "oltp_write_only", "run", fmt.Sprintf("--threads=%d", b.opts.threads),
		fmt.Sprintf("--time=%d", b.opts.seconds), "--percentile=99", "--rand-seed=42")
	if err != nil {
		return run, err
	}
	run.Seconds = time.Since(began).Seconds()
	if run.Transactions, run.Rate, run.P99, err = parseSysbench(said); err != nil {
		return run, err
	}
	has, err := executed(ctx, leader)
	if err != nil {
		return run, err
	}
	if err := waitFor(ctx, follower, r, has); err != nil {
		return run, err
	}
	run.Behind = time.Since(began).Seconds() - run.Seconds
	if run.LeaderCPU, run.FollowerCPU, err = use.read(); err != nil {
		return run, err
	}
	run.BatonCPU, run.BatonPeak, err = r.used()
	run.BatonCPU -= before
	return run, err
}

var sysbenchFigures = regexp.MustCompile(`(?s)\btransactions:\s+(\d+)\s+\(([\d.]+) per sec\.\).*\b99th percentile:\s+([\d.]+)`)

// parseSysbench reads what sysbench prints at its end, with --percentile=99; p99 is in seconds.
func parseSysbench(said string) (transactions int, rate, p99 float64, err error) {
	found := sysbenchFigures.FindStringSubmatch(said)
	if found == nil {
		return 0, 0, 0, fmt.Errorf("sysbench printed no figures: %.500q", said)
	}
	transactions, err = strconv.Atoi(found[1])
	rate, wrongRate := strconv.ParseFloat(found[2], 64)
	milliseconds, wrongTime := strconv.ParseFloat(found[3], 64)
	return transactions, rate, milliseconds / 1e3, errors.Join(err, wrongRate, wrongTime)
}
