package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report counts what happened and how long it took.
type report struct {
	mu       sync.Mutex
	counts   map[string]int
	writable map[string][]time.Duration // from the fault until an instance was made writable
	written  map[string][]time.Duration // until a client was told of a commit by another server
}

func newReport() *report {
	return &report{counts: map[string]int{}, writable: map[string][]time.Duration{}, written: map[string][]time.Duration{}}
}

func (r *report) count(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[name]++
}

// time notes how long a hand-over took; 0 is unknown.
func (r *report) time(name string, writable, written time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if writable > 0 {
		r.writable[name] = append(r.writable[name], writable)
	}
	r.written[name] = append(r.written[name], written)
}

// groups are the faults whose times are also shown together. A fault that something else happened besides is in none.
var groups = map[string][]string{
	"= leader killed":            {"kill", "extra", "errant", "double", "double (second)"},
	"= leader silent or cut off": {"stop", "stall", "one-way", "cut"},
}

// String is a table: for each fault how often, and p50, p95, p99 and the longest of both durations, in seconds.
func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%-32s %5s | %-31s | %s\n", "fault", "count", "writable: n p50 p95 p99 max", "first acknowledged: n p50 p95 p99 max")
	for _, name := range slices.Sorted(maps.Keys(r.counts)) {
		fmt.Fprintf(&b, "%-32s %5d | %-31s | %s\n", name, r.counts[name], spread(r.writable[name]), spread(r.written[name]))
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		var writable, written []time.Duration
		for _, name := range groups[group] {
			writable, written = append(writable, r.writable[name]...), append(written, r.written[name]...)
		}
		if len(written) > 0 {
			fmt.Fprintf(&b, "%-32s %5d | %-31s | %s\n", group, len(written), spread(writable), spread(written))
		}
	}
	return b.String()
}

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	all = slices.Sorted(slices.Values(all))
	at := func(p int) float64 { return all[(len(all)*p+99)/100-1].Seconds() } // p percent are no longer
	return fmt.Sprintf("%3d %6.2f %6.2f %6.2f %6.2f", len(all), at(50), at(95), at(99), at(100))
}
