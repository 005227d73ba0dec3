package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batondb/baton/integration/mysqltest"
)

// A load is what is written to the leader.
type load struct {
	name  string
	about string
	// share is how many of the flag -transactions one of its transactions stands for.
	share int
	// guess is how long a follower may take for one of them.
	guess time.Duration
	write func(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error
}

// count is how many transactions stand for so many of the flag -transactions.
func (l load) count(transactions int) int { return max(1, transactions/l.share) }

// loads lists them all. Their shares make each of the others take a follower some seconds less than the first one,
// which all contestants are measured with.
func loads() []load {
	return []load{
		{"oltp", "sysbench oltp_write_only: two updates, a delete and an insert", 1, 300 * time.Microsecond, sysbench("oltp_write_only")},
		{"insert", "sysbench oltp_insert: one row inserted", 4, 250 * time.Microsecond, sysbench("oltp_insert")},
		{"hot", fmt.Sprintf("updates of %d hot rows", hotRows), 8, 600 * time.Microsecond, each(updateHot)},
		{"wide", "wide rows: inserts and updates of 34 columns, some 6 KB a row", 12, time.Millisecond, each(writeWide)},
		{"large", fmt.Sprintf("large transactions: %d rows inserted or updated at once", largeRows), 200, 12 * time.Millisecond, each(writeLarge)},
		{"tables", fmt.Sprintf("%d small tables: an update in one and an insert into another", manyTables), 4, 300 * time.Microsecond, each(writeMany)},
		{"bulk", fmt.Sprintf("bulk load: LOAD DATA with %d rows", bulkRows), 4000, 100 * time.Millisecond, loadData},
		{"ddl", fmt.Sprintf("inserts, with DDL on their table after every %d", ddlEvery), 8, 600 * time.Microsecond, writeWithDDL},
		{"clock", fmt.Sprintf("sysbench oltp_write_only by %d connections, the leader's clock knowing only what was committed at the same time (MySQL 8.0's default)", fewThreads),
			4, 600 * time.Microsecond, onlyCommits(sysbench("oltp_write_only"))},
	}
}

func loadNames() []string {
	var names []string
	for _, l := range loads() {
		names = append(names, l.name)
	}
	return names
}

// usualLoads are those of a run that isn't told which: the last one has its place where a disk is slow.
func usualLoads() []string {
	names := loadNames()
	return names[:len(names)-1]
}

func loadNamed(name string) load {
	all := loads()
	return all[slices.IndexFunc(all, func(l load) bool { return l.name == name })]
}

// The data that sysbench writes to.
const (
	sysbenchTables = 8
	sysbenchRows   = 20000 // of each table
)

func sysbench(script string) func(context.Context, *mysqltest.Server, int, int) error {
	return func(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error {
		_, err := runSysbench(ctx, everywhere, leader, script, "run", fmt.Sprintf("--threads=%d", threads), fmt.Sprintf("--events=%d", transactions),
			"--time=0", "--rand-seed=42")
		return err
	}
}

// fewThreads are too few connections for commits that coincide to say much.
const fewThreads = 2

// onlyCommits is a load by few connections for which the leader's logical clock tells no more than which transactions
// were being committed at the same time.
func onlyCommits(write func(context.Context, *mysqltest.Server, int, int) error) func(context.Context, *mysqltest.Server, int, int) error {
	return func(ctx context.Context, leader *mysqltest.Server, transactions, _ int) error {
		// The history of one row leaves nothing to tell from.
		if _, err := leader.DB().ExecContext(ctx, "SET GLOBAL binlog_transaction_dependency_history_size = 1"); err != nil {
			return err
		}
		return write(ctx, leader, transactions, fewThreads)
	}
}

// runSysbench runs it on a side of the machine and returns what it printed.
func runSysbench(ctx context.Context, on side, s *mysqltest.Server, script, do string, args ...string) (string, error) {
	args = append([]string{script, "--db-driver=mysql", "--mysql-socket=" + s.Socket, "--mysql-user=root", "--mysql-db=sbtest",
		fmt.Sprintf("--tables=%d", sysbenchTables), fmt.Sprintf("--table-size=%d", sysbenchRows)}, append(args, do)...)
	var out bytes.Buffer
	p := exec.CommandContext(ctx, s.Installation.Sysbench, args...)
	p.Stdout, p.Stderr = &out, &out
	err := p.Start()
	if err == nil {
		err = errors.Join(on.take(p.Process.Pid), p.Wait())
	}
	if err != nil {
		text := bytes.TrimSpace(out.Bytes())
		return "", fmt.Errorf("sysbench %s %s: %w\n%s", script, do, err, text[max(0, len(text)-2000):])
	}
	return out.String(), nil
}

// each is a load of transactions that are each one query. They are numbered from 0 and spread over the connections as
// these get to them.
func each(query func(i int) string) func(context.Context, *mysqltest.Server, int, int) error {
	return func(ctx context.Context, leader *mysqltest.Server, transactions, threads int) error {
		return onConnections(ctx, leader, transactions, threads, func(ctx context.Context, conn *sql.Conn, i int) error {
			_, err := conn.ExecContext(ctx, query(i))
			return err
		})
	}
}

// onConnections calls do for 0 to n-1, from as many connections as there are threads.
func onConnections(ctx context.Context, s *mysqltest.Server, n, threads int, do func(ctx context.Context, conn *sql.Conn, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range threads {
		group.Go(func() error {
			conn, err := s.DB().Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := do(ctx, conn, i); err != nil {
					return fmt.Errorf("write transaction %d of the load: %w", i, err)
				}
			}
		})
	}
	return group.Wait()
}
