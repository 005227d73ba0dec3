package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
)

// killLeader kills the leader under load and sees another one take over, by itself.
func (d *demo) killLeader(ctx context.Context) error {
	if err := d.until(ctx, "baton would replace the leader, should it die", d.watch.replaceable); err != nil {
		return err
	}
	if err := d.countUnprotected(ctx); err != nil {
		return err
	}
	old := d.leader
	found, again, broken := d.load.found.Load(), d.load.again.Load(), d.load.broken.Load()
	p := d.load.begin(true)
	begun := time.Now()
	if err := old.Kill9(); err != nil {
		return err
	}
	d.say("kill -9 of %s, the leader, while all write; nobody tells baton. Customers whose connection breaks connect again, and\n"+
		"wait at the endpoint", old.Name)
	done, err := d.handedOver(ctx, begun)
	if err != nil {
		return err
	}
	gap, err := d.end(ctx, p)
	if err != nil {
		return err
	}
	steps, err := d.stepsSince(ctx, begun)
	if err != nil {
		return err
	}
	d.say("%s leads. After the kill: %s", done.To, steps)
	found, again = d.load.found.Load()-found, d.load.again.Load()-again
	d.say("no order could be placed for %s, as the customers measured it (%s without a writable leader, says baton); %d connections\n"+
		"broke, and without an answer were %s: %d of them found on %s, the others placed again", precisely(gap), precisely(inSeconds(done.Unwritable)),
		d.load.broken.Load()-broken, english.Plural(int(found+again), "order", ""), found, done.To)
	return nil
}

// handedOver waits until the status tells of a hand-over since a moment, and of nothing left to do for it.
func (d *demo) handedOver(ctx context.Context, since time.Time) (handOver, error) {
	var done handOver
	err := d.until(ctx, "the hand-over is in the status", func() bool {
		s := d.watch.status()
		if s == nil || s.Last == nil || s.Last.At.Before(since) || !s.protected() {
			return false
		}
		done = *s.Last
		return true
	})
	if err != nil {
		return done, err
	}
	for _, s := range d.servers {
		if s.Name == done.To {
			d.leader = s
		}
	}
	return done, nil
}

// stepsSince are the steps of the hand-over as the events tell them, with their times after a moment, and its reason.
func (d *demo) stepsSince(ctx context.Context, begun time.Time) (string, error) {
	events, err := askEvents(ctx, d.daemon.socket, begun)
	if err != nil {
		return "", err
	}
	var steps []string
	reason := ""
	for _, e := range events {
		if e.Kind != "hand-over-step" {
			continue
		}
		// "failover, 0.012s: cut: why"
		_, text, _ := strings.Cut(e.Message, ": ")
		step, why, _ := strings.Cut(text, ": ")
		if step == "cut" {
			reason, _, _ = strings.Cut(why, ";")
		}
		steps = append(steps, fmt.Sprintf("%s %s", step, precisely(e.Time.Sub(begun))))
	}
	return fmt.Sprintf("%s\n(of %s baton said: %s)", strings.Join(steps, ", "), d.servers[0].Name, reason), nil
}

// switchBack hands the leadership back to the first server, under load.
func (d *demo) switchBack(ctx context.Context) error {
	back := d.servers[0]
	if err := d.until(ctx, "everybody follows again", d.watch.healthy); err != nil {
		return err
	}
	if err := d.until(ctx, back.Name+" is close behind", func() bool { return d.watch.closeBehind(back.Name) }); err != nil {
		return err
	}
	if err := d.countUnprotected(ctx); err != nil {
		return err
	}
	// From here on, too, an error that a customer sees fails the demo.
	p := d.load.begin(false)
	begun := time.Now()
	d.say("baton switchover --to %s, under load", back.Name)
	var progress string
	var failed error
	err := d.until(ctx, "baton agrees to hand over", func() bool {
		progress, failed = d.daemon.order(ctx, "switchover", "--to", back.Name, "-o", "json")
		// It is asked again where it began nothing: a disk that hangs for a moment is a reason.
		return failed == nil || !strings.Contains(progress, `"code":"refused"`)
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	done, err := d.handedOver(ctx, begun)
	if err != nil {
		return err
	}
	gap, err := d.end(ctx, p)
	if err != nil {
		return err
	}
	steps, err := stepsOf(progress)
	if err != nil {
		return err
	}
	d.say("%s leads again: %s", done.To, steps)
	d.say("no order could be placed for %s, as the customers measured it (%s without a writable leader, says baton); no customer\n"+
		"saw an error: who came meanwhile waited at the endpoint", precisely(gap), precisely(inSeconds(done.Unwritable)))
	return d.until(ctx, "everybody follows "+back.Name, d.watch.healthy)
}

// stepsOf are the steps that `baton switchover -o json` printed, with their times.
func stepsOf(progress string) (string, error) {
	var steps []string
	for line := range strings.Lines(progress) {
		var p struct {
			Step *struct {
				Step    string
				Elapsed float64 `json:"elapsed_seconds"`
			}
		}
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			return "", fmt.Errorf("read what baton switchover printed: %w", err)
		}
		if p.Step != nil {
			steps = append(steps, fmt.Sprintf("%s %s", p.Step.Step, precisely(inSeconds(p.Step.Elapsed))))
		}
	}
	return strings.Join(steps, ", "), nil
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func precisely(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
