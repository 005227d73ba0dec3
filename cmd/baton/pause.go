package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) pauseVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause [INSTANCE | failover]",
		Short: "Stop applying to a follower, or to all of them",
		Long: "Stop applying to a follower, or to all of them, after the transactions under way. The relay\n" +
			"goes on receiving from the leader; readers of the follower see it fall behind.\n\n" +
			"`baton pause failover` suspends automatic failovers: a leader that dies is told of, and nothing\n" +
			"is done until `baton resume failover`, or by `baton failover`. It lasts through restarts of the\n" +
			"daemon, and doesn't change who is applied to.",
		Args: someInstance,
	}
	at := daemonFlags(cmd)
	cmd.ValidArgsFunction = at.completePausable
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := at.client()
		if err != nil {
			return err
		}
		name, who := target(args)
		if name == automaticFailover {
			if err := client.PauseFailover(cmd.Context(), true); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "automatic failover: paused; allow it again with: baton resume failover")
			return nil
		}
		if err := client.Pause(cmd.Context(), name); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: paused; go on with: baton resume %s\n", who, name)
		return nil
	}
	return cmd
}

// automaticFailover is what pause and resume call it. No instance has that name:
// config.Load refuses it.
const automaticFailover = "failover"

// target is the instance's name for the daemon, and in words.
func target(args []string) (name, who string) {
	if len(args) == 0 {
		return "", "every follower"
	}
	return args[0], args[0]
}
