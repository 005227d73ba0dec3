package main

import (
	"context"
	"errors"

	"github.com/batondb/baton/cmd/internal/admin"
	"github.com/batondb/baton/config"
)

// daemonOf returns what `baton run` runs.
func daemonOf(admin.Build) func(ctx context.Context, cfg config.Config, configFile string) error {
	return func(context.Context, config.Config, string) error {
		return errors.New("this build holds no daemon; build baton from a later commit")
	}
}
