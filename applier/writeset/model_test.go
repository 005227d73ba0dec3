package writeset

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/batondb/baton/applier/schedule"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The model's tables have the same columns, of which nil is NULL:
//
//	parent  id PRIMARY KEY, name UNIQUE (a, A, Á and á are equal), code UNIQUE
//	child   id PRIMARY KEY, name, code REFERENCES parent (code)
//	heap    id, name, code, and no key
type row [3]any

func (r row) String() string { return fmt.Sprint([3]any(r)) }

type change struct {
	table         string
	before, after *row
}

type database map[string][]row

func (d database) clone() database {
	c := database{}
	for name, rows := range d {
		c[name] = slices.Clone(rows)
	}
	return c
}

// dump is what the database holds, whatever order it came in.
func (d database) dump() string {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(d)) {
		rows := slices.SortedFunc(slices.Values(d[name]), func(a, b row) int { return cmp.Compare(a.String(), b.String()) })
		fmt.Fprintln(&all, name, rows)
	}
	return all.String()
}

func (d database) refers(code any) bool {
	return code != nil && slices.ContainsFunc(d["child"], func(r row) bool { return r[2] == code })
}

// apply changes one row as a server does: it says no where a key forbids it.
func (d database) apply(c change, cascade bool) bool {
	if c.before != nil {
		i := slices.Index(d[c.table], *c.before)
		if i < 0 {
			return false
		}
		d[c.table] = slices.Delete(slices.Clone(d[c.table]), i, i+1)
		if gone := c.before[2]; c.table == "parent" && (c.after == nil || c.after[2] != gone) && d.refers(gone) {
			if !cascade || c.after != nil {
				return false
			}
			d["child"] = slices.DeleteFunc(slices.Clone(d["child"]), func(r row) bool { return r[2] == gone })
		}
	}
	if c.after == nil {
		return true
	}
	a := *c.after
	for _, r := range d[c.table] {
		same := func(i int) bool {
			return a[i] != nil && r[i] != nil && folded(r[i]) == folded(a[i])
		}
		if c.table != "heap" && same(0) || c.table == "parent" && (same(1) || same(2)) {
			return false
		}
	}
	if c.table == "child" && a[2] != nil && !slices.ContainsFunc(d["parent"], func(r row) bool { return r[2] == a[2] }) {
		return false
	}
	d[c.table] = append(d[c.table], a)
	return true
}

func folded(v any) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimRight(fmt.Sprint(v), " ")), "á", "a")
}

func (d database) applyAll(changes []change, cascade bool) bool {
	for _, c := range changes {
		if !d.apply(c, cascade) {
			return false
		}
	}
	return true
}

func modelTables(cascade bool, names Comparison) map[string]*Table {
	id, code := Key{{Column: 0, Compared: Exact, NotNull: true}}, Key{{Column: 2, Compared: Exact}}
	name := Key{{Column: 1, Compared: names}}
	return map[string]*Table{
		"parent": NewTable(Definition{Name: "db.parent", Unique: []Key{id, name, code},
			Referenced: []Referenced{{Key: code, Names: []string{"code"}, Cascades: cascade}}}),
		"child": NewTable(Definition{Name: "db.child", Unique: []Key{id},
			References: []Reference{{Key: code, Parent: "DB.Parent", Names: []string{"CODE"}}}}),
		"heap": NewTable(Definition{Name: "db.heap", Identity: -1}),
	}
}

// images is a change as the binlog has it: MINIMAL images leave out what a
// server with binlog_row_image=MINIMAL leaves out.
func images(c change, minimal bool) Row {
	image := func(r *row, holds func(i int) bool) []Value {
		if r == nil {
			return nil
		}
		all := make([]Value, len(r))
		for i, v := range r {
			switch {
			case !holds(i):
			case v == nil:
				all[i] = Value{State: Null}
			default:
				all[i] = Value{State: Held, Bytes: []byte(fmt.Sprint(v))}
			}
		}
		return all
	}
	return Row{
		Before: image(c.before, func(i int) bool { return !minimal || c.table == "heap" || i == 0 }),
		After: image(c.after, func(i int) bool {
			return !minimal || c.before == nil && c.after[i] != nil || c.before != nil && c.before[i] != c.after[i]
		}),
	}
}

func drawRow(t *rapid.T, id int) row {
	return row{id,
		rapid.SampledFrom([]any{nil, "a", "A ", "á", "b", "Á", "c", "d"}).Draw(t, "name"),
		rapid.SampledFrom([]any{nil, 1, 2, 3}).Draw(t, "code")}
}

// drawChange draws a change that d may refuse.
func drawChange(t *rapid.T, d database) change {
	c := change{table: rapid.SampledFrom([]string{"parent", "child", "child", "heap"}).Draw(t, "table")}
	rows := d[c.table]
	kind := rapid.IntRange(0, 2).Draw(t, "kind")
	if len(rows) == 0 {
		kind = 0
	}
	after := drawRow(t, rapid.IntRange(1, 4).Draw(t, "id"))
	if kind > 0 {
		before := rapid.SampledFrom(rows).Draw(t, "before")
		c.before = &before
		for i := range after {
			if rapid.Bool().Draw(t, "keeps") {
				after[i] = before[i]
			}
		}
	}
	if kind < 2 {
		c.after = &after
	}
	return c
}

// Whatever transactions a leader has committed one after the other, in any order
// that their write sets allow they are applied without a refusal and end in the
// leader's data.
func TestWhatIsIndependentCommutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cascade := rapid.Bool().Draw(t, "cascade")
		tables := modelTables(cascade, rapid.SampledFrom([]Comparison{Unlike, Folded}).Draw(t, "names"))
		history := History{Size: rapid.IntRange(1, 40).Draw(t, "size")}
		leader, follower := database{}, database{}
		var s schedule.Schedule
		var transactions [][]change
		for range rapid.IntRange(2, 14).Draw(t, "transactions") {
			var tx []change
			var set Set
			minimal := rapid.Bool().Draw(t, "minimal")
			for range rapid.IntRange(1, 3).Draw(t, "rows") {
				c, then := drawChange(t, leader), leader.clone()
				if then.apply(c, cascade) {
					leader, tx = then, append(tx, c)
					set.Add(tables[c.table], images(c, minimal))
				}
			}
			transactions = append(transactions, tx)
			sequence := int64(len(transactions))
			// The worst clock: each transaction after the one before it.
			own := sequence - 1
			if last, ok := history.Next(sequence, &set); ok {
				own = min(own, last)
			}
			s.Push(schedule.Transaction{LastCommitted: own, SequenceNumber: sequence})
		}
		var running []schedule.Ticket
		for range transactions {
			for {
				ticket, ok := s.Start()
				if !ok {
					break
				}
				running = append(running, ticket)
			}
			i := rapid.IntRange(0, len(running)-1).Draw(t, "next")
			ticket := running[i]
			running = slices.Delete(running, i, i+1)
			require.True(t, follower.applyAll(transactions[ticket], cascade), "refused: %v", transactions[ticket])
			s.Done(ticket)
		}
		require.Equal(t, leader.dump(), follower.dump())
	})
}
