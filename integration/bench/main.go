// Command bench measures baton beside MySQL's own replication: the same data, the same binlog, the same run.
//
// It runs its own servers, with commits that are fsynced, and the real binary. Measured are: how fast the relay takes the
// leader's binlog (ingest), how fast a follower catches up with loads of several kinds (catchup), how soon one at the head
// shows a commit (latency), what the leader commits with and without semi-sync (commits), what more followers cost
// (fanout), and what memory they need (memory). Every contestant begins from a copy of one data directory, and the
// contestants take turns. After each run but those of the fan-out, which end when all followers have all GTIDs, the
// follower is checked to hold what the leader holds.
//
// Results go to standard output as tables, progress to standard error. With -write they also become docs/benchmarks.md,
// docs/benchmarks/*.svg and docs/benchmarks.json. The exit code is 0 when everything was measured, 1 when something failed, 2 for a wrong
// command line, 3 when something is worse than in the run of -compare, and 130 after Ctrl-C or another signal. No process and no folder stays behind (after kill -9, no
// process, and a folder baton-bench-* where it measured).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitWorse       = 3
	exitInterrupted = 130
)

func main() {
	// A reader of the output that goes away ends the run as Ctrl-C does; what is said after that is lost, and no reason
	// to end before everything is cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	context.AfterFunc(ctx, stop) // the next signal ends this process at once
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are what the command line says.
type options struct {
	transactions int
	threads      int
	rounds       int
	loads        []string
	parts        []string
	every        bool
	only         string // a regular expression that the names of the contestants match
	rate         int    // of the latency's transactions, a second
	seconds      int    // that they are written for
	budget       time.Duration
	dir          string // where servers and relay live
	baton        string // the binary
	from         string // data of a run that is taken instead of measuring; empty: none
	compare      string // data of an earlier run; empty: none
	write        string // folder that the results are written to; empty: none
	command      string // that does the same again
}

// Sizes of the quick run, which shows that everything works and measures little.
const (
	quickTransactions = 3000
	quickSeconds      = 3
)

func parse(args []string, out io.Writer) (options, error) {
	var o options
	var quick, write bool
	var loads, parts string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.transactions, "transactions", 22000, "how many of the first load a follower lacks when it begins to catch up; of the others fewer")
	flags.IntVar(&o.threads, "threads", 16, "connections that write them to the leader")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each is measured, as far as -budget allows")
	flags.StringVar(&loads, "loads", strings.Join(usualLoads(), ","), "what to catch up with, separated by commas; there is clock too, of a leader whose logical clock says little")
	flags.BoolVar(&o.every, "every", false, "take every contestant with every load; without it, the loads after the first one only have the main ones")
	flags.StringVar(&parts, "parts", strings.Join(partNames(), ","), "what to measure, separated by commas")
	flags.StringVar(&o.only, "only", "", "take only contestants whose names match this regular `expression`")
	flags.IntVar(&o.rate, "rate", 300, "transactions a second at which latency and fan-out are measured")
	flags.IntVar(&o.seconds, "seconds", 4, "for how long, and how long the leader's commits are counted")
	flags.DurationVar(&o.budget, "budget", 20*time.Minute, "no further round is begun that would end later; the first one always is")
	flags.StringVar(&o.dir, "dir", "", "folder for servers and relay, on the disk to measure on (default: a temporary one, never in memory)")
	flags.StringVar(&o.baton, "baton", "bin/baton", "the `program` to measure; make build makes it")
	flags.BoolVar(&quick, "quick", false, fmt.Sprintf("one round, %d transactions, %d seconds: shows that it works, measures little", quickTransactions, quickSeconds))
	flags.StringVar(&o.from, "from", "", "measure nothing, take the `data` of an earlier run, as docs/benchmarks.json")
	flags.StringVar(&o.compare, "compare", "", "say what is worse than in the `data` of an earlier run; then the exit code is 3")
	flags.BoolVar(&write, "write", false, "write docs/benchmarks.md, its charts and docs/benchmarks.json")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if write {
		o.write = "docs"
	}
	if quick {
		shorten(flags, &o)
	}
	o.loads, o.parts = split(loads), split(parts)
	o.command = command(flags)
	if err := o.check(flags.Args()); err != nil {
		fmt.Fprintf(out, "bench: %v; -h lists the flags\n", err)
		return options{}, err
	}
	return o, nil
}

// shorten makes a run quick, except for what the command line sets.
func shorten(flags *flag.FlagSet, o *options) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["transactions"] {
		o.transactions = quickTransactions
	}
	if !given["rounds"] {
		o.rounds = 1
	}
	if !given["seconds"] {
		o.seconds = quickSeconds
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func (o options) check(args []string) error {
	for _, number := range []struct {
		flag  string
		value int
		most  int
	}{
		{"transactions", o.transactions, 10_000_000}, {"threads", o.threads, 200}, {"rounds", o.rounds, 100},
		{"rate", o.rate, 5000}, {"seconds", o.seconds, 600},
	} {
		if number.value < 1 || number.value > number.most {
			return fmt.Errorf("-%s is from 1 to %d, not %d", number.flag, number.most, number.value)
		}
	}
	for _, list := range []struct {
		flag         string
		values, from []string
	}{{"loads", o.loads, loadNames()}, {"parts", o.parts, partNames()}} {
		for _, value := range list.values {
			if !slices.Contains(list.from, value) {
				return fmt.Errorf("-%s takes %s, not %q", list.flag, strings.Join(list.from, ", "), value)
			}
		}
		if len(list.values) == 0 {
			return fmt.Errorf("-%s is empty", list.flag)
		}
	}
	_, wrong := regexp.Compile(o.only)
	switch {
	case wrong != nil:
		return fmt.Errorf("-only: %w", wrong)
	case len(args) > 0:
		return fmt.Errorf("bench takes flags only, not %q", args[0])
	case o.budget <= 0:
		return fmt.Errorf("-budget is more than 0, not %s", o.budget)
	case len(contestants(o.only))+len(guards(o.only)) == 0:
		return fmt.Errorf("no contestant's name matches -only %q", o.only)
	}
	return nil
}

// command is the line that repeats a run, without what is only this machine's.
func command(flags *flag.FlagSet) string {
	var given []string
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "dir", "baton", "from", "compare":
		case "quick", "write", "every":
			given = append(given, "-"+f.Name)
		case "only":
			given = append(given, fmt.Sprintf("-only '%s'", f.Value))
		default:
			given = append(given, fmt.Sprintf("-%s %s", f.Name, f.Value))
		}
	})
	if len(given) == 0 {
		return "make bench"
	}
	return fmt.Sprintf(`make bench BENCH_FLAGS="%s"`, strings.Join(given, " "))
}

// execute is the bench as a function: it returns the exit code.
func execute(ctx context.Context, args []string, out, progress io.Writer) int {
	opts, err := parse(args, progress)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitUsage
	}
	var earlier *Report
	if opts.compare != "" {
		// Before the measuring, which may be about to write that very file.
		if earlier, err = readReport(opts.compare); err != nil {
			fmt.Fprintf(progress, "read what to compare with: %v\n", err)
			return exitFailed
		}
	}
	var r *Report
	if opts.from != "" {
		r, err = readReport(opts.from)
	} else {
		r, err = newBench(opts, progress).run(ctx)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(progress, "\ninterrupted: servers, daemon and folders are gone")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(progress, "\nthe bench failed: %v\n", err)
		return exitFailed
	}
	fmt.Fprint(out, r.terminal())
	if opts.write != "" {
		if err := r.write(opts.write); err != nil {
			fmt.Fprintf(progress, "write the results: %v\n", err)
			return exitFailed
		}
		fmt.Fprintf(progress, "\nwritten: %s/benchmarks.md, %[1]s/benchmarks/*.svg and %[1]s/benchmarks.json\n", opts.write)
	}
	if earlier != nil {
		said, worse := r.comparison(earlier)
		fmt.Fprint(out, said)
		if worse {
			return exitWorse
		}
	}
	return exitDone
}
