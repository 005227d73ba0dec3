package main

import (
	"context"
	"fmt"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
)

// How often the follower is asked whether it has everything, how often for trouble, and when it is given up.
const (
	pollInterval = 20 * time.Millisecond
	troubleEvery = 50 // polls
	catchUpLimit = 15 * time.Minute
)

// waitFor waits until the follower has executed the set.
func waitFor(ctx context.Context, follower *mysqltest.Server, r interface{ trouble(context.Context) error }, set gtid.Set) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	conn, err := follower.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	text := set.String()
	for polls := 1; ; polls++ {
		var has bool
		if err := conn.QueryRowContext(ctx, "SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)", text).Scan(&has); err != nil {
			return fmt.Errorf("ask the follower what it has: %w", err)
		}
		if has {
			return nil
		}
		if polls%troubleEvery == 0 {
			if err := r.trouble(ctx); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until the follower has everything: %w", ctx.Err())
		}
	}
}

// verify checks that the follower, to which nothing is applied any more, holds what the leader holds: the GTIDs, and
// with data every row. What has been added to the leader since the load, baton's own rows say, is fetched natively.
func verify(ctx context.Context, leader, follower *mysqltest.Server, data bool) error {
	has, err := executed(ctx, follower)
	if err != nil {
		return err
	}
	want, err := executed(ctx, leader)
	if err != nil {
		return err
	}
	if more := has.Subtract(want); !more.IsEmpty() {
		return fmt.Errorf("the follower has transactions that the leader has not: %s", more)
	}
	if !has.ContainsSet(want) {
		n := &native{follower}
		if err := n.prepare(ctx, leader); err != nil {
			return err
		}
		if err := n.start(ctx); err != nil {
			return err
		}
		if err := waitFor(ctx, follower, n, want); err != nil {
			return err
		}
		if err := n.stop(); err != nil {
			return err
		}
	}
	if !data {
		return nil
	}
	if _, err := mysqltest.CompareData(ctx, leader, follower); err != nil {
		return fmt.Errorf("the follower's data is not the leader's: %w", err)
	}
	return nil
}

func executed(ctx context.Context, s *mysqltest.Server) (gtid.Set, error) {
	var text string
	if err := s.DB().QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&text); err != nil {
		return gtid.Set{}, fmt.Errorf("ask %s what it has: %w", s.Name, err)
	}
	return gtid.ParseSet(text)
}

// binlogFile is a line of SHOW BINARY LOGS.
type binlogFile struct {
	name string
	size int64 // bytes
}

func binlogs(ctx context.Context, s *mysqltest.Server) ([]binlogFile, error) {
	rows, err := s.DB().QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var files []binlogFile
	for rows.Next() {
		var f binlogFile
		var encrypted string
		if err := rows.Scan(&f.name, &f.size, &encrypted); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, rows.Err()
}

// binlogSize is how many bytes a server has written to its binlog since it began the file first.
func binlogSize(ctx context.Context, s *mysqltest.Server, first string) (int64, error) {
	logs, err := binlogs(ctx, s)
	var sum int64
	for _, log := range logs {
		if log.name >= first {
			sum += log.size
		}
	}
	return sum, err
}
