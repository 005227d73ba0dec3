// Command demo shows baton at work, on MySQL servers of its own: a shop takes orders on a leader while its customers
// search and read on two followers, tables are altered; a follower, the daemon itself and the leader are killed; a
// follower is promoted, the old leader comes back, and is handed the leadership again. At the end every table and every
// acknowledged order is compared on all three.
//
// It runs the real binary with a real configuration, and looks at it as any operator can: through the admin socket.
// The exit code is 0 when all servers hold the same, 1 when they don't or when something failed, 2 for a wrong command
// line, and 130 after Ctrl-C. Whichever it is, no process and no folder stays behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errInterrupted is the cause of a context that Ctrl-C or SIGTERM ended.
var errInterrupted = errors.New("interrupted")

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // the next one ends this process at once; what it started is taken away all the same
		cancel(errInterrupted)
	}()
	os.Exit(execute(ctx, os.Args[1:], standardTerminal()))
}

// standardTerminal is the process's own.
func standardTerminal() terminal {
	screen := int(os.Stdout.Fd())
	shows := term.IsTerminal(screen) && os.Getenv("TERM") != "dumb"
	return terminal{
		out: os.Stdout, shows: shows, colours: shows && os.Getenv("NO_COLOR") == "",
		width: func() int {
			width, _, err := term.GetSize(screen)
			if err != nil {
				return 0
			}
			return width
		},
	}
}

// options are what the command line says.
type options struct {
	load  time.Duration // how long the shop is open, at least
	keep  bool          // leave everything running at the end
	baton string        // the binary

	parent string // folder that everything is made in
}

func parse(args []string, out io.Writer) (options, error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(out)
	seconds := flags.Float64("seconds", 15, "how long orders are placed, in seconds; the kills take the time they need")
	keep := flags.Bool("keep", false, "leave servers and daemon running at the end, until Ctrl-C")
	binary := flags.String("baton", "bin/baton", "the `program` to show; make build makes it")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	switch {
	case flags.NArg() > 0:
		fmt.Fprintf(out, "demo takes flags only, not %q; -h lists them\n", flags.Arg(0))
		return options{}, errors.New("arguments")
	case !(*seconds > 0 && *seconds <= 3600):
		fmt.Fprintf(out, "-seconds is more than 0 and at most 3600, not %v\n", *seconds)
		return options{}, errors.New("seconds")
	}
	return options{load: time.Duration(*seconds * float64(time.Second)), keep: *keep, baton: *binary, parent: os.TempDir()}, nil
}

// execute is the demo as a function: it returns the exit code. The cause of ctx's end is errInterrupted.
func execute(ctx context.Context, args []string, t terminal) int {
	opts, err := parse(args, t.out)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitUsage
	}
	return newDemo(opts, newScreen(t)).performed(ctx)
}

// performed runs the demo, says how it ended, and returns the exit code.
func (d *demo) performed(ctx context.Context) int {
	err := d.run(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errLeft): // whatever else there was
	case errors.Is(err, errKept):
		d.print("servers, daemon and folders are gone")
		return exitDone
	case errors.Is(err, errInterrupted):
		d.print("interrupted: servers, daemon and folders are gone")
		return exitInterrupted
	}
	d.print("\n" + d.paint(red, "the demo failed: ") + err.Error())
	return exitFailed
}
