package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/cmd/internal/admin"
)

func (p *program) relayVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Look into the relay",
		Args:  noArgs,
		RunE:  whichVerb,
	}
	cmd.AddCommand(p.relayListVerb(), p.relayDumpVerb())
	return cmd
}

func (p *program) relayListVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the relay's segments, the oldest first",
		Args:  noArgs,
	}
	at := p.daemonFlags(cmd)
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := at.client()
		if err != nil {
			return err
		}
		segments, err := client.RelaySegments(cmd.Context())
		if err != nil {
			return err
		}
		if *format == outputJSON {
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(segments)
		}
		return listSegments(cmd.OutOrStdout(), segments)
	}
	return cmd
}

func listSegments(out io.Writer, segments []admin.RelaySegment) error {
	if _, err := fmt.Fprintf(out, "%7s  %9s  %12s  %-20s  %s\n", "SEGMENT", "SIZE", "TRANSACTIONS", "NEWEST", "GTIDS"); err != nil {
		return err
	}
	for _, s := range segments {
		transactions, newest, gtids := "?", "?", "?"
		if s.Transactions != nil {
			transactions = fmt.Sprint(*s.Transactions)
		}
		if s.Newest != nil {
			newest = s.Newest.UTC().Format(timeLayout)
		}
		if s.GTIDs != nil {
			gtids = s.GTIDs.String()
			if s.GTIDs.IsEmpty() {
				gtids = "-"
			}
		}
		size := humanize.IBytes(uint64(max(s.Bytes, 0)))
		if _, err := fmt.Fprintf(out, "%7d  %9s  %12s  %-20s  %s\n", s.Number, size, transactions, newest, gtids); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) relayDumpVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Show the relay's transactions and their events",
		Long: "Show the relay's transactions and their events: all, those of one segment, or those of a GTID\n" +
			"set. The segments are binlog files: mysqlbinlog shows the rows in them.",
		Example: "  baton relay dump -n 10\n" +
			"  baton relay dump --gtid 3e11fa47-71ca-11e1-9e33-c80aa9429562:23",
		Args: noArgs,
	}
	at := p.daemonFlags(cmd)
	text := cmd.Flags().String("gtid", "", "show only these `GTIDs`, UUID:N or UUID:N-M, …")
	segment := cmd.Flags().Uint64("segment", 0, "show only segment `N` of `baton relay ls`")
	limit := cmd.Flags().IntP("number", "n", 0, "show at most `N` transactions")
	format := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q := admin.RelayQuery{Segment: *segment, Limit: *limit}
		if *limit < 0 {
			return usage("-n: a number from 0")
		}
		if *text != "" {
			set, err := gtid.ParseSet(*text)
			if err != nil {
				return usage("--gtid: %v", err)
			}
			q.GTIDs = &set
		}
		client, err := at.client()
		if err != nil {
			return err
		}
		for t, err := range client.RelayTransactions(cmd.Context(), q) {
			if err == nil {
				err = p.showTransaction(cmd.OutOrStdout(), t, *format)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (p *program) showTransaction(out io.Writer, t admin.RelayTransaction, format output) error {
	if format == outputJSON {
		return json.NewEncoder(out).Encode(t)
	}
	when := "time unknown"
	if t.Time != nil {
		when = t.Time.UTC().Format("2006-01-02 15:04:05.000000Z")
	}
	_, err := fmt.Fprintf(out, "%s  %s  %s  segment %d\n", p.paint(bold, t.GTID), when, humanize.IBytes(uint64(max(t.Bytes, 0))), t.Segment)
	for _, e := range t.Events {
		if err != nil {
			return err
		}
		detail := e.Table
		if e.Query != "" {
			detail = e.Query
		}
		line := fmt.Sprintf("  %-19s  %9s  %s", e.Type, humanize.IBytes(uint64(max(e.Bytes, 0))), printable(detail))
		_, err = fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	return err
}
