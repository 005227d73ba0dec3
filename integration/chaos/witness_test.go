package chaos

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// glance is what an instance said of itself, at some moment between two.
type glance struct {
	asked, told time.Time
	// open tells that it takes writes and lets them wait for nobody: it acknowledges by itself.
	open bool
}

// witness looks at all instances, all the time and past all proxies, for two that could both acknowledge. (An old
// leader that was cut off may still take writes, in mode strict: its commits wait. What clients are told is examined
// besides, see changes.)
type witness struct {
	t      testing.TB
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	last   map[string]glance
	before map[string]glance
	seen   []string
}

const glanceEvery = 100 * time.Millisecond

func watchOver(c *cluster) *witness {
	ctx, cancel := context.WithCancel(context.Background())
	w := &witness{t: c.t, cancel: cancel, last: map[string]glance{}, before: map[string]glance{}}
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
		g := glance{asked: time.Now()}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		var readOnly, waits bool
		err := n.DB().QueryRowContext(bounded, `SELECT @@GLOBAL.read_only, COALESCE((SELECT variable_value = 'ON'
			FROM performance_schema.global_variables WHERE variable_name = 'rpl_semi_sync_source_enabled'), 0)`).Scan(&readOnly, &waits)
		cancel()
		g.told, g.open = time.Now(), err == nil && !readOnly && !waits
		w.note(n.name, g)
		time.Sleep(glanceEvery)
	}
}

// note compares a glance with those at the others. Two instances are open at the same time where one is before and
// after a glance at the other.
func (w *witness) note(name string, g glance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before[name], w.last[name] = w.last[name], g
	earlier := w.before[name]
	if !g.open || !earlier.open {
		return
	}
	for other, o := range w.last {
		if other != name && o.open && earlier.told.Before(o.asked) && o.told.Before(g.asked) {
			w.seen = append(w.seen, fmt.Sprintf("%s and %s could both acknowledge at %s", name, other, o.told.Format(time.StampMilli)))
		}
	}
}

// testify fails the test if two could ever both acknowledge.
func (w *witness) testify() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) > 0 {
		w.t.Errorf("two leaders, %d times: %s", len(w.seen), w.seen[0])
	}
}
