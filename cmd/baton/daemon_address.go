package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
)

// completionTimeout bounds what a shell waits for names.
const completionTimeout = 2 * time.Second

// configFlag adds --config to a verb.
func configFlag(cmd *cobra.Command, meaning string) *string {
	file := cmd.Flags().StringP("config", "c", "", meaning)
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return file
}

// daemonAddress is how a verb is told where its daemon is.
type daemonAddress struct {
	config, socket *string
}

// daemonFlags adds --config and --socket to a verb.
func daemonFlags(cmd *cobra.Command) daemonAddress {
	a := daemonAddress{
		config: configFlag(cmd, "find the daemon by the cluster's configuration `file`"),
		socket: cmd.Flags().StringP("socket", "s", "", "find the daemon by its socket's `path`"),
	}
	_ = cmd.MarkFlagFilename("socket", "sock")
	return a
}

// client returns the client of the daemon that the flags name.
func (a daemonAddress) client() (*admin.Client, error) {
	switch {
	case *a.socket != "":
		return admin.NewClient(*a.socket), nil
	case *a.config != "":
		at, err := admin.Locate(*a.config)
		if err != nil {
			return nil, err
		}
		return admin.NewClient(at.Socket), nil
	}
	return nil, usage("which cluster? name its configuration with --config FILE, or the daemon's socket with --socket PATH")
}

// complete gives a shell the names of instances: from the daemon, or from the
// configuration when there is none.
func (a daemonAddress) complete(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.instances(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
}

// completePausable is complete, and automatic failover.
func (a daemonAddress) completePausable(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.complete(cmd, args, word)
	if len(args) == 0 {
		names = append(names, automaticFailover)
	}
	return names, directive
}

// completeFlag is complete for the value of a flag.
func (a daemonAddress) completeFlag(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.instances(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
}

func (a daemonAddress) instances(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	if c, err := a.client(); err == nil {
		if s, _, err := c.Status(ctx); err == nil {
			var names []string
			for _, i := range s.Instances {
				if i.Role != admin.Leader {
					names = append(names, i.Name)
				}
			}
			return names
		}
	}
	if at, err := admin.Locate(*a.config); err == nil {
		return slices.Clone(at.Instances)
	}
	return nil
}

// mendNoDaemon says how to get to a daemon.
func mendNoDaemon(verb *cobra.Command, e *admin.NoDaemonError) string {
	if errors.Is(e, fs.ErrPermission) {
		return "run this as root, or as a user in the group of that socket"
	}
	file := "FILE"
	if f := verb.Flags().Lookup("config"); f != nil && f.Value.String() != "" {
		file = f.Value.String()
	}
	mend := fmt.Sprintf("start it with: baton run --config %s", file)
	if at, err := admin.Locate(file); err == nil && at.Cluster != "" {
		mend += fmt.Sprintf(" (as a service: systemctl start baton@%s)", at.Cluster)
	}
	return mend
}
