package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// watchInterval is the time between two looks at the daemon's status.
const watchInterval = 500 * time.Millisecond

// watch asks the daemon for its status all the time, shows it, and fails the demo when the daemon ends unexpectedly.
type watch struct {
	demo   *demo
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	load    *load   // nil: nothing is shown
	last    *status // nil while the daemon doesn't answer
	ending  bool    // the daemon is being killed on purpose
	lag     map[string]float64
	samples []sample // the newest last, windowLength at most
}

// sample is what the counters said at a time.
type sample struct {
	at                          time.Time
	orders, transactions, reads int64
}

// windowLength is the number of samples that a rate is taken over.
const windowLength = 5

func watchDaemon(ctx context.Context, d *demo) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{demo: d, cancel: cancel, lag: map[string]float64{}}
	w.done.Go(func() {
		for {
			w.look(ctx)
			if sleep(ctx, watchInterval) != nil {
				return
			}
		}
	})
	return w
}

// Close ends the watch.
func (w *watch) Close() {
	w.cancel()
	w.done.Wait()
}

// look asks once and shows the answer.
func (w *watch) look(ctx context.Context) {
	s, err := askStatus(ctx, w.demo.daemon.socket)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		s = nil
		if died := w.demo.daemon.died(); died != nil && !w.ending {
			w.demo.fail(died)
		}
	}
	w.last = s
	if s != nil {
		for _, i := range s.Instances {
			if i.Lag != nil {
				w.lag[i.Name] = max(w.lag[i.Name], *i.Lag)
			}
		}
	}
	if w.load == nil || ctx.Err() != nil {
		return
	}
	c := &w.load.counters
	w.samples = append(w.samples, sample{time.Now(), c.orders.Load(), c.transactions.Load(), c.reads.Load()})
	w.samples = w.samples[max(0, len(w.samples)-windowLength):]
	w.demo.show(w.picture())
}

// follow shows the status from now on.
func (w *watch) follow(l *load) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load = l
}

// unfollow shows it no longer.
func (w *watch) unfollow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load = nil
	w.demo.hide()
}

// expectEnd tells whether the end of the daemon is no failure now.
func (w *watch) expectEnd(expected bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending = expected
	w.last = nil // it was another process
}

// status is the last one; nil while the daemon doesn't answer.
func (w *watch) status() *status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// healthy tells whether everything replicates and commits wait for it.
func (w *watch) healthy() bool {
	s := w.status()
	if !s.protected() {
		return false
	}
	for _, i := range s.Instances {
		if i.State != "streaming" && i.State != "catching-up" {
			return false
		}
	}
	return len(s.Instances) == instances
}

// replaceable tells whether everything is so that a leader which dies is replaced without an operator.
func (w *watch) replaceable() bool {
	s := w.status()
	return w.healthy() && s != nil && s.Forecast.Candidate != "" && s.Forecast.BlockedBy == ""
}

// follows tells whether an instance follows.
func (w *watch) follows(name string) bool {
	i := w.status().instance(name)
	return i.Role == "follower" && (i.State == "streaming" || i.State == "catching-up")
}

// closeBehind tells whether an instance has all but the newest transactions.
func (w *watch) closeBehind(name string) bool {
	i := w.status().instance(name)
	return w.follows(name) && i.Behind != nil && *i.Behind < 50
}

// errant is how many transactions keep an instance in quarantine.
func (w *watch) errant(name string) int64 {
	i := w.status().instance(name)
	if i.State != "quarantined" || i.Errant == nil {
		return 0
	}
	return i.Errant.Count()
}

// stuck is the error of a follower that waits for an operator.
func (w *watch) stuck(name string) error {
	i := w.status().instance(name)
	switch i.State {
	case "stopped", "quarantined", "needs-seed":
		return fmt.Errorf("baton reports %s as %s: %s", i.Name, i.State, i.Error)
	}
	return nil
}

// troubles says what the status complains about.
func (w *watch) troubles() string {
	s := w.status()
	if s == nil {
		return "the daemon doesn't answer"
	}
	said := []string{fmt.Sprintf("%s leads and is %s, source %s, commits %s", s.Leader, s.LeaderHealth.Health, s.Source.State, s.Durability.State)}
	for _, e := range []string{s.LeaderHealth.Reason, s.Forecast.BlockedBy, s.Source.Error, s.Relay.Error} {
		if e != "" {
			said = append(said, e)
		}
	}
	for _, i := range s.Instances {
		said = append(said, strings.TrimSpace(fmt.Sprintf("%s %s %s", i.Name, i.State, i.Error)))
	}
	return strings.Join(said, "; ")
}

// greatestLag is the greatest lag that was seen of each follower.
func (w *watch) greatestLag(name string) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lag[name]
}

// rates are a second's orders, transactions and reads.
func (w *watch) rates() (orders, transactions, reads float64) {
	a, b := w.samples[0], w.samples[len(w.samples)-1]
	t := b.at.Sub(a.at).Seconds()
	if t == 0 {
		return 0, 0, 0
	}
	return float64(b.orders-a.orders) / t, float64(b.transactions-a.transactions) / t, float64(b.reads-a.reads) / t
}

// picture is the live status in a few lines, and in one.
func (w *watch) picture() (lines []string, line string) {
	d := w.demo
	orders, transactions, reads := w.rates()
	begin := fmt.Sprintf("%4.0f orders/s  %5.0f transactions/s  %5.0f reads/s", orders, transactions, reads)
	lines = []string{"", "  " + d.paint(bold, begin) + "   " + w.staleness()}
	if w.last == nil {
		return append(lines, "  "+d.paint(red, "baton is down: commits wait")), begin + "  baton is down: commits wait"
	}
	protection := d.paint(green, w.last.Leader+" leads, each commit waits for the relay's fsync")
	switch health := w.last.LeaderHealth.Health; {
	case health != "alive":
		protection = d.paint(red, fmt.Sprintf("%s leads and is %s", w.last.Leader, health))
	case !w.last.protected():
		protection = d.paint(red, w.last.Leader+" leads, commits don't wait for the relay")
	}
	relay := w.last.Relay
	lines = append(lines, fmt.Sprintf("  %-11s%s   %s in %s   durable %s", "relay", protection,
		humanize.IBytes(uint64(relay.Bytes)), english.Plural(relay.Segments, "segment", ""), shortSet(relay.Durable)))
	line = fmt.Sprintf("%s  %s leads, %s, %s  relay %s", begin, w.last.Leader, w.last.LeaderHealth.Health, w.last.Durability.State, humanize.IBytes(uint64(relay.Bytes)))
	for _, i := range w.last.Instances {
		if i.Role == "leader" {
			continue
		}
		lag, behind := "?", "?"
		if i.Lag != nil {
			lag = fmt.Sprintf("%.1f s", *i.Lag)
		}
		if i.Behind != nil {
			behind = humanize.Comma(*i.Behind)
		}
		c := green
		switch i.State {
		case "streaming":
		case "catching-up":
			c = yellow
		default:
			c = red
		}
		lines = append(lines, fmt.Sprintf("  %-11s%s  lag %-7s behind %-7s %s", i.Name, d.paint(c, fmt.Sprintf("%-11s", i.State)), lag, behind, shortSet(i.GTIDExecuted)))
		line += fmt.Sprintf("  %s %s lag %s behind %s", i.Name, i.State, lag, behind)
	}
	return lines, line
}

// staleness says how many of the looks for an order that was acknowledged a moment ago came too early.
func (w *watch) staleness() string {
	looked := w.load.looked.Load()
	if looked == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %% of %s looks for the newest order came too early", 100*float64(w.load.notYet.Load())/float64(looked), humanize.Comma(looked))
}
