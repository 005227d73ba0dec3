package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) resumeVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume [INSTANCE | failover]",
		Short: "Go on with a follower that is paused or stopped, or with all of them",
		Long: "Go on with a follower that an operator paused or an error stopped, or with all of them, at the\n" +
			"transaction where it is. Where the cause of an error is still there, it stops again.\n\n" +
			"`baton resume failover` allows automatic failovers again.",
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
			if err := client.PauseFailover(cmd.Context(), false); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "automatic failover: allowed again; see what it would do with: baton status")
			return nil
		}
		if err := client.Resume(cmd.Context(), name); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: resumed; see how it goes with: baton status\n", who)
		return nil
	}
	return cmd
}
