package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
)

// configFolder holds the configurations that baton@.service runs; exampleConfig is
// in the package, and none of them.
const (
	configFolder  = "/etc/baton"
	exampleConfig = "baton.example.yaml"
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
	folder         string // of the configurations of this machine
}

// daemonFlags adds --config and --socket to a verb.
func (p *program) daemonFlags(cmd *cobra.Command) daemonAddress {
	a := daemonAddress{
		folder: p.configFolder,
		config: configFlag(cmd, "find the daemon by this configuration `file` (default: the only one in "+configFolder+")"),
		socket: cmd.Flags().StringP("socket", "s", "", "find the daemon by its socket's `path`"),
	}
	_ = cmd.MarkFlagFilename("socket", "sock")
	return a
}

// client returns the client of the daemon that the flags name.
func (a daemonAddress) client() (*admin.Client, error) {
	if *a.socket != "" {
		return admin.NewClient(*a.socket), nil
	}
	at, err := a.locate()
	if err != nil {
		return nil, err
	}
	return admin.NewClient(at.Socket), nil
}

// locate finds the daemon by its configuration: the one that is named, or the only
// one of this machine.
func (a daemonAddress) locate() (admin.Location, error) {
	if *a.config == "" {
		file, err := onlyConfig(a.folder, "name its configuration with --config FILE, or the daemon's socket with --socket PATH")
		if err != nil {
			return admin.Location{}, err
		}
		*a.config = file
	}
	return admin.Locate(*a.config)
}

// onlyConfig returns the configuration in folder when there is just one: most
// machines have one cluster, and whoever is woken by it knows which. The example
// of the package doesn't count.
func onlyConfig(folder, otherwise string) (string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrPermission) {
		return "", usage("which cluster? %s can't be read: run this as root or as a user in the group baton, or %s", folder, otherwise)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yaml") && e.Name() != exampleConfig {
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	switch len(files) {
	case 1:
		return files[0], nil
	case 0:
		return "", usage("which cluster? %s", otherwise)
	}
	return "", usage("which cluster? there are %s: %s", strings.Join(files, ", "), otherwise)
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
	if at, err := a.locate(); err == nil {
		return slices.Clone(at.Instances)
	}
	return nil
}

// mendNoDaemon says how to get to a daemon. Where the unit runs it, the unit comes
// first: a daemon that root starts by hand leaves files that the unit's can't write.
func (p *program) mendNoDaemon(verb *cobra.Command, e *admin.NoDaemonError) string {
	if errors.Is(e, fs.ErrPermission) {
		return "run this as root, or as a user in the group of that socket (with the packaged unit: baton)"
	}
	file := ""
	if f := verb.Flags().Lookup("config"); f != nil {
		file = f.Value.String()
	}
	service, found := strings.CutSuffix(filepath.Base(file), ".yaml")
	ofUnit := found && filepath.Dir(file) == p.configFolder
	if errors.Is(e, admin.ErrSilent) && ofUnit {
		return fmt.Sprintf("see what it does with: systemctl status baton@%[1]s, and: journalctl -u baton@%[1]s; systemctl restart baton@%[1]s loses nothing", service)
	}
	if errors.Is(e, admin.ErrSilent) {
		return "see what it does in its log, and whether its disk answers; to end it, by kill -9 if need be, and start it again loses nothing"
	}
	if file == "" {
		return "see that this is the socket of its configuration, and start it with: systemctl start baton@NAME, or: baton run --config FILE"
	}
	if ofUnit {
		return fmt.Sprintf("start it with: systemctl start baton@%[1]s, and if it doesn't stay up, see: journalctl -u baton@%[1]s (without systemd: baton run --config %[2]s)", service, file)
	}
	return "start it with: baton run --config " + file
}
