package chaos

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// glance is what an instance said of itself, at some moment between two.
type glance struct {
	asked, told time.Time
	// open tells that it takes writes and tells clients of success without having waited for anybody: its semi-sync is
	// off, or has given up waiting.
	open bool
	// fed is how many of its commits somebody has acknowledged since it started.
	fed int64
}

// span is a time in which something was so, for certain or somewhere in it.
type span struct{ from, to time.Time }

// openSpans are the times in which an instance was open at every glance, from the end of the first to the beginning of
// the last.
func openSpans(glances []glance) (spans []span) {
	for i, g := range glances {
		switch {
		case !g.open:
		case i > 0 && glances[i-1].open:
			spans[len(spans)-1].to = g.asked
		default:
			spans = append(spans, span{g.told, g.told}) // as yet it is no time at all
		}
	}
	return spans
}

// fedSpans are the times somewhere in which a commit of an instance was acknowledged by somebody.
func fedSpans(glances []glance) (spans []span) {
	for i := 1; i < len(glances); i++ {
		if glances[i].fed > glances[i-1].fed && glances[i-1].fed >= 0 {
			spans = append(spans, span{glances[i-1].asked, glances[i].told})
		}
	}
	return spans
}

// both says when two instances could both tell clients of success: both were open, or one was all the while in which
// the other was fed.
func both(a, b []glance) (when time.Time, so bool) {
	for _, x := range openSpans(a) {
		for _, y := range openSpans(b) {
			if from := later(x.from, y.from); from.Before(x.to) && from.Before(y.to) {
				return from, true
			}
		}
		for _, y := range fedSpans(b) {
			if x.from.Before(y.from) && y.to.Before(x.to) {
				return y.from, true
			}
		}
	}
	return time.Time{}, false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// witness looks at all instances, all the time and past all proxies, for two that could both acknowledge. (An old
// leader that was cut off may still take writes, in mode strict: its commits wait. What clients were told is examined
// besides, see changes.)
type witness struct {
	t      testing.TB
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	seen map[string][]glance // by instance
}

const glanceEvery = 50 * time.Millisecond

func watchOver(c *cluster) *witness {
	ctx, cancel := context.WithCancel(context.Background())
	w := &witness{t: c.t, cancel: cancel, seen: map[string][]glance{}}
	for _, n := range c.nodes {
		w.wg.Go(func() { w.watch(ctx, n) })
	}
	c.t.Cleanup(w.end)
	return w
}

func (w *witness) end() {
	w.cancel()
	w.wg.Wait()
}

func (w *witness) watch(ctx context.Context, n *node) {
	for ctx.Err() == nil {
		g := n.glance(ctx)
		w.mu.Lock()
		w.seen[n.name] = append(w.seen[n.name], g)
		w.mu.Unlock()
		time.Sleep(glanceEvery)
	}
}

// glance asks the server itself. One that doesn't answer isn't open, and has fed nobody.
func (n *node) glance(ctx context.Context) glance {
	g := glance{asked: time.Now(), fed: -1}
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var readOnly, waits bool
	var fed int64
	err := n.DB().QueryRowContext(bounded, `SELECT @@GLOBAL.read_only,
		COALESCE(SUM(VARIABLE_NAME = 'Rpl_semi_sync_source_status' AND VARIABLE_VALUE = 'ON'), 0),
		COALESCE(MAX(IF(VARIABLE_NAME = 'Rpl_semi_sync_source_yes_tx', CAST(VARIABLE_VALUE AS SIGNED), 0)), 0)
		FROM performance_schema.global_status WHERE VARIABLE_NAME IN ('Rpl_semi_sync_source_status', 'Rpl_semi_sync_source_yes_tx')`).
		Scan(&readOnly, &waits, &fed)
	g.told = time.Now()
	if err == nil {
		g.open, g.fed = !readOnly && !waits, fed
	}
	return g
}

// testify fails the test if two could both acknowledge since it was last called.
func (w *witness) testify() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, seen := range w.seen {
		for b, others := range w.seen {
			if when, so := both(seen, others); a != b && so {
				w.t.Errorf("two leaders: %s and %s could both acknowledge at %s", a, b, when.Format(time.StampMilli))
			}
		}
	}
	for name, seen := range w.seen {
		// What is open now may go on to be.
		w.seen[name] = append([]glance(nil), seen[max(0, len(seen)-2):]...)
	}
}

func TestAWitnessSeesTwoThatCouldBothAcknowledge(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	// Each glance takes 10 ms.
	look := func(what string) (glances []glance) {
		for i, c := range what {
			g := glance{asked: at(100 * i), told: at(100*i + 10)}
			switch {
			case c == 'o':
				g.open = true
			case c == '?':
				g.fed = -1
			case c >= '0' && c <= '9':
				g.fed = int64(c - '0')
			}
			glances = append(glances, g)
		}
		return glances
	}
	for _, c := range []struct {
		a, b string
		so   bool
	}{
		{"ooo...", "...ooo", false},
		{"oooo..", "...ooo", false}, // it may have ceased before the other began
		{"ooooo.", "...ooo", true},
		{"..oooo", "000000", false},
		{".ooooo", "011222", true},  // it was acknowledged to while the other was open
		{"..o...", "0012..", false}, // once is no time
		{"...ooo", "012222", false},
		{"oooooo", "3?0000", false}, // it has started anew
		{"oooooo", "3?0011", true},
	} {
		_, one := both(look(c.a), look(c.b))
		_, other := both(look(c.b), look(c.a))
		require.Equal(t, c.so, one || other, "%s and %s", c.a, c.b)
	}
}
