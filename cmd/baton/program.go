package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1 // refused or failed
	exitUsage    = 2
	exitNoDaemon = 3
)

// program is what the verbs work with.
type program struct {
	terminal terminal
	build    admin.Build
	// run runs the daemon until ctx ends.
	run func(ctx context.Context, cfg config.Config, configFile string) error
	// check looks at every instance of cfg and changes nothing. What can't be
	// reached is a finding.
	check func(ctx context.Context, cfg config.Config) ([]mysql.Finding, error)
	// configFolder is where the only configuration is taken from when none is named.
	configFolder string
}

// terminal is where input comes from and output goes.
type terminal struct {
	in         io.Reader
	out, err   io.Writer
	interacts  bool                     // someone can answer questions
	shows      bool                     // out is a screen
	colours    bool                     // that may be coloured
	screenSize func() (width, rows int) // of out; 0 when unknown
}

// errQuiet ends a verb that has said itself why it failed.
var errQuiet = errors.New("failed")

// usageError is a mistake on the command line.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// execute runs one command line and returns the exit code.
func (p *program) execute(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	verb, err := root.ExecuteContextC(ctx)
	return p.exit(verb, err)
}

// exit says what went wrong and what to do next, and returns the exit code.
func (p *program) exit(verb *cobra.Command, err error) int {
	say := func(format string, args ...any) { fmt.Fprintf(p.terminal.err, format+"\n", args...) }
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errQuiet) {
		return exitFailed
	}
	if e, ok := errors.AsType[*usageError](err); ok {
		say("%s: %s", verb.CommandPath(), e.message)
		say("see %s --help", verb.CommandPath())
		return exitUsage
	}
	if errors.Is(err, context.Canceled) {
		say("baton: interrupted; look at what was done with: baton status")
		return exitFailed
	}
	say("baton: %s", printableLines(err.Error()))
	if e, ok := errors.AsType[*admin.NoDaemonError](err); ok {
		say("  to do: %s", p.mendNoDaemon(verb, e))
		return exitNoDaemon
	}
	if e, ok := errors.AsType[*admin.Error](err); ok && e.Mend != "" {
		say("  to do: %s", printable(e.Mend))
	}
	return exitFailed
}

// root is baton without a verb.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "baton",
		Short: "Replicate a MySQL leader to followers, durably",
		Long: "baton replicates a MySQL leader to any number of followers by its row events.\n\n" +
			"Exit codes: 0 done, 1 refused or failed, 2 usage, 3 no daemon to talk to.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          whichVerb,
	}
	root.SetIn(p.terminal.in)
	root.SetOut(p.terminal.out)
	root.SetErr(p.terminal.err)
	root.SetFlagErrorFunc(flagError)
	root.Version = versionText(p.build)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		p.runVerb(), p.checkVerb(), p.statusVerb(), p.pauseVerb(), p.resumeVerb(), p.skipVerb(),
		p.switchoverVerb(), p.failoverVerb(), p.rejoinVerb(), p.relayVerb(), p.eventsVerb(), p.versionVerb(), p.manVerb(),
	)
	// cobra's own, but with complaints that are usage errors.
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args = noArgs
			c.RunE = whichVerb
		}
	}
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Args = aboutAVerb
		}
	}
	return root
}

// aboutAVerb wants what help is asked about to be a verb, if anything.
func aboutAVerb(cmd *cobra.Command, args []string) error {
	about, rest, err := cmd.Root().Find(args)
	if err != nil {
		return usage("%v", err)
	}
	return noArgs(about, rest)
}

// whichVerb is what a verb that only holds others does.
func whichVerb(cmd *cobra.Command, _ []string) error {
	return usage("which verb? one of: %s", strings.Join(verbs(cmd), ", "))
}

func verbs(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}
