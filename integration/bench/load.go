package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/integration/mysqltest"
)

// The data that sysbench writes to.
const (
	tables = 8
	rows   = 20000 // of each table
)

// largeRows is the number of rows of a large transaction, and largeShare how many others count as one of them.
const (
	largeRows  = 1000
	largeShare = 100
)

// A load is what is written to the leader.
type load struct {
	name  string
	about string
	// count is how many transactions stand for so many of the flag -transactions.
	count func(transactions int) int
	write func(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error
}

func loads() []load {
	all := func(n int) int { return n }
	return []load{
		{"oltp", "sysbench oltp_write_only: two updates, a delete and an insert", all, sysbench("oltp_write_only")},
		{"insert", "sysbench oltp_insert: one row inserted", all, sysbench("oltp_insert")},
		{"large", fmt.Sprintf("%d rows inserted at once", largeRows),
			func(n int) int { return max(1, n/largeShare) }, writeLarge},
	}
}

func loadNames() []string {
	var names []string
	for _, l := range loads() {
		names = append(names, l.name)
	}
	return names
}

func loadNamed(name string) load {
	all := loads()
	return all[slices.IndexFunc(all, func(l load) bool { return l.name == name })]
}

// prepare creates the tables that all loads write to.
func prepare(ctx context.Context, s *mysqltest.Server) error {
	_, err := s.DB().ExecContext(ctx, "CREATE DATABASE sbtest; "+
		"CREATE TABLE sbtest.large (id BIGINT AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, KEY (k))")
	if err != nil {
		return fmt.Errorf("create the tables of the bench: %w", err)
	}
	return runSysbench(ctx, s, "oltp_write_only", "prepare", "--threads=4")
}

func sysbench(script string) func(context.Context, *mysqltest.Server, int, int) error {
	return func(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error {
		return runSysbench(ctx, leader, script, "run", fmt.Sprintf("--threads=%d", threads), fmt.Sprintf("--events=%d", transactions),
			"--time=0", "--rand-seed=42")
	}
}

func runSysbench(ctx context.Context, s *mysqltest.Server, script, do string, args ...string) error {
	args = append([]string{script, "--db-driver=mysql", "--mysql-socket=" + s.Socket, "--mysql-user=root", "--mysql-db=sbtest",
		fmt.Sprintf("--tables=%d", tables), fmt.Sprintf("--table-size=%d", rows)}, append(args, do)...)
	out, err := exec.CommandContext(ctx, s.Installation.Sysbench, args...).CombinedOutput()
	if err != nil {
		text := bytes.TrimSpace(out)
		return fmt.Errorf("sysbench %s %s: %w\n%s", script, do, err, text[max(0, len(text)-2000):])
	}
	return nil
}

// writeLarge writes transactions of many rows.
func writeLarge(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error {
	var row []string
	for i := range largeRows {
		row = append(row, fmt.Sprintf("(%d, '%s')", i*7919%100003, strings.Repeat(fmt.Sprintf("%03d-", i%1000), 30)))
	}
	statement := "INSERT INTO sbtest.large (k, c) VALUES " + strings.Join(row, ",")
	writers, ctx := errgroup.WithContext(ctx)
	var begun atomic.Int64
	for range threads {
		writers.Go(func() error {
			for begun.Add(1) <= int64(transactions) {
				if _, err := leader.DB().ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("write a large transaction: %w", err)
				}
			}
			return nil
		})
	}
	return writers.Wait()
}
