package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/batondb/baton/integration/mysqltest"
)

// happening is something that happens while the shop is open: at a part of the time asked for, or later, when what came
// before took longer.
type happening struct {
	at float64
	do act
}

// day is the time in which the shop is open.
func (d *demo) day(ctx context.Context) error {
	return d.openFor(ctx, happening{0.12, d.alterTables}, happening{0.25, d.killFollower}, happening{0.5, d.killDaemon},
		happening{0.6, d.killLeader}, happening{0.7, d.oldLeaderReturns}, happening{0.9, d.switchBack})
}

// openFor opens the shop, and has things happen.
func (d *demo) openFor(ctx context.Context, happenings ...happening) error {
	var err error
	if d.load, err = newLoad(ctx, d.daemon.leader, d.daemon.followers, d.fail); err != nil {
		return fmt.Errorf("open the shop: %w", err)
	}
	d.say("the shop is open, at baton's endpoints: %d customers write through %s, to whoever leads, each transaction over a\n"+
		"connection of its own; %d read through %s, from whichever follower has the fewest", writers, d.daemon.leader, readers, d.daemon.followers)
	d.watch.follow(d.load)
	opened := time.Now()
	wait := func(part float64) error {
		return sleep(ctx, time.Until(opened.Add(time.Duration(part*float64(d.options.load)))))
	}
	for _, h := range happenings {
		if err := wait(h.at); err != nil {
			return err
		}
		if err := h.do(ctx); err != nil {
			return err
		}
	}
	return wait(1)
}

// alterTables changes the schema while it is used.
func (d *demo) alterTables(ctx context.Context) error {
	d.say("under load: ALTER TABLE orders ADD COLUMN, CREATE INDEX on reviews")
	begun := time.Now()
	for _, statement := range []string{
		"ALTER TABLE shop.orders ADD COLUMN gift_note VARCHAR(200) NOT NULL DEFAULT 'none' AFTER status",
		"CREATE INDEX by_customer_and_stars ON shop.reviews (customer_id, stars)",
	} {
		if _, err := d.leader.DB().ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	took := time.Since(begun)
	for _, f := range d.followers() {
		if err := d.caughtUp(ctx, f); err != nil {
			return err
		}
	}
	d.say("both took %s on the leader and were on both followers after %s", seconds(took), seconds(time.Since(begun)))
	return nil
}

// killFollower kills a follower, lets it miss something, and starts it again.
func (d *demo) killFollower(ctx context.Context) error {
	followers := d.followers()
	f := followers[len(followers)-1]
	begun := time.Now()
	if err := f.Kill9(); err != nil {
		return err
	}
	d.say("kill -9 of %s, a follower; %s and %s go on", f.Name, d.leader.Name, followers[0].Name)
	if err := sleep(ctx, min(2*time.Second, d.options.load/10)); err != nil {
		return err
	}
	if err := f.Restart(ctx); err != nil {
		return err
	}
	lacks, err := lacking(ctx, d.leader, f)
	if err != nil {
		return err
	}
	d.say("%s is back after %s and lacks %s transactions; baton asks it for its gtid_executed and goes on from there",
		f.Name, seconds(time.Since(begun)), humanize.Comma(lacks.Count()))
	back := time.Now()
	if err := d.caughtUp(ctx, f); err != nil {
		return err
	}
	d.say("%s had all of them %s later, with new orders coming in all the time", f.Name, seconds(time.Since(back)))
	return nil
}

// killDaemon kills baton, shows that no commit is acknowledged meanwhile, and starts it again.
func (d *demo) killDaemon(ctx context.Context) error {
	d.watch.expectEnd(true)
	p, broken := d.load.begin(true), d.load.broken.Load()
	begun := time.Now()
	if err := d.daemon.end(syscall.SIGKILL); err != nil {
		return err
	}
	acknowledged := d.load.transactions.Load()
	d.say("kill -9 of baton itself: its endpoints are gone, and nobody fsyncs what the leader writes, so its commits wait")
	clerk := make(chan error, 1)
	go func() {
		_, err := d.leader.DB().ExecContext(ctx, "INSERT INTO shop.page_views VALUES (1, 'clerk', 9)")
		clerk <- err
	}()
	if err := sleep(ctx, min(time.Second, d.options.load/10)); err != nil {
		return err
	}
	select {
	case err := <-clerk:
		return fmt.Errorf("a write on %s came to its end without baton: %w", d.leader.Name, err)
	default:
	}
	d.say("a clerk who writes on %s itself waits; transactions acknowledged meanwhile: %d", d.leader.Name, d.load.transactions.Load()-acknowledged)
	if err := d.daemon.start(); err != nil {
		return err
	}
	d.watch.expectEnd(false)
	if _, err := d.end(ctx, p); err != nil {
		return err
	}
	if err := <-clerk; err != nil {
		return fmt.Errorf("the clerk's write: %w", err)
	}
	took := time.Since(begun)
	if err := d.until(ctx, "everybody follows again", d.watch.healthy); err != nil {
		return err
	}
	relay := d.watch.status().Relay
	d.say("baton has read its relay again (%s, %s transactions): commits return %s after the kill; who lost connection has\n"+
		"tried again until it was back (%s times) and looked before it repeated an order: %d were there, %d were placed again",
		humanize.IBytes(uint64(relay.Bytes)), humanize.Comma(relay.Durable.Count()), seconds(took), humanize.Comma(d.load.broken.Load()-broken),
		d.load.found.Load(), d.load.again.Load())
	return nil
}

// until waits for a condition; what says it in words.
func (d *demo) until(ctx context.Context, what string, condition func() bool) error {
	const patience = 60 * time.Second
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s until %s; %s; the end of baton's log:\n%s", patience, what, d.watch.troubles(), d.daemon.lastLines(15))
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
	return nil
}

// caughtUp waits until a follower has what the leader has now. It takes the time it takes as long as there is progress.
func (d *demo) caughtUp(ctx context.Context, f *mysqltest.Server) error {
	const patience = 60 * time.Second
	wanted, err := executed(ctx, d.leader)
	if err != nil {
		return err
	}
	least, moved := int64(-1), time.Now()
	for {
		has, err := executed(ctx, f)
		if err != nil {
			return err
		}
		lacks := wanted.Subtract(has)
		n := lacks.Count()
		switch {
		case n == 0:
			return nil
		case least < 0 || n < least:
			least, moved = n, time.Now()
		case time.Since(moved) > patience:
			return fmt.Errorf("%s got nothing more for %s and lacks %d transactions (%s); %s; the end of baton's log:\n%s",
				f.Name, patience, n, shortSet(&lacks), d.watch.troubles(), d.daemon.lastLines(15))
		}
		if err := d.watch.stuck(f.Name); err != nil {
			return err
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
