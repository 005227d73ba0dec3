package gtid

import (
	"iter"
	"slices"
	"sort"
)

// Interval is a range of sequence numbers, both ends included, First ≤ Last.
type Interval struct{ First, Last int64 }

// entry is one source of a set with at least one interval. Its intervals are sorted, and between any two a number is missing.
// What head points to is shared between sets and never written.
type entry struct {
	src  Source
	head []Interval
	// tail is the last interval: apart, so that numbering on costs no copy of the others.
	tail Interval
}

// newEntry takes intervals over; there must be one at least.
func newEntry(src Source, intervals []Interval) entry {
	n := len(intervals) - 1
	return entry{src: src, head: intervals[:n:n], tail: intervals[n]}
}

func (e *entry) len() int { return len(e.head) + 1 }

func (e *entry) interval(i int) Interval {
	if i < len(e.head) {
		return e.head[i]
	}
	return e.tail
}

func (e *entry) intervals() iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		for i := range e.len() {
			if !yield(e.interval(i)) {
				return
			}
		}
	}
}

// covers reports whether e has all of iv.
func (e *entry) covers(iv Interval) bool {
	if iv.First >= e.tail.First {
		return iv.Last <= e.tail.Last
	}
	// The only candidate is the first interval that doesn't end before iv does.
	i := sort.Search(len(e.head), func(i int) bool { return e.head[i].Last >= iv.Last })
	return i < len(e.head) && e.head[i].First <= iv.First
}

func (e *entry) equal(o *entry) bool {
	return e.src == o.src && e.tail == o.tail && slices.Equal(e.head, o.head)
}

// normalize sorts and merges intervals in place, those that touch too.
func normalize(intervals []Interval) []Interval {
	byFirst := func(a, b Interval) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(intervals, byFirst) {
		slices.SortFunc(intervals, byFirst)
	}
	merged := intervals[:0]
	for _, iv := range intervals {
		merged = appendMerged(merged, iv)
	}
	return merged
}

// appendMerged adds iv, which begins no earlier than the last of dst.
func appendMerged(dst []Interval, iv Interval) []Interval {
	if n := len(dst); n > 0 && iv.First <= dst[n-1].Last+1 {
		dst[n-1].Last = max(dst[n-1].Last, iv.Last)
		return dst
	}
	return append(dst, iv)
}

// union appends to dst what a or b has.
func union(dst []Interval, a, b *entry) []Interval {
	for i, j := 0, 0; i < a.len() || j < b.len(); {
		if j == b.len() || i < a.len() && a.interval(i).First <= b.interval(j).First {
			dst = appendMerged(dst, a.interval(i))
			i++
		} else {
			dst = appendMerged(dst, b.interval(j))
			j++
		}
	}
	return dst
}

// subtract appends to dst what a has and b has not.
func subtract(dst []Interval, a, b *entry) []Interval {
	j := 0
	for iv := range a.intervals() {
		for j < b.len() && b.interval(j).Last < iv.First {
			j++
		}
		for k := j; k < b.len() && b.interval(k).First <= iv.Last; k++ {
			if first := b.interval(k).First; first > iv.First {
				dst = append(dst, Interval{iv.First, first - 1})
			}
			iv.First = b.interval(k).Last + 1
			j = k
		}
		if iv.First <= iv.Last {
			dst = append(dst, iv)
		}
	}
	return dst
}

// intersect appends to dst what both a and b have.
func intersect(dst []Interval, a, b *entry) []Interval {
	for i, j := 0, 0; i < a.len() && j < b.len(); {
		x, y := a.interval(i), b.interval(j)
		if both := (Interval{max(x.First, y.First), min(x.Last, y.Last)}); both.First <= both.Last {
			dst = append(dst, both)
		}
		if x.Last < y.Last {
			i++
		} else {
			j++
		}
	}
	return dst
}

// contains reports whether a has all of b.
func contains(a, b *entry) bool {
	for iv := range b.intervals() {
		if !a.covers(iv) {
			return false
		}
	}
	return true
}

// collector gathers intervals in any order.
type collector map[Source][]Interval

func (c collector) add(src Source, iv Interval) { c[src] = append(c[src], iv) }

func (c collector) set() Set {
	if len(c) == 0 {
		return Set{}
	}
	entries := make([]entry, 0, len(c))
	for src, intervals := range c {
		entries = append(entries, newEntry(src, slices.Clip(normalize(intervals))))
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.src.Compare(b.src) })
	return Set{entries: entries}
}
