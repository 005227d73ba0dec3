package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/mysqltest"
)

// prove closes the shop, waits for the followers, and compares everything with the leader.
func (d *demo) prove(ctx context.Context) error {
	acknowledged := d.load.stop()
	d.say("the shop is closed; waiting until both followers hold the leader's GTID set")
	stopped := time.Now()
	for _, f := range d.followers() {
		if err := d.caughtUp(ctx, f); err != nil {
			return err
		}
	}
	d.watch.unfollow()
	set, err := executed(ctx, d.leader)
	if err != nil {
		return err
	}
	d.say("they do, %s later: %s", seconds(time.Since(stopped)), set)
	if err := d.compareTables(ctx); err != nil {
		return err
	}
	for _, s := range d.servers {
		if err := findOrders(ctx, s, acknowledged); err != nil {
			return err
		}
	}
	if err := d.countUnprotected(ctx); err != nil {
		return err
	}
	d.sumUp(len(acknowledged), set.Count())
	return nil
}

// countUnprotected adds what the leader committed without baton, before it leads no more.
func (d *demo) countUnprotected(ctx context.Context) error {
	n, err := number(ctx, d.leader, "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Rpl_semi_sync_source_no_tx'")
	d.unprotected += n
	return err
}

// compareTables prints rows and checksum of every table on every server, and fails when anything differs.
func (d *demo) compareTables(ctx context.Context) error {
	servers := d.servers
	tables, err := texts(ctx, servers[0], "SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop' ORDER BY 1")
	if err != nil {
		return err
	}
	header := fmt.Sprintf("%-14s %10s", "table", "rows")
	for _, s := range servers {
		header += fmt.Sprintf("  %11s", s.Name)
	}
	d.print("\n  " + d.paint(bold, header) + "   (CHECKSUM TABLE)")
	for _, table := range tables {
		line, same := "", true
		var first string
		for i, s := range servers {
			rows, err := number(ctx, s, "SELECT COUNT(*) FROM shop."+table)
			if err != nil {
				return err
			}
			checksum, err := checksum(ctx, s, table)
			if err != nil {
				return err
			}
			held := fmt.Sprintf("%d %s", rows, checksum)
			if i == 0 {
				first = held
				line = fmt.Sprintf("  %-14s %10s", table, humanize.Comma(rows))
			}
			same = same && held == first
			line += fmt.Sprintf("  %11s", checksum)
		}
		verdict := d.paint(green, "identical")
		if !same {
			verdict = d.paint(red, "DIFFERENT")
		}
		d.print(line + "   " + verdict)
	}
	d.print("")
	// This compares the definitions too, and names the rows that differ.
	if _, err := mysqltest.CompareData(ctx, servers...); err != nil {
		return fmt.Errorf("the servers differ: %w", err)
	}
	return nil
}

func checksum(ctx context.Context, s *mysqltest.Server, table string) (string, error) {
	var name, sum string
	if err := s.DB().QueryRowContext(ctx, "CHECKSUM TABLE shop."+table).Scan(&name, &sum); err != nil {
		return "", fmt.Errorf("checksum of %s on %s: %w", table, s.Name, err)
	}
	return sum, nil
}

// findOrders fails unless a server holds every acknowledged order as it was placed, once, and no other.
func findOrders(ctx context.Context, s *mysqltest.Server, acknowledged []order) error {
	rows, err := s.DB().QueryContext(ctx, "SELECT id, reference, total FROM shop.orders")
	if err != nil {
		return fmt.Errorf("read the orders on %s: %w", s.Name, err)
	}
	defer rows.Close()
	held := map[string][]string{} // the orders of a reference
	for rows.Next() {
		var id int64
		var reference, total string
		if err := rows.Scan(&id, &reference, &total); err != nil {
			return fmt.Errorf("read the orders on %s: %w", s.Name, err)
		}
		held[reference] = append(held[reference], fmt.Sprintf("no %d of %s", id, total))
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the orders on %s: %w", s.Name, err)
	}
	var wrong []string
	for _, o := range acknowledged {
		placed := fmt.Sprintf("no %d of %s", o.id, o.total())
		if there := held[o.reference]; len(there) != 1 || there[0] != placed {
			wrong = append(wrong, fmt.Sprintf("%s was acknowledged as %s, and %q is there", o.reference, placed, there))
		}
		delete(held, o.reference)
	}
	for reference, there := range held {
		wrong = append(wrong, fmt.Sprintf("%s was never acknowledged, and %q is there", reference, there))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s has %d orders that are not as they were acknowledged: %s", s.Name, len(wrong), strings.Join(wrong[:min(len(wrong), 5)], "; "))
	}
	return nil
}

// sumUp is the end of the story.
func (d *demo) sumUp(orders int, transactions int64) {
	l := d.load
	var lags []string
	for _, f := range d.servers {
		lags = append(lags, fmt.Sprintf("%s %.1f s", f.Name, d.watch.greatestLag(f.Name)))
	}
	protection := "every commit waited for baton's fsync"
	if d.unprotected > 0 {
		protection = d.paint(yellow, fmt.Sprintf("%d commits waited longer than %s and went on without baton", d.unprotected, ackTimeout))
	}
	line := func(what, format string, args ...any) {
		d.print(fmt.Sprintf("  %-14s ", what) + fmt.Sprintf(format, args...))
	}
	d.print("  " + d.paint(green, "All three servers hold the same: every table, every definition, gtid_executed, and every acknowledged order."))
	line("orders", "%s acknowledged, each of them once on all servers, and no other; %s", humanize.Comma(int64(orders)), protection)
	line("transactions", "%s on each server", humanize.Comma(transactions))
	line("reads", "%s on the followers; %s failed where one was down", humanize.Comma(l.reads.Load()), humanize.Comma(l.refused.Load()))
	line("greatest lag", "%s (each but %s was down for a while)", strings.Join(lags, ", "), d.servers[1].Name)
	line("time", "%s", seconds(time.Since(d.begun)))
}

// executed is the gtid_executed of a server.
func executed(ctx context.Context, s *mysqltest.Server) (gtid.Set, error) {
	var text string
	if err := s.DB().QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&text); err != nil {
		return gtid.Set{}, fmt.Errorf("ask %s for gtid_executed: %w", s.Name, err)
	}
	return gtid.ParseSet(text)
}

// lacking is what a follower lacks of what the leader has.
func lacking(ctx context.Context, leader, follower *mysqltest.Server) (gtid.Set, error) {
	has, err := executed(ctx, follower)
	if err != nil {
		return gtid.Set{}, err
	}
	all, err := executed(ctx, leader)
	return all.Subtract(has), err
}

// number is the single number that a query gives.
func number(ctx context.Context, s *mysqltest.Server, query string) (int64, error) {
	var n int64
	if err := s.DB().QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0, fmt.Errorf("ask %s: %s: %w", s.Name, query, err)
	}
	return n, nil
}

// texts is the first column of what a query gives.
func texts(ctx context.Context, s *mysqltest.Server, query string) ([]string, error) {
	rows, err := s.DB().QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s.Name, err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("ask %s: %w", s.Name, err)
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
