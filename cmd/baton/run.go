package main

import (
	"github.com/spf13/cobra"

	"github.com/batondb/baton/config"
)

func (p *program) runVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the daemon of one cluster",
		Long: "Run the daemon of one cluster in the foreground until SIGTERM or SIGINT, which stop it in\n" +
			"order. SIGHUP reads the configuration again. The log goes to standard error.",
		Example: "  baton run --config /etc/baton/shop.yaml",
		Args:    noArgs,
	}
	file := configFlag(cmd, "the cluster's configuration `file`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*file)
		if err != nil {
			return err
		}
		boundMemory(cfg)
		return p.run(cmd.Context(), cfg, *file)
	}
	return cmd
}

func loadConfig(file string) (config.Config, error) {
	if file == "" {
		return config.Config{}, usage("which cluster? name its configuration with --config FILE")
	}
	return config.Load(file)
}
