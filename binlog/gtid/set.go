package gtid

import (
	"iter"
	"math"
	"slices"
	"strconv"
)

// openTails is how many sources can be numbered on in turns without an allocation.
const openTails = 4

// Set is a set of GTIDs. The zero value is the empty set.
//
// A Set is a value: after b := a, changing either never changes the other, so a snapshot is an assignment (under the lock that
// guards the variable, where goroutines share it), and the copy needs no lock. Memory that copies share is never written: what
// [Set.Add] changes for the next transaction of a source lies in the Set itself, and everything else is copied when it changes.
type Set struct {
	// entries are sorted by source. Neither they nor what they point to is ever written once they are here.
	entries []entry
	// open holds the ends of tails that have grown since entries was made.
	open [openTails]openTail
}

// openTail replaces the end of the tail of one entry.
type openTail struct {
	// entry is one more than the entry's index; 0 means unused.
	entry int
	last  int64
}

// find returns where src is, or else where it belongs.
func (s *Set) find(src Source) (int, bool) {
	return slices.BinarySearchFunc(s.entries, src, func(e entry, src Source) int { return e.src.Compare(src) })
}

// at returns the i-th entry as it is now.
func (s *Set) at(i int) entry {
	e := s.entries[i]
	for _, t := range s.open {
		if t.entry == i+1 {
			e.tail.Last = t.last
		}
	}
	return e
}

// lookup returns the entry of src.
func (s *Set) lookup(src Source) (entry, bool) {
	i, ok := s.find(src)
	if !ok {
		return entry{}, false
	}
	return s.at(i), true
}

// current returns a copy of the entries as they are now, with room for more.
func (s *Set) current(more int) []entry {
	entries := make([]entry, len(s.entries), len(s.entries)+more)
	copy(entries, s.entries)
	for _, t := range s.open {
		if t.entry > 0 {
			entries[t.entry-1].tail.Last = t.last
		}
	}
	return entries
}

// grow sets the end of the i-th entry's tail.
func (s *Set) grow(i int, last int64) {
	free := -1
	for k := range s.open {
		switch s.open[k].entry {
		case i + 1:
			s.open[k].last = last
			return
		case 0:
			free = k
		}
	}
	if free < 0 {
		*s = Set{entries: s.current(0)}
		free = 0
	}
	s.open[free] = openTail{entry: i + 1, last: last}
}

// Clone returns a set that is independent of s, as every copy is.
func (s Set) Clone() Set { return s }

// Add adds one transaction. If it is the next one of its source it costs a search among the sources and, with up to four
// sources taking turns, no allocation; otherwise it copies the list of sources and the intervals of that one. A GTID whose
// sequence number is not 1 to [MaxSeq] names no transaction and is not added.
func (s *Set) Add(g GTID) { s.AddInterval(g.Source, Interval{g.Seq, g.Seq}) }

// AddInterval adds the transactions of an interval of 1 to [MaxSeq]; any other interval names none and is not added.
func (s *Set) AddInterval(src Source, iv Interval) {
	if iv.First < 1 || iv.Last > MaxSeq || iv.First > iv.Last {
		return
	}
	i, ok := s.find(src)
	if !ok {
		*s = Set{entries: slices.Insert(s.current(1), i, entry{src: src, tail: iv})}
		return
	}
	e := s.at(i)
	switch {
	case iv.First == e.tail.Last+1:
		s.grow(i, iv.Last)
	case !e.covers(iv):
		entries := s.current(0)
		merged := union(make([]Interval, 0, e.len()+1), &e, &entry{tail: iv})
		entries[i] = newEntry(src, merged)
		*s = Set{entries: entries}
	}
}

// AddSet adds all of o.
func (s *Set) AddSet(o Set) {
	if !s.ContainsSet(o) {
		*s = s.Union(o)
	}
}

// Remove removes all of o.
func (s *Set) Remove(o Set) { *s = s.Subtract(o) }

// Union returns what is in s or in o.
func (s Set) Union(o Set) Set {
	switch {
	case o.IsEmpty():
		return s
	case s.IsEmpty():
		return o
	}
	entries := make([]entry, 0, max(len(s.entries), len(o.entries)))
	for i, j := 0, 0; i < len(s.entries) || j < len(o.entries); {
		switch c := compareAt(&s, i, &o, j); {
		case c < 0:
			entries = append(entries, s.at(i))
			i++
		case c > 0:
			entries = append(entries, o.at(j))
			j++
		default:
			a, b := s.at(i), o.at(j)
			entries = append(entries, newEntry(a.src, union(make([]Interval, 0, max(a.len(), b.len())), &a, &b)))
			i++
			j++
		}
	}
	return Set{entries: entries}
}

// compareAt compares the sources at i and j; a set that is past its end comes last.
func compareAt(s *Set, i int, o *Set, j int) int {
	switch {
	case i == len(s.entries):
		return 1
	case j == len(o.entries):
		return -1
	}
	return s.entries[i].src.Compare(o.entries[j].src)
}

// Subtract returns what is in s and not in o: the server's GTID_SUBTRACT(s, o).
func (s Set) Subtract(o Set) Set {
	var entries []entry
	for i := range s.entries {
		a := s.at(i)
		b, ok := o.lookup(a.src)
		if !ok {
			entries = append(entries, a)
			continue
		}
		if left := subtract(nil, &a, &b); len(left) > 0 {
			entries = append(entries, newEntry(a.src, left))
		}
	}
	return Set{entries: entries}
}

// Intersect returns what is both in s and in o.
func (s Set) Intersect(o Set) Set {
	var entries []entry
	for i := range s.entries {
		a := s.at(i)
		b, ok := o.lookup(a.src)
		if !ok {
			continue
		}
		if both := intersect(nil, &a, &b); len(both) > 0 {
			entries = append(entries, newEntry(a.src, both))
		}
	}
	return Set{entries: entries}
}

// Contains reports whether g is in s.
func (s Set) Contains(g GTID) bool {
	e, ok := s.lookup(g.Source)
	return ok && e.covers(Interval{g.Seq, g.Seq})
}

// ContainsSet reports whether all of o is in s: the server's GTID_SUBSET(o, s).
func (s Set) ContainsSet(o Set) bool {
	for j := range o.entries {
		b := o.at(j)
		a, ok := s.lookup(b.src)
		if !ok || !contains(&a, &b) {
			return false
		}
	}
	return true
}

// Equal reports whether s and o are the same transactions.
func (s Set) Equal(o Set) bool {
	if len(s.entries) != len(o.entries) {
		return false
	}
	for i := range s.entries {
		a, b := s.at(i), o.at(i)
		if !a.equal(&b) {
			return false
		}
	}
	return true
}

// IsEmpty reports whether s has no transaction.
func (s Set) IsEmpty() bool { return len(s.entries) == 0 }

// Count returns the number of transactions, at most [math.MaxInt64].
func (s Set) Count() int64 {
	total := int64(0)
	for _, iv := range s.Intervals() {
		n := iv.Last - iv.First + 1
		if n > math.MaxInt64-total {
			return math.MaxInt64
		}
		total += n
	}
	return total
}

// Intervals yields every interval in canonical order: by source (see [Source.Compare]), then ascending. Between two intervals
// of a source a number is missing.
func (s Set) Intervals() iter.Seq2[Source, Interval] {
	return func(yield func(Source, Interval) bool) {
		for i := range s.entries {
			e := s.at(i)
			for iv := range e.intervals() {
				if !yield(e.src, iv) {
					return
				}
			}
		}
	}
}

// Last returns the highest sequence number of src, 0 if there is none.
func (s Set) Last(src Source) int64 {
	e, ok := s.lookup(src)
	if !ok {
		return 0
	}
	return e.tail.Last
}

// String returns the canonical text as the server prints it, but for the line break that the server puts after each comma.
func (s Set) String() string { return string(s.append(nil)) }

func (s Set) append(b []byte) []byte {
	for i := range s.entries {
		e := s.at(i)
		if i == 0 || s.entries[i-1].src.UUID != e.src.UUID {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.src.UUID.append(b)
		}
		if e.src.Tag != "" {
			b = append(append(b, ':'), e.src.Tag...)
		}
		for iv := range e.intervals() {
			b = strconv.AppendInt(append(b, ':'), iv.First, 10)
			if iv.Last > iv.First {
				b = strconv.AppendInt(append(b, '-'), iv.Last, 10)
			}
		}
	}
	return b
}

// AppendText implements [encoding.TextAppender].
func (s Set) AppendText(b []byte) ([]byte, error) { return s.append(b), nil }

// MarshalText implements [encoding.TextMarshaler] with the text of [Set.String].
func (s Set) MarshalText() ([]byte, error) { return s.append([]byte{}), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] with [ParseSet].
func (s *Set) UnmarshalText(text []byte) error {
	parsed, err := ParseSet(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}
