package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) resumeVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume [INSTANCE]",
		Short: "Go on with a follower that is paused or stopped, or with all of them",
		Long: "Go on with a follower that an operator paused or an error stopped, or with all of them, at the\n" +
			"transaction where it is. Where the cause of an error is still there, it stops again.",
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
		if err := client.Resume(cmd.Context(), name); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: resumed; see how it goes with: baton status\n", who)
		return nil
	}
	return cmd
}
