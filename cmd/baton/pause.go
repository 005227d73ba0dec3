package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) pauseVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause [INSTANCE]",
		Short: "Stop applying to a follower, or to all of them",
		Long: "Stop applying to a follower, or to all of them, after the transactions under way. The relay\n" +
			"goes on receiving from the leader; readers of the follower see it fall behind.",
		Args: someInstance,
	}
	at := daemonFlags(cmd)
	cmd.ValidArgsFunction = at.complete
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := at.client()
		if err != nil {
			return err
		}
		name, who := target(args)
		if err := client.Pause(cmd.Context(), name); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: paused; go on with: baton resume %s\n", who, name)
		return nil
	}
	return cmd
}

// target is the instance's name for the daemon, and in words.
func target(args []string) (name, who string) {
	if len(args) == 0 {
		return "", "every follower"
	}
	return args[0], args[0]
}
