package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batondb/baton/internal/history"
)

// timeLayout is how times are shown: UTC, since a cluster's machines need not
// share a time zone.
const timeLayout = "2006-01-02 15:04:05Z"

func (p *program) eventsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened to the cluster",
		Long: "Show what happened to the cluster, the newest last: commands and who gave them, hand-overs step by\n" +
			"step, instances that were lost and came back. Times are UTC.",
		Example: "  baton events -n 100\n" +
			"  baton events --follow            # from now on, until Ctrl-C",
		Args: noArgs,
	}
	at := p.daemonFlags(cmd)
	n := cmd.Flags().IntP("number", "n", 20, "show the newest `N`")
	follow := cmd.Flags().BoolP("follow", "f", false, "go on showing them as they come")
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *n < 0 {
			return usage("-n: a number from 0")
		}
		client, err := at.client()
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		for e, err := range client.Events(cmd.Context(), *n, *follow) {
			if *follow && errors.Is(err, context.Canceled) {
				return nil
			}
			if err == nil {
				err = p.showEvent(out, e, *format)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (p *program) showEvent(out io.Writer, e history.Event, format output) error {
	if format == outputJSON {
		return json.NewEncoder(out).Encode(e)
	}
	colour := plain
	switch e.Level {
	case history.Warn:
		colour = yellow
	case history.Error:
		colour = red
	}
	who := e.Instance
	if who == "" {
		who = "-"
	}
	level := p.paint(colour, fmt.Sprintf("%-5s", strings.ToUpper(string(e.Level))))
	text := fmt.Sprintf("%s  %s  %-8s  %-18s  %s", e.Time.UTC().Format(timeLayout), level, who, e.Kind, printable(e.Message))
	if e.GTID != "" {
		text += "\n    GTID   " + printable(e.GTID)
	}
	if e.Mend != "" {
		text += "\n    to do  " + printable(e.Mend)
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// ago is the time from t to now in the two largest units.
func ago(t, now time.Time) string { return short(now.Sub(t)) }

// short is a duration in at most two units: 0.3s, 12s, 3m10s, 5h12m, 3d04h, 40d.
func short(d time.Duration) string {
	d = max(d, 0)
	switch s := int64(d / time.Second); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
	case s < 10*86400:
		return fmt.Sprintf("%dd%02dh", s/86400, s%86400/3600)
	default:
		return fmt.Sprintf("%dd", s/86400)
	}
}
