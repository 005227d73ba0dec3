package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/failover"
)

func (p *program) failoverVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Make a follower the leader, whatever has become of the old one",
		Long: "Make a follower the leader, whatever has become of the old one: the one that fits best, or the one\n" +
			"that --to names. The old leader is fenced where it can be reached. Everything that is in the relay\n" +
			"is kept. Where the leader is well, `baton switchover` is the verb.",
		Example: "  baton status                     # whom it would promote, what would be lost, why it isn't done\n" +
			"  baton failover                   # asks before it does it\n" +
			"  baton failover --to db3",
		Args: noArgs,
	}
	at := p.daemonFlags(cmd)
	o := failover.Order{}
	cmd.Flags().StringVar(&o.To, "to", "", "make this `instance` the leader")
	_ = cmd.RegisterFlagCompletionFunc("to", at.completeFlag)
	cmd.Flags().BoolVar(&o.AllowLoss, "allow-loss", false, "go on although commits that succeeded may be lost")
	yes := cmd.Flags().BoolP("yes", "y", false, "don't ask")
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := at.client()
		if err != nil {
			return err
		}
		if !*yes {
			if err := p.confirmFailover(cmd.Context(), client, o); err != nil {
				return err
			}
		}
		return carryOut(p, cmd, *format, order[failover.Result]{
			what: "the failover",
			give: func(ctx context.Context, say func(failover.StepReport)) (failover.Result, error) {
				return client.Failover(ctx, o, say)
			},
			conclude: p.concludeHandOver,
		})
	}
	return cmd
}

// strictMode is the durability.mode in which a leader that is cut off reports no
// commit as successful.
const strictMode = "strict"

// confirmFailover says what will happen and what may be lost, and asks.
func (p *program) confirmFailover(ctx context.Context, client *admin.Client, o failover.Order) error {
	if err := p.mayAsk(); err != nil {
		return err
	}
	s, _, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if o.To != "" {
		if _, err := known(s, o.To); err != nil {
			return err
		}
	}
	out := p.terminal.out
	from := cmp.Or(string(s.Leader), "the leader")
	fmt.Fprint(out, wrap(printable(fmt.Sprintf("%s is deposed, and %s leads the cluster %s.", addressed(s, from), failoverTo(s, o), s.Cluster)), "", "", textWidth))
	point(out, "leader", leaderNow(s, from))
	if s.Forecast.BlockedBy != "" {
		point(out, "by itself", "baton doesn't do it: "+string(s.Forecast.BlockedBy))
	}
	point(out, "clients", fmt.Sprintf("connections to %s are ended where it can be reached; writes go to the new leader once it leads.", from))
	p.pointOfLoss(out, s, o)
	return p.confirm(ctx, "Fail over?")
}

// failoverTo says who will lead, and if nobody can, why.
func failoverTo(s admin.Status, o failover.Order) string {
	to := cmp.Or(o.To, string(s.Forecast.Candidate))
	if to == "" {
		whoever := "whoever can (nobody now"
		for _, r := range s.Forecast.Refused {
			whoever += fmt.Sprintf("; %s: %s", r.Instance, r.Reason)
		}
		return whoever + ")"
	}
	for _, r := range s.Forecast.Refused {
		if r.Instance == to {
			return fmt.Sprintf("%s (which can't now: %s)", to, r.Reason)
		}
	}
	return addressed(s, to)
}

// leaderNow says what has become of the leader.
func leaderNow(s admin.Status, from string) string {
	switch s.LeaderHealth.Health {
	case admin.Alive:
		return from + " is well, so that there is nothing to fail over from: `baton switchover` is the verb."
	case admin.Died:
		return fmt.Sprintf("%s has died: %s.", from, s.LeaderHealth.Reason)
	case admin.Silent:
		return fmt.Sprintf("%s is silent: %s. It may be frozen or cut off, and still serve clients that reach it.", from, s.LeaderHealth.Reason)
	case admin.Suspect:
		return fmt.Sprintf("%s is not taken for dead: %s.", from, s.LeaderHealth.Reason)
	}
	return "how it is, is unknown."
}

// pointOfLoss says what may be lost, as far as is known.
func (p *program) pointOfLoss(out io.Writer, s admin.Status, o failover.Order) {
	text := "nothing that succeeded: commits waited for the relay."
	switch lose := s.Forecast.WouldLose; {
	case s.Durability.State != admin.Protected:
		text = "commits that succeeded may be LOST: "
		if s.Durability.State == admin.Unprotected && s.Durability.Since != nil {
			text += fmt.Sprintf("since %s they haven't waited for the relay.", s.Durability.Since.UTC().Format(timeLayout))
		} else {
			text += "whether they waited for the relay is unknown."
		}
		if lose != nil {
			text += fmt.Sprintf(" Known to be lacking in it: %s.", transactions(*lose))
		}
	case s.LeaderHealth.Health == admin.Silent && s.Durability.Mode != strictMode:
		text = fmt.Sprintf("commits that %s reported as successful since it was last heard may be LOST: after durability.ack_timeout it goes on without the relay.", s.Leader)
	case lose == nil:
		text = "unknown."
	case *lose > 0:
		text = fmt.Sprintf("%s that the leader is known to have and the relay lacks. Commits waited for the relay: no client should have been told that these succeeded.", transactions(*lose))
	}
	point(out, "loss", text)
	if o.AllowLoss {
		point(out, "", "with --allow-loss it goes on all the same.")
	}
}
