package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
)

// nobody is an address at which nobody listens. A first start whose follower may have nothing takes all that the leader
// still has, and there is nothing to apply.
const nobody = "127.0.0.1:1"

func (b *bench) planIngest() {
	st := &stage{rounds: b.opts.rounds, before: b.fillGuess() + writeGuess, guess: 4 * time.Second, names: []string{"ingest"}}
	b.add(st, b.ingests)
}

// ingests lets baton and mysqlbinlog take all binary logs of the leader, round by round.
func (b *bench) ingests(ctx context.Context, st *stage) error {
	if b.installation.Mysqlbinlog == "" {
		b.say("ingest is not measured: this server came without mysqlbinlog")
		st.done = st.rounds
		return nil
	}
	l, err := b.leaderWith(ctx, loadNamed(b.opts.loads[0]))
	if err != nil {
		return err
	}
	logs, err := binlogs(ctx, l.leader)
	if err != nil {
		return err
	}
	in := &Ingest{}
	for _, log := range logs {
		in.BinlogBytes += log.size
	}
	b.report.Ingest = in
	return b.rounds(ctx, st, "ingest", func(ctx context.Context, round int) error {
		what := fmt.Sprintf("ingest of %.0f MB, round %d of %d", float64(in.BinlogBytes)/1e6, round, st.rounds)
		return b.timed(st, nil, "ingest", what, func() (string, error) {
			return b.ingestRound(ctx, in, l, logs[0].name, round)
		})
	})
}

func (b *bench) ingestRound(ctx context.Context, in *Ingest, l *loaded, first string, round int) (string, error) {
	takes := []func() error{
		func() error {
			r, err := b.ingestBaton(ctx, l)
			in.Baton = append(in.Baton, r.of(round))
			return err
		},
		func() error {
			r, err := b.ingestMysqlbinlog(ctx, l.leader, first)
			in.Mysqlbinlog = append(in.Mysqlbinlog, r.of(round))
			return err
		},
	}
	for _, take := range turn(takes, round) {
		if err := take(); err != nil {
			return "", err
		}
	}
	last := func(runs []Run) float64 { return runs[len(runs)-1].Seconds }
	return fmt.Sprintf("baton %.2f s, mysqlbinlog %.2f s", last(in.Baton), last(in.Mysqlbinlog)), nil
}

// ingestBaton takes the time from the daemon's start until everything is durable in its relay.
func (b *bench) ingestBaton(ctx context.Context, l *loaded) (run Run, err error) {
	dir, err := os.MkdirTemp(b.dir, "ingest-")
	if err != nil {
		return run, err
	}
	defer os.RemoveAll(dir)
	d, err := newDaemon(b.opts.baton, dir, nil, instance{"leader", l.leader.Addr()}, instance{"follower", nobody})
	if err != nil {
		return run, err
	}
	defer d.stop()
	// With a follower that doesn't answer, baton would ask who leads.
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return run, err
	}
	if err := os.WriteFile(filepath.Join(state, "state.json"), []byte(`{"cluster": "bench", "epoch": 1, "leader": "leader"}`), 0o600); err != nil {
		return run, err
	}
	want, err := executed(ctx, l.leader)
	if err != nil {
		return run, err
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	began := time.Now()
	if err := d.start(ctx); err != nil {
		return run, err
	}
	for {
		if s, err := d.status(ctx); err == nil && s.Relay.Durable != nil && s.Relay.Durable.ContainsSet(want) {
			break
		}
		if err := d.died(); err != nil {
			return run, err
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return run, fmt.Errorf("wait until the relay has everything: %w; the end of baton's log:\n%s", ctx.Err(), d.lastLines())
		}
	}
	run.Seconds = time.Since(began).Seconds()
	if run.BatonCPU, run.BatonPeak, err = d.used(); err != nil {
		return run, err
	}
	return run, d.stop()
}

// ingestMysqlbinlog takes the time of mysqlbinlog, which leaves what it writes to the page cache.
func (b *bench) ingestMysqlbinlog(ctx context.Context, leader *mysqltest.Server, first string) (run Run, err error) {
	dir, err := os.MkdirTemp(b.dir, "ingest-")
	if err != nil {
		return run, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, leader.Installation.Mysqlbinlog, "--no-defaults", "--raw", "--read-from-remote-server", "--to-last-log",
		"--host=127.0.0.1", fmt.Sprintf("--port=%d", leader.Port), "--user="+mysqltest.User, "--password="+mysqltest.Password,
		"--ssl-mode=DISABLED", "--get-server-public-key", "--result-file="+dir+string(filepath.Separator), first)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return run, fmt.Errorf("mysqlbinlog --raw: %w: %s", err, out)
	}
	run.Seconds = time.Since(began).Seconds()
	run.ToolCPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return run, nil
}
