package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/failover"
)

func (p *program) rejoinVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rejoin INSTANCE",
		Short: "Make a former leader a follower",
		Long: "Make a former leader a follower. It is fenced before anything else. Where it has nothing that the\n" +
			"cluster lacks, it follows, as it does without this verb. What it alone has is exported, as SQL and\n" +
			"JSON; with --rewind it is then undone, row by row, each compared with what the transaction left\n" +
			"there, and the instance follows. DDL can't be undone: such an instance has to be seeded anew.",
		Example: "  baton rejoin db1                 # is there anything to undo?\n" +
			"  baton rejoin db1 --rewind        # undo it, and follow",
		Args: oneInstance,
	}
	at := p.daemonFlags(cmd)
	cmd.ValidArgsFunction = at.complete
	rewind := cmd.Flags().Bool("rewind", false, "undo what it alone has")
	yes := cmd.Flags().BoolP("yes", "y", false, "don't ask")
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := at.client()
		if err != nil {
			return err
		}
		if !*yes {
			if err := p.confirmRejoin(cmd.Context(), client, args[0], *rewind); err != nil {
				return err
			}
		}
		return carryOut(p, cmd, *format, order[admin.Rejoined]{
			what: "the rejoin",
			give: func(ctx context.Context, say func(failover.StepReport)) (admin.Rejoined, error) {
				return admin.Rejoined{Instance: args[0]}, client.Rejoin(ctx, args[0], *rewind, say)
			},
			conclude: func(out io.Writer, r admin.Rejoined) {
				fmt.Fprintf(out, "%s: follows; see how it goes on with: baton status\n", r.Instance)
			},
		})
	}
	return cmd
}

// confirmRejoin says what will happen and asks.
func (p *program) confirmRejoin(ctx context.Context, client *admin.Client, name string, rewind bool) error {
	if err := p.mayAsk(); err != nil {
		return err
	}
	s, _, err := client.Status(ctx)
	if err != nil {
		return err
	}
	in, err := known(s, name)
	if err != nil {
		return err
	}
	out := p.terminal.out
	fmt.Fprint(out, wrap(printable(fmt.Sprintf("%s of the cluster %s, now %s, becomes a follower.", addressed(s, name), s.Cluster, in.State)), "", "", textWidth))
	point(out, "clients", "nobody can write to it from now on.")
	switch {
	case in.Errant == nil:
		point(out, "errant", "what it alone has is unknown: it has not said yet.")
	case in.Errant.IsEmpty():
		point(out, "errant", "it has nothing that the cluster lacks.")
	default:
		point(out, "errant", fmt.Sprintf("%s that it alone has: %s", transactions(in.Errant.Count()), beginning(*in.Errant)))
	}
	if rewind {
		point(out, "rewind", "what it alone has is exported to the state directory and then UNDONE there.")
		return p.confirm(ctx, "Rewind and follow?")
	}
	point(out, "rewind", "nothing is undone: if it has errant transactions, they are exported and it stays quarantined.")
	return p.confirm(ctx, "Let it rejoin?")
}
