package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/batondb/baton/integration/mysqltest"
)

// What every server of the bench is set to beside the harness's options, so that the data fits into memory and the redo
// log is no bottleneck.
const (
	bufferPool = "256M"
	redoLog    = "512M"
)

// bench is one run.
type bench struct {
	opts         options
	out          io.Writer // of the progress
	began        time.Time
	dir          string // of this run
	installation mysqltest.Installation
	schedule     schedule
	report       *Report
	open         bool // the last line of the progress has no end yet
}

func newBench(opts options, out io.Writer) *bench { return &bench{opts: opts, out: out} }

// run measures everything and returns what came out.
func (b *bench) run(ctx context.Context) (*Report, error) {
	b.began = time.Now()
	if _, err := os.Stat(b.opts.baton); err != nil {
		return nil, fmt.Errorf("find the program to measure: %w (make build builds it)", err)
	}
	b.say("looking for a MySQL server and sysbench (the first time they may have to be downloaded)")
	var err error
	if b.installation, err = mysqltest.FindWith(ctx, "sysbench"); err != nil {
		return nil, err
	}
	parent := b.opts.dir
	if parent == "" {
		parent = diskFolder()
	}
	if b.dir, err = os.MkdirTemp(parent, "baton-bench-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	if err := b.describe(ctx); err != nil {
		return nil, err
	}
	err = b.measure(ctx)
	b.endLine()
	if err == nil {
		err = ctx.Err()
	}
	return b.report, err
}

// describe begins the report with where and how it is measured.
func (b *bench) describe(ctx context.Context) error {
	machine, err := lookAround(b.dir)
	if err != nil {
		return err
	}
	machine.MySQL = b.installation.Version
	if machine.Sysbench, err = sysbenchVersion(ctx, b.installation.Sysbench); err != nil {
		return err
	}
	b.report = &Report{Time: b.began.UTC().Truncate(time.Second), Command: b.opts.command, Machine: machine, Threads: b.opts.threads}
	b.say("%s", machine.line())
	if machine.Busy() {
		b.say("the machine is not quiet (load average %.1f): the figures will say more about its other work", machine.BusyBefore)
	}
	if machine.Filesystem == "tmpfs" {
		b.say("%s is in memory, where fsync costs nothing: -dir names a folder on a disk", b.dir)
	}
	return nil
}

// Guesses for what hasn't been done yet.
const (
	perTransaction = time.Millisecond // to catch up
	overhead       = 10 * time.Second // to copy and start a server, and to compare data
	ingestGuess    = 15 * time.Second
	latencyExtra   = 14 * time.Second
)

// measure does all stages.
func (b *bench) measure(ctx context.Context) error {
	b.schedule = schedule{budget: b.opts.budget}
	var work []func(context.Context) error
	add := func(st *stage, do func(context.Context, *stage) error) {
		b.schedule.stages = append(b.schedule.stages, st)
		work = append(work, func(ctx context.Context) error { return do(ctx, st) })
	}
	catchUp, ingest := b.measures(catchUpPart), b.measures(ingestPart)
	var leader *loaded
	defer func() { leader.close() }()
	for i, name := range b.opts.loads {
		l := loadNamed(name)
		n := l.count(b.opts.transactions)
		size := time.Duration(b.opts.transactions) * perTransaction
		if catchUp || ingest && i == 0 {
			add(&stage{before: size + overhead}, func(ctx context.Context, _ *stage) (err error) {
				leader.close()
				leader, err = b.loadLeader(ctx, l, n)
				return err
			})
		}
		if catchUp {
			st := &stage{rounds: b.opts.rounds, guess: size + overhead}
			for _, c := range contestants(b.opts.only) {
				st.names = append(st.names, l.name+" "+c.name)
			}
			add(st, func(ctx context.Context, st *stage) error { return b.catchUps(ctx, st, leader) })
		}
		if ingest && i == 0 {
			add(&stage{rounds: b.opts.rounds, guess: ingestGuess, names: []string{"ingest"}},
				func(ctx context.Context, st *stage) error { return b.ingests(ctx, st, leader) })
		}
	}
	if b.measures(latencyPart) {
		guess := time.Duration(b.opts.seconds)*time.Second + latencyExtra
		add(&stage{rounds: b.opts.rounds, guess: guess, names: latencyNames()}, b.latencies)
	}
	for i, do := range work {
		if err := do(ctx); err != nil {
			return err
		}
		b.schedule.stages[i].begun = true
	}
	return nil
}

func (b *bench) measures(part string) bool {
	for _, p := range b.opts.parts {
		if p == part {
			return true
		}
	}
	return false
}

// rounds does the rounds of a stage that the budget allows.
func (b *bench) rounds(ctx context.Context, st *stage, what string, do func(ctx context.Context, round int) error) error {
	st.begun = true
	for b.schedule.another(st, time.Since(b.began)) {
		if err := do(ctx, st.done+1); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		st.done++
	}
	if st.done < st.rounds {
		b.say("%s: %d of %d rounds, for more would not end within %s (-budget)", what, st.done, st.rounds, b.opts.budget)
	}
	return nil
}

// timed does one thing of a round, with its line of progress: what is done, and its result.
func (b *bench) timed(st *stage, doing []string, name, what string, do func() (result string, err error)) error {
	left := b.schedule.left(st, doing, time.Since(b.began)).Round(10 * time.Second)
	b.begin("%s, about %s left: %s … ", clock(time.Since(b.began)), clock(left), what)
	// The disk shall be at rest: what others wrote before is theirs.
	unix.Sync()
	began := time.Now()
	result, err := do()
	if err != nil {
		return err
	}
	b.schedule.known.note(name, time.Since(began))
	b.end("%s", result)
	return nil
}

// settings are the options of every server, and more.
func settings(more ...mysqltest.Option) []mysqltest.Option {
	return append([]mysqltest.Option{
		mysqltest.Setting("innodb_buffer_pool_size", bufferPool), mysqltest.Setting("loose_innodb_redo_log_capacity", redoLog),
	}, more...)
}

// launch starts a server below dir.
func (b *bench) launch(ctx context.Context, dir, name string, more ...mysqltest.Option) (*mysqltest.Server, error) {
	return mysqltest.Launch(ctx, dir, settings(append([]mysqltest.Option{mysqltest.On(b.installation), mysqltest.Name(name)}, more...)...)...)
}

// say tells a line of progress.
func (b *bench) say(format string, args ...any) {
	b.endLine()
	fmt.Fprintf(b.out, format+"\n", args...)
}

// begin tells what is done now; end, on the same line, what came out.
func (b *bench) begin(format string, args ...any) {
	b.endLine()
	fmt.Fprintf(b.out, format, args...)
	b.open = true
}

func (b *bench) end(format string, args ...any) {
	fmt.Fprintf(b.out, format+"\n", args...)
	b.open = false
}

func (b *bench) endLine() {
	if b.open {
		b.end("")
	}
}

// clock is a duration as minutes and seconds.
func clock(d time.Duration) string {
	seconds := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
