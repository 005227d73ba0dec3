package main

import (
	"context"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/cmd/internal/daemon"
	"github.com/batondb/baton/config"
)

// daemonOf returns what `baton run` runs.
func daemonOf(build admin.Build) func(ctx context.Context, cfg config.Config, configFile string) error {
	return func(ctx context.Context, cfg config.Config, configFile string) error {
		return daemon.Run(ctx, daemon.Options{Config: cfg, ConfigFile: configFile, Build: build})
	}
}
