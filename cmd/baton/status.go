package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
)

// watchInterval is the time between two pictures of --watch.
const watchInterval = time.Second

// What a terminal is told before and after a picture, and for the rest of each
// line: cursor home, clear to the end of the screen, clear to the end of the line.
const (
	cursorHome  = "\x1b[H"
	clearBelow  = "\x1b[J"
	clearToEdge = "\x1b[K"
)

func (p *program) statusVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show who leads, how far behind each follower is, and what is wrong",
		Long: "Show who leads, how far behind each follower is, what is wrong and what to do about it.\n\n" +
			"LAG is the age of the oldest transaction that a follower lacks, BEHIND how many it lacks, TX/S\n" +
			"how many are applied to it a second, MODE whether singly or in batches; ? means unknown.\n" +
			"-o json is an API.",
		Example: "  baton status\n" +
			"  baton status --watch             # each second, until Ctrl-C\n" +
			"  baton status -o json | jq -r .leader",
		Args: noArgs,
	}
	at := p.daemonFlags(cmd)
	watch := cmd.Flags().BoolP("watch", "w", false, "show it again each second; on a terminal in place, else a line an instance")
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := at.client()
		if err != nil {
			return err
		}
		if *watch {
			return p.watch(cmd.Context(), client, *format)
		}
		status, raw, err := client.Status(cmd.Context())
		if err != nil {
			return err
		}
		if *format == outputJSON {
			return indentJSON(p.terminal.out, raw)
		}
		_, err = io.WriteString(p.terminal.out, p.statusText(status))
		return err
	}
	return cmd
}

func indentJSON(out io.Writer, raw json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(out)
	return err
}

// watch shows the status until ctx ends. A daemon that was there and goes away
// is waited for.
func (p *program) watch(ctx context.Context, client *admin.Client, format output) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for first := true; ; first = false {
		status, raw, err := client.Status(ctx)
		gone, isGone := errors.AsType[*admin.NoDaemonError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case isGone && !first:
			err = p.showGone(gone)
		case err == nil:
			err = p.showAgain(status, raw, format, first)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *program) showAgain(status admin.Status, raw json.RawMessage, format output, first bool) error {
	switch {
	case format == outputJSON:
		_, err := fmt.Fprintf(p.terminal.out, "%s\n", raw)
		return err
	case !p.terminal.shows:
		_, err := io.WriteString(p.terminal.out, statusLines(status))
		return err
	}
	return p.redraw(p.statusText(status)+"\nevery second; Ctrl-C ends\n", first)
}

func (p *program) showGone(gone *admin.NoDaemonError) error {
	if p.terminal.shows {
		return p.redraw(p.paint(red, wrap(gone.Error()+"; waiting for it", "", "", textWidth)), false)
	}
	_, err := fmt.Fprintf(p.terminal.err, "baton: %v; waiting for it\n", gone)
	return err
}

// redraw writes a picture over the former one, without clearing the screen
// first, which would flicker. What doesn't fit is left out, and said.
func (p *program) redraw(picture string, first bool) error {
	lines := strings.Split(strings.TrimRight(picture, "\n"), "\n")
	if _, rows := p.terminal.screenSize(); rows > 2 && len(lines) > rows-1 {
		left := len(lines) - (rows - 2)
		lines = append(lines[:rows-2], fmt.Sprintf("… and %d more lines: make the window higher", left))
	}
	var b strings.Builder
	if first {
		b.WriteString(cursorHome + clearBelow)
	}
	b.WriteString(cursorHome)
	for _, line := range lines {
		b.WriteString(line + clearToEdge + "\n")
	}
	b.WriteString(clearBelow)
	_, err := io.WriteString(p.terminal.out, b.String())
	return err
}

// statusLines is a line an instance, for a file or another program.
func statusLines(s admin.Status) string {
	var b strings.Builder
	for _, i := range s.Instances {
		fmt.Fprintf(&b, "%s %s %s %s", s.Time.UTC().Format(timeLayout), i.Name, i.Role, i.State)
		if i.Role == admin.Follower {
			fmt.Fprintf(&b, " lag=%s behind=%s tx/s=%s mode=%s", lag(i), behind(i), rate(i), mode(i))
		}
		if i.Error != "" {
			fmt.Fprintf(&b, " error=%q", string(i.Error))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
