package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
)

func (p *program) skipVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "skip INSTANCE --gtid GTID",
		Short: "Leave out, on a follower, the transaction that it stopped at",
		Long: "Leave out, on a follower, the transaction that it stopped at: baton commits an empty\n" +
			"transaction with that GTID there and goes on. What the transaction changed is then missing on\n" +
			"that follower for good. Mending the cause and `baton resume` loses nothing: prefer that.",
		Example: "  baton status                     # the GTID that db2 stopped at, and why\n" +
			"  baton skip db2 --gtid 3e11fa47-71ca-11e1-9e33-c80aa9429562:23",
		Args: oneInstance,
	}
	at := p.daemonFlags(cmd)
	cmd.ValidArgsFunction = at.complete
	text := cmd.Flags().String("gtid", "", "the transaction's `GTID`, as `baton status` shows it")
	yes := cmd.Flags().BoolP("yes", "y", false, "don't ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *text == "" {
			return usage("which transaction? name it with --gtid GTID, as `baton status` shows it")
		}
		g, err := gtid.Parse(*text)
		if err != nil {
			return usage("--gtid: %v", err)
		}
		client, err := at.client()
		if err != nil {
			return err
		}
		if !*yes {
			if err := p.confirmSkip(cmd.Context(), client, args[0], g); err != nil {
				return err
			}
		}
		if err := client.Skip(cmd.Context(), args[0], g); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s left out; see how it goes on with: baton status\n", args[0], g)
		return nil
	}
	return cmd
}

// confirmSkip says what will happen and asks.
func (p *program) confirmSkip(ctx context.Context, client *admin.Client, name string, g gtid.GTID) error {
	if err := p.mayAsk(); err != nil {
		return err
	}
	status, _, err := client.Status(ctx)
	if err != nil {
		return err
	}
	in, err := known(status, name)
	if err != nil {
		return err
	}
	out := p.terminal.out
	fmt.Fprintf(out, "%s (%s) of the cluster %s is %s.\n", name, in.Address, status.Cluster, in.State)
	if in.Error != "" {
		fmt.Fprintf(out, "It says: %s\n", printable(string(in.Error)))
	}
	fmt.Fprintf(out, "An empty transaction will be committed there as %s.\n", g)
	table := "whatever the transaction changes"
	if in.FailedTable != "" && string(in.FailedGTID) == g.String() {
		table = fmt.Sprintf("what the transaction changes in %s, and anywhere else,", in.FailedTable)
	}
	fmt.Fprintf(out, "From then on %s is missing on %s: its data differs from the leader's.\n", table, name)
	return p.confirm(ctx, "Leave it out?")
}
