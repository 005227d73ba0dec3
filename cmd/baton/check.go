package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

func (p *program) checkVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check everything that must be true on each instance",
		Long: "Check everything that must be true on each instance, with what to change and the SQL that changes\n" +
			"it. Nothing is changed, and no daemon is needed. Exit code 1 when something forbids replicating.",
		Example: "  baton check\n" +
			"  baton check --config /etc/baton/shop.yaml -o json",
		Args: noArgs,
	}
	file := configFlag(cmd, "the cluster's configuration `file` (default: the only one in "+configFolder+")")
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *file == "" {
			only, err := onlyConfig(p.configFolder, "name its configuration with --config FILE")
			if err != nil {
				return err
			}
			*file = only
		}
		cfg, err := loadConfig(*file)
		if err != nil {
			return err
		}
		findings, err := p.patiently(func() ([]mysql.Finding, error) { return p.check(cmd.Context(), cfg) })
		if err != nil {
			return err
		}
		if *format == outputJSON {
			err = checkJSON(cmd.OutOrStdout(), cfg, findings)
		} else {
			err = p.checkText(cmd.OutOrStdout(), cfg, findings)
		}
		if err == nil && number(findings, mysql.Error) > 0 {
			return errQuiet
		}
		return err
	}
	return cmd
}

// patience is the time after which somebody at a terminal is told what takes so long.
const patience = time.Second

// patiently does ask, and says what is waited for when it takes its time.
func (p *program) patiently(ask func() ([]mysql.Finding, error)) ([]mysql.Finding, error) {
	if !p.terminal.shows {
		return ask()
	}
	answered, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-answered:
		case <-time.After(patience):
			fmt.Fprintln(p.terminal.err, "asking the instances; one that doesn't answer is waited for …")
		}
	}()
	findings, err := ask()
	close(answered)
	<-told
	return findings, err
}

func number(findings []mysql.Finding, level mysql.Level) int {
	n := 0
	for _, f := range findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

func checkJSON(out io.Writer, cfg config.Config, findings []mysql.Finding) error {
	if findings == nil {
		findings = []mysql.Finding{}
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Cluster  string          `json:"cluster"`
		OK       bool            `json:"ok"`
		Findings []mysql.Finding `json:"findings"`
	}{cfg.Cluster, number(findings, mysql.Error) == 0, findings})
}

// checkText lists the findings of no instance, then by instance, the errors first.
func (p *program) checkText(out io.Writer, cfg config.Config, findings []mysql.Finding) error {
	list := func(name, rest string, of []mysql.Finding) error {
		_, err := fmt.Fprintf(out, "%s  %s\n", p.paint(bold, name), rest)
		for _, f := range of {
			if err == nil {
				err = p.finding(out, f)
			}
		}
		return err
	}
	if of := worstFirst(findings, ""); len(of) > 0 {
		if err := list(cfg.Cluster, "the cluster", of); err != nil {
			return err
		}
	}
	for _, in := range cfg.Instances {
		if err := list(in.Name, in.Address, worstFirst(findings, in.Name)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%d to mend, %d to know, %d ok\n",
		number(findings, mysql.Error), number(findings, mysql.Warn), number(findings, mysql.OK))
	return err
}

func worstFirst(findings []mysql.Finding, instance string) []mysql.Finding {
	var of []mysql.Finding
	for _, f := range findings {
		if f.Instance == instance {
			of = append(of, f)
		}
	}
	rank := map[mysql.Level]int{mysql.Error: 0, mysql.Warn: 1, mysql.OK: 2}
	slices.SortStableFunc(of, func(a, b mysql.Finding) int { return cmp.Compare(rank[a.Level], rank[b.Level]) })
	return of
}

func (p *program) finding(out io.Writer, f mysql.Finding) error {
	colour := map[mysql.Level]colour{mysql.OK: green, mysql.Warn: yellow, mysql.Error: red}[f.Level]
	text := fmt.Sprintf("  %s  %-17s  %s\n", p.paint(colour, fmt.Sprintf("%-5s", f.Level)), f.Subject, printable(f.Message))
	if f.Mend != "" {
		text += fmt.Sprintf("         to do: %s\n", printable(f.Mend))
	}
	if f.SQL != "" {
		text += fmt.Sprintf("         SQL:   %s\n", printable(f.SQL))
	}
	_, err := io.WriteString(out, text)
	return err
}
