package writeset

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// A Definition is what is known of a table's keys.
type Definition struct {
	// Name is the schema's and the table's; no other table has it.
	Name string
	// Unique are the primary key and the other unique keys.
	Unique []Key
	// Identity is the index in Unique of the key that a row is known by, whose
	// columns are whole and never NULL; negative where there is none.
	Identity int
	// Referenced are the columns that foreign keys refer to, one for each foreign
	// key.
	Referenced []Referenced
	// References are the table's own foreign keys.
	References []Reference
}

// A Key is one or more columns.
type Key []Part

// A Part is a column of a key.
type Part struct {
	// Column is its index in the rows; negative for an expression or a generated
	// column, of which the rows hold nothing, or nothing that is sure.
	Column int
	// Compared is how the values that the server takes for equal are found.
	Compared Comparison
	// NotNull says that the column can't be NULL: what a row holds instead of a NULL
	// that the binlog gives it isn't known.
	NotNull bool
}

// A Comparison is what is known of which values of a column are equal.
type Comparison byte

// The comparisons.
const (
	// Unlike: nothing. It is also that of the beginning of a column.
	Unlike Comparison = iota
	// Exact: no two values are equal whose bytes differ before the spaces and NULs
	// at their end.
	Exact
	// Folded: no two values of printable ASCII are equal whose characters differ, but
	// for case and spaces at their end. Of others nothing is known.
	Folded
)

// Referenced are columns that a foreign key refers to.
type Referenced struct {
	Key
	// Names are those of the columns, as in the Reference. A Part has the same
	// Comparison in both.
	Names []string
	// Cascades says that the foreign key changes rows by itself.
	Cascades bool
}

// A Reference is a foreign key.
type Reference struct {
	Key
	Parent string   // the Name of the table that it refers to
	Names  []string // of the columns there, in the order of the Key
}

// A Table is a Definition that rows can be added by. It is never modified and
// may be shared.
type Table struct {
	place      uint64
	unique     []space
	identity   int
	referenced []space
	references []space
}

// A space is where the hashes of a key's values begin: two keys with the same
// beginning hold values that concern each other.
type space struct {
	key      Key
	begin    uint64
	parent   uint64 // the place of the table that the key refers to
	cascades bool
}

// NewTable prepares a Definition. Names that differ only in case are taken for
// the same, as some servers do.
func NewTable(d Definition) *Table {
	t := &Table{place: place(d.Name), identity: d.Identity}
	for i, k := range d.Unique {
		t.unique = append(t.unique, space{key: k, begin: text(t.place, fmt.Sprintf("unique %d", i))})
	}
	for _, r := range d.Referenced {
		t.referenced = append(t.referenced, space{key: r.Key, begin: names(t.place, r.Key, r.Names), cascades: r.Cascades})
	}
	for _, r := range d.References {
		parent := place(r.Parent)
		t.references = append(t.references, space{key: r.Key, begin: names(parent, r.Key, r.Names), parent: parent})
	}
	return t
}

// names is the beginning of a foreign key's values, in the parent's terms.
func names(parent uint64, k Key, columns []string) uint64 {
	h := text(parent, "referenced")
	for i, c := range columns {
		h = text(h, fmt.Sprintf("%s %d", strings.ToLower(c), k[i].Compared))
	}
	return h
}

func place(table string) uint64 { return text(fnvOffset, strings.ToLower(table)) }

// Two values with the same hash only make two transactions wait for each other.
// Source: FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func hash[T string | []byte](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

// text continues a hash such that texts in a row aren't taken for other texts.
func text[T string | []byte](h uint64, s T) uint64 {
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(s)))
	return hash(hash(h, size[:]), s)
}
