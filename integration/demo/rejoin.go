package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/go-sql-driver/mysql"

	"github.com/batondb/baton/integration/mysqltest"
)

// oldLeaderReturns starts the killed leader again and sees it become a follower.
func (d *demo) oldLeaderReturns(ctx context.Context) error {
	var old *mysqltest.Server
	for _, s := range d.servers {
		if !s.Alive() {
			old = s
		}
	}
	begun := time.Now()
	if err := old.Restart(ctx); err != nil {
		return err
	}
	var isReadOnly, isSuperReadOnly bool
	if err := old.DB().QueryRowContext(ctx, "SELECT @@GLOBAL.read_only, @@GLOBAL.super_read_only").Scan(&isReadOnly, &isSuperReadOnly); err != nil {
		return fmt.Errorf("ask %s whether it takes writes: %w", old.Name, err)
	}
	refused, err := refusal(ctx, old)
	if err != nil {
		return err
	}
	d.say("%s, started again, is up after %s, fenced: read_only=%s, super_read_only=%s; an order there gets error %d",
		old.Name, seconds(time.Since(begun)), bit(isReadOnly), bit(isSuperReadOnly), refused)
	back := time.Now()
	err = d.until(ctx, old.Name+" follows", func() bool { return d.watch.follows(old.Name) || d.watch.errant(old.Name) > 0 })
	if err != nil {
		return err
	}
	if n := d.watch.errant(old.Name); n > 0 {
		if err := d.rewind(ctx, old, n); err != nil {
			return err
		}
	}
	if err := d.caughtUp(ctx, old); err != nil {
		return err
	}
	d.say("%s follows %s, and has all that it missed %s after its start", old.Name, d.leader.Name, seconds(time.Since(back)))
	return nil
}

// rewind has the errant transactions of an old leader undone.
func (d *demo) rewind(ctx context.Context, old *mysqltest.Server, errant int64) error {
	d.say("it was killed between writing and sending %s: its restart has committed what nobody was told of,\n"+
		"and nobody else has; baton quarantines it", english.Plural(int(errant), "transaction", ""))
	begun := time.Now()
	if _, err := d.daemon.order(ctx, "rejoin", old.Name, "--rewind"); err != nil {
		return err
	}
	d.say("baton rejoin %s --rewind has kept that as SQL and JSON, and undone it row by row, in %s", old.Name, seconds(time.Since(begun)))
	return d.until(ctx, old.Name+" follows", func() bool { return d.watch.follows(old.Name) })
}

// refusal is the error number that a customer's write gets on an instance; it fails where the write is done.
func refusal(ctx context.Context, s *mysqltest.Server) (uint16, error) {
	db, err := openShopAt(s.Addr())
	if err != nil {
		return 0, err
	}
	defer db.Close()
	for {
		_, err := db.ExecContext(ctx, "UPDATE customers SET orders = orders + 1 WHERE id = 1")
		if err == nil {
			return 0, fmt.Errorf("%s, which has led before, takes writes after its restart", s.Name)
		}
		if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && slices.Contains(readOnly, refused.Number) {
			return refused.Number, nil
		}
		// Baton ends the connections that it finds when it fences an instance.
		if err := sleep(ctx, poll); err != nil {
			return 0, err
		}
	}
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
