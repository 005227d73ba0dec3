package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/failover"
)

func (p *program) switchoverVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "switchover",
		Short: "Hand the leadership over from a leader that is well",
		Long: "Hand the leadership over from a leader that is well, to the follower that fits best or to the one\n" +
			"that --to names. No commit is lost. Whatever fails before the promotion is undone, and the old\n" +
			"leader leads on; afterwards it follows the new one.",
		Example: "  baton switchover --dry-run       # who would lead; nothing is done\n" +
			"  baton switchover                 # asks before it does it\n" +
			"  baton switchover --to db2 --yes -o json",
		Args: noArgs,
	}
	at := p.daemonFlags(cmd)
	o := failover.Order{}
	cmd.Flags().StringVar(&o.To, "to", "", "hand over to this `instance`")
	_ = cmd.RegisterFlagCompletionFunc("to", at.completeFlag)
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 0, "give up, and undo, after this `time` (default: switchover.timeout)")
	dryRun := cmd.Flags().Bool("dry-run", false, "only say what would be done")
	yes := cmd.Flags().BoolP("yes", "y", false, "don't ask")
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.Timeout < 0 || o.Timeout == 0 && cmd.Flags().Changed("timeout") {
			return usage("--timeout: a time above 0, such as 30s")
		}
		client, err := at.client()
		if err != nil {
			return err
		}
		switch {
		case *dryRun:
			return planSwitchover(cmd, client, o, *format)
		case !*yes:
			if o.To, err = p.confirmSwitchover(cmd.Context(), client, o); err != nil {
				return err
			}
		}
		return carryOut(p, cmd, *format, order[failover.Result]{
			what: "the switchover",
			give: func(ctx context.Context, say func(failover.StepReport)) (failover.Result, error) {
				return client.Switchover(ctx, o, say)
			},
			conclude: p.concludeHandOver,
		})
	}
	return cmd
}

func planSwitchover(cmd *cobra.Command, client *admin.Client, o failover.Order, format output) error {
	from, to, err := client.PlanSwitchover(cmd.Context(), o)
	if err != nil {
		return err
	}
	if format == outputJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(admin.Planned{From: from, To: to})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s would hand the leadership over to %s; nothing was done\n", from, to)
	return err
}

// confirmSwitchover says what will happen and asks. It returns to whom, so that
// what is done is what was agreed to.
func (p *program) confirmSwitchover(ctx context.Context, client *admin.Client, o failover.Order) (to string, err error) {
	if err := p.mayAsk(); err != nil {
		return "", err
	}
	from, to, err := client.PlanSwitchover(ctx, o)
	if err != nil {
		return "", err
	}
	status, _, err := client.Status(ctx)
	if err != nil {
		return "", err
	}
	out := p.terminal.out
	fmt.Fprint(out, wrap(printable(fmt.Sprintf("%s hands the leadership of the cluster %s over to %s.", addressed(status, from), status.Cluster, addressed(status, to))), "", "", textWidth))
	point(out, "clients", fmt.Sprintf("writes on %s wait from the freeze on, are then refused there (error 1290), and go to %s once it leads: "+
		"as a rule well below a second. What still runs on %s after switchover.drain_timeout is ended.", from, to, from))
	if in, found := status.Instance(to); found && in.BehindTransactions != nil && *in.BehindTransactions > 0 {
		point(out, "lag", fmt.Sprintf("%s is behind by %s, which it is given first.", to, transactions(*in.BehindTransactions)))
	}
	point(out, "commits", fmt.Sprintf("none is lost. If anything fails before %s leads, it is undone and %s leads on.", to, from))
	return to, p.confirm(ctx, "Hand over?")
}

// addressed is an instance's name with its address.
func addressed(s admin.Status, name string) string {
	if in, found := s.Instance(name); found {
		return fmt.Sprintf("%s (%s)", name, in.Address)
	}
	return name
}

// point is one of the things to know before a yes.
func point(out io.Writer, heading, text string) {
	fmt.Fprint(out, wrap(printable(text), cell("  "+heading, 12, false), "            ", textWidth))
}
