// Command baton replicates a MySQL leader to its followers. `baton run` is the
// daemon; the other verbs ask it, or look at the instances themselves.
//
// The package holds main, which plugs the parts together, and one file a verb.
// A verb parses its command line, asks, and prints; it decides nothing.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/term"

	"github.com/batondb/baton/cmd/internal/check"
)

// Set by the linker (-ldflags "-X main.version=…"); empty: what Go recorded.
var version, revision, buildTime string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end, the second one ends.
	context.AfterFunc(ctx, stop)
	build := buildOf(version, revision, buildTime, debug.ReadBuildInfo)
	p := &program{
		terminal: standardTerminal(),
		build:    build,
		run:      daemonOf(build),
		check:    check.Run,

		configFolder: configFolder,
	}
	os.Exit(p.execute(ctx, os.Args[1:]))
}

// standardTerminal is the process's own.
func standardTerminal() terminal {
	screen := int(os.Stdout.Fd())
	shows := term.IsTerminal(screen) && os.Getenv("TERM") != "dumb"
	return terminal{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		interacts: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(screen),
		shows:     shows,
		colours:   shows && os.Getenv("NO_COLOR") == "",
		screenSize: func() (int, int) {
			width, rows, err := term.GetSize(screen)
			if err != nil {
				return 0, 0
			}
			return width, rows
		},
	}
}
