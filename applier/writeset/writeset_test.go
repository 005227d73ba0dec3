package writeset

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// The scripts in testdata/scripts know these commands; their tables are the
// model's, odd, which has a unique key of an expression besides its primary key,
// and folded, the parent with a name that is compared without regard to case:
//
//	new [cascade] [size=N]   a new history; foreign keys that cascade
//	push                     one transaction a line, its changes between semicolons:
//	                           insert TABLE IMAGE
//	                           update TABLE IMAGE > IMAGE
//	                           delete TABLE IMAGE
//	                           opaque
//	                         and where foreign keys' changes are in the binlog, logged
//	                         at the end of a change. NULL is written so, - is a value
//	                         that the image leaves out, _ a space. Prints for each what it depends on.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		p := newPlayer(false)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				p = newPlayer(d.HasArg("cascade"))
				d.MaybeScanArgs(t, "size", &p.history.Size)
				return ""
			case "push":
				return p.push(t, d.Input)
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

type player struct {
	tables   map[string]*Table
	history  History
	sequence int64
}

func newPlayer(cascade bool) *player {
	p := &player{tables: modelTables(cascade, Unlike), history: History{Size: DefaultSize}}
	id := Key{{Column: 0, Compared: Exact}}
	p.tables["folded"] = modelTables(cascade, Folded)["parent"]
	p.tables["odd"] = NewTable(Definition{Name: "db.odd", Unique: []Key{id, {{Column: -1}}}})
	return p
}

func (p *player) push(t *testing.T, input string) string {
	var told strings.Builder
	for line := range strings.Lines(input) {
		var s Set
		for c := range strings.SplitSeq(strings.TrimSpace(line), ";") {
			p.add(t, &s, strings.Fields(c))
		}
		p.sequence++
		last, ok := p.history.Next(p.sequence, &s)
		switch {
		case !ok:
			fmt.Fprintf(&told, "%d: unknown\n", p.sequence)
		case last == 0:
			fmt.Fprintf(&told, "%d: free\n", p.sequence)
		default:
			fmt.Fprintf(&told, "%d: after %d\n", p.sequence, last)
		}
	}
	return told.String()
}

func (p *player) add(t *testing.T, s *Set, words []string) {
	if words[0] == "opaque" {
		s.Opaque()
		return
	}
	var r Row
	if last := len(words) - 1; words[last] == "logged" {
		r.CascadesLogged, words = true, words[:last]
	}
	switch words[0] {
	case "insert":
		r.After = image(words[2])
	case "update":
		r.Before, r.After = image(words[2]), image(words[4])
	case "delete":
		r.Before = image(words[2])
	default:
		t.Fatalf("unknown change %q", words[0])
	}
	require.Contains(t, p.tables, words[1])
	s.Add(p.tables[words[1]], r)
}

func image(text string) []Value {
	var all []Value
	for v := range strings.SplitSeq(text, ",") {
		switch v {
		case "-":
			all = append(all, Value{})
		case "NULL":
			all = append(all, Value{State: Null})
		default:
			all = append(all, Value{State: Held, Bytes: []byte(strings.ReplaceAll(v, "_", " "))})
		}
	}
	return all
}

// A transaction with more uses than a Set holds is opaque, and takes no more
// memory.
func TestTooLargeATransactionIsOpaque(t *testing.T) {
	child := modelTables(false, Unlike)["child"]
	var s Set
	for i := range MaxUses {
		require.False(t, s.IsOpaque() && i < MaxUses/2, "after %d rows", i)
		s.Add(child, Row{After: image(fmt.Sprintf("%d,a,%d", i, i))})
	}
	require.True(t, s.IsOpaque())
	require.Empty(t, s.uses)
}

// However many transactions pass, no more is remembered than twice the size, and
// what one transaction used.
func TestHistoryIsBounded(t *testing.T) {
	child := modelTables(false, Unlike)["child"]
	h := History{Size: 100}
	for i := range 1000 {
		var s Set
		s.Add(child, Row{After: image(fmt.Sprintf("%d,a,NULL", i))})
		last, ok := h.Next(int64(i+1), &s)
		require.True(t, ok)
		require.LessOrEqual(t, last, max(0, int64(i+1)-90), "the last transactions are remembered")
		require.LessOrEqual(t, len(h.recent)+len(h.earlier), 2*h.Size+len(s.uses))
	}
}
