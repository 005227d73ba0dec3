package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/failover"
)

// order is what the daemon is asked to carry out, step by step, with a result
// of T.
type order[T any] struct {
	what string // in words: "the switchover"
	give func(ctx context.Context, say func(failover.StepReport)) (T, error)
	// conclude says in the end what came of it.
	conclude func(out io.Writer, result T)
}

// carryOut gives the order and prints its progress: a line a step, or with -o
// json the lines of the API. It goes on where this program is interrupted.
func carryOut[T any](p *program, cmd *cobra.Command, format output, o order[T]) error {
	out := cmd.OutOrStdout()
	lines := json.NewEncoder(out)
	say := func(r failover.StepReport) {
		if format == outputJSON {
			_ = lines.Encode(admin.Progress[T]{Step: &r})
			return
		}
		fmt.Fprintln(out, p.stepLine(r))
	}
	result, err := o.give(cmd.Context(), say)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(p.terminal.err, "baton: interrupted; %s goes on in the daemon: follow it with baton events --follow\n", o.what)
		return errQuiet
	}
	if e, ok := errors.AsType[*admin.Error](err); ok && format == outputJSON {
		_ = lines.Encode(admin.Progress[T]{Error: e})
	}
	if err != nil {
		return err
	}
	if format == outputJSON {
		return lines.Encode(admin.Progress[T]{Result: &result})
	}
	o.conclude(out, result)
	return nil
}

// stepLine is a step, with the time since the beginning.
func (p *program) stepLine(r failover.StepReport) string {
	text := fmt.Sprintf("%7.3fs  %s", r.Elapsed, p.paint(bold, printable(r.Step)))
	if r.Detail != "" {
		text += ": " + printable(r.Detail)
	}
	return text
}

// concludeHandOver says who leads, how long it took, and what was not kept.
func (p *program) concludeHandOver(out io.Writer, r failover.Result) {
	done := fmt.Sprintf("%s leads, epoch %d; done in %.3fs", r.To, r.Epoch, r.Seconds)
	if r.UnwritableSeconds > 0 {
		done += fmt.Sprintf(", %.3fs of it without a writable instance", r.UnwritableSeconds)
	}
	fmt.Fprintln(out, p.paint(green, printable(done)))
	if !r.Missing.IsEmpty() {
		fmt.Fprint(out, p.paintFirst(red, wrap(fmt.Sprintf("%s that %s is known to have: %s; when it comes back, `baton rejoin %s` exports what that changed",
			transactions(r.Missing.Count()), r.From, beginning(r.Missing), r.From), "! NOT KEPT  ", "            ", textWidth)))
	}
}
