package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
)

func (p *program) pauseVerb() *cobra.Command {
	return p.applyingVerb(applying{
		do: (*admin.Client).Pause,
		done: func(who, name string) string {
			return strings.TrimSpace(fmt.Sprintf("%s: paused; go on with: baton resume %s", who, name))
		},
		pauseFailover: true,
		failoverDone:  "automatic failover: paused; allow it again with: baton resume failover",
	}, &cobra.Command{
		Use:   "pause [INSTANCE | failover]",
		Short: "Stop applying to a follower, or to all of them",
		Long: "Stop applying to a follower, or to all of them, after the transactions under way. The relay\n" +
			"goes on receiving from the leader; readers of the follower see it fall behind.\n\n" +
			"`baton pause failover` suspends automatic failovers: a leader that dies is told of, and nothing\n" +
			"is done until `baton resume failover`, or by `baton failover`. It lasts through restarts of the\n" +
			"daemon, and doesn't change who is applied to.",
		Example: "  baton pause db2            # for a backup of db2 at rest\n" +
			"  baton pause failover       # before work on the network",
	})
}

func (p *program) resumeVerb() *cobra.Command {
	return p.applyingVerb(applying{
		do:           (*admin.Client).Resume,
		done:         func(who, _ string) string { return who + ": resumed; see how it goes with: baton status" },
		failoverDone: "automatic failover: allowed again; see what it would do with: baton status",
	}, &cobra.Command{
		Use:   "resume [INSTANCE | failover]",
		Short: "Go on with a follower that is paused or stopped, or with all of them",
		Long: "Go on with a follower that an operator paused or an error stopped, or with all of them, at the\n" +
			"transaction where it is. Where the cause of an error is still there, it stops again.\n\n" +
			"`baton resume failover` allows automatic failovers again.",
		Example: "  baton resume db2           # after its cause was mended: try again now\n" +
			"  baton resume failover",
	})
}

// automaticFailover is what pause and resume call it. No instance has that name:
// config.Load refuses it.
const automaticFailover = "failover"

// applying is what differs between pausing and resuming.
type applying struct {
	do            func(c *admin.Client, ctx context.Context, instance string) error
	done          func(who, name string) string // said of the followers
	pauseFailover bool
	failoverDone  string // said of automatic failover
}

// applyingVerb completes cmd.
func (p *program) applyingVerb(a applying, cmd *cobra.Command) *cobra.Command {
	cmd.Args = someInstance
	at := p.daemonFlags(cmd)
	cmd.ValidArgsFunction = at.completePausable
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := at.client()
		if err != nil {
			return err
		}
		name, who := "", "every follower"
		if len(args) > 0 {
			name, who = args[0], args[0]
		}
		if name == automaticFailover {
			if err := client.PauseFailover(cmd.Context(), a.pauseFailover); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), a.failoverDone)
			return nil
		}
		if err := a.do(client, cmd.Context(), name); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), a.done(who, name))
		return nil
	}
	return cmd
}
