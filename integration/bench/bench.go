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
	work         []func(context.Context) error // of the schedule's stages
	base         *base                         // made when it is first asked for
	loaded       *loaded                       // the last one
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
	if b.report.Revision, err = revisionOf(ctx, b.opts.baton); err != nil {
		return err
	}
	b.say("%s", machine.line())
	if machine.Busy() {
		b.say("the machine is not quiet (load average %.1f): the figures will say more about its other work", machine.BusyBefore)
	}
	if machine.Filesystem == "tmpfs" {
		b.say("%s is in memory, where fsync costs nothing: -dir names a folder on a disk", b.dir)
	}
	return nil
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

// inTurns does a stage round by round, each of its things once a round, by number, in alternating order.
func (b *bench) inTurns(ctx context.Context, st *stage, what string, do func(ctx context.Context, i, round int) (result string, err error)) error {
	order := make([]int, len(st.names))
	for i := range order {
		order[i] = i
	}
	return b.rounds(ctx, st, what, func(ctx context.Context, round int) error {
		var done []string
		for _, i := range turn(order, round) {
			name := st.names[i]
			err := b.timed(st, done, name, fmt.Sprintf("%s, round %d of %d", name, round, st.rounds), func() (string, error) {
				return do(ctx, i, round)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			done = append(done, name)
		}
		return nil
	})
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
