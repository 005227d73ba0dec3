package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/cmd/internal/admin"
)

func (p *program) versionVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which baton this is",
		Args:  noArgs,
	}
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *format == outputJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(p.build)
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), versionText(p.build))
		return err
	}
	return cmd
}

func versionText(b admin.Build) string {
	var origin []string
	for _, part := range []string{b.Revision, b.Time, b.Go, b.Platform} {
		if part != "" {
			origin = append(origin, part)
		}
	}
	return fmt.Sprintf("baton %s (%s)", b.Version, strings.Join(origin, ", "))
}

// buildOf puts together what the linker was told and what Go recorded.
func buildOf(version, revision, when string, read func() (*debug.BuildInfo, bool)) admin.Build {
	b := admin.Build{
		Version: version, Revision: revision, Time: when,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	recorded, ok := read()
	if !ok {
		recorded = &debug.BuildInfo{}
	}
	settings := map[string]string{}
	for _, s := range recorded.Settings {
		settings[s.Key] = s.Value
	}
	if b.Version == "" {
		b.Version = recorded.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "dev"
	}
	b.Version = strings.TrimPrefix(b.Version, "v")
	if b.Revision == "" {
		b.Revision = settings["vcs.revision"]
		if len(b.Revision) > 12 {
			b.Revision = b.Revision[:12]
		}
		if b.Revision != "" && settings["vcs.modified"] == "true" {
			b.Revision += "-dirty"
		}
	}
	if b.Time == "" {
		b.Time = settings["vcs.time"]
	}
	return b
}
