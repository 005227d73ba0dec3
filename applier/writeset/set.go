package writeset

import "bytes"

// A Value is a column's in an image.
type Value struct {
	State State
	Bytes []byte // of one that is Held, without its length
}

// A State is what an image holds of a column.
type State byte

// The states of a value.
const (
	Missing State = iota // the image leaves it out
	Null
	Held
)

// A Row is a changed row. Before is nil for an insert, After for a delete.
type Row struct {
	Before, After []Value
	// CascadesLogged says that what foreign keys changed because of the row is
	// itself among the rows.
	CascadesLogged bool
}

// MaxUses is how many uses a Set holds; a transaction with more is opaque.
const MaxUses = 4096

// A Set is what one transaction uses. The zero value is empty, and is ready to
// use. It is not safe for concurrent use.
type Set struct {
	uses   map[uint64]bool // whether it is changed, rather than relied on
	opaque bool
}

// Opaque says that the transaction does what its rows don't tell.
func (s *Set) Opaque() { s.uses, s.opaque = nil, true }

// IsOpaque tells whether nothing can be said of the transaction.
func (s *Set) IsOpaque() bool { return s.opaque }

// Add adds a row of t.
func (s *Set) Add(t *Table, r Row) {
	s.use(t.place, false)
	if t.identity < 0 {
		s.use(t.place, true)
	}
	for i, k := range t.unique {
		s.addKey(t.place, k, r, i == t.identity, true)
	}
	for _, k := range t.referenced {
		if k.cascades && !r.CascadesLogged && r.Before != nil && changes(k.key, r) {
			s.Opaque()
			return
		}
		s.addKey(t.place, k, r, false, true)
	}
	for _, k := range t.references {
		s.use(k.parent, false)
		// A server looks for the parent whenever it writes the child's entry in an
		// index, and there may be none where somebody had switched such checks off.
		s.addKey(k.parent, k, r, true, false)
	}
}

// addKey adds the values of a key before and after. A key that an update leaves
// as it was is used by whoever gave it to the row and by whoever takes it away,
// and these also change the row: so only what is used always says so of all.
func (s *Set) addKey(table uint64, k space, r Row, always, changed bool) {
	update := r.Before != nil && r.After != nil
	if update && !always && !changes(k.key, r) {
		return
	}
	if r.Before != nil {
		s.addValue(table, k, r.Before, nil, changed)
	}
	if r.After != nil {
		// What the image after leaves out is that before.
		s.addValue(table, k, r.After, r.Before, changed)
	}
}

func (s *Set) addValue(table uint64, k space, image, before []Value, changed bool) {
	coarse, fine := k.begin, k.begin // without and with what is Folded
	missing, folds, odd := false, false, false
	for _, p := range k.key {
		v := valueOf(p, image, before)
		switch {
		case v.State == Null && !p.NotNull:
			return // equal to nothing, and refers to nothing
		case p.Column < 0:
		case v.State != Held:
			missing = true
		case p.Compared == Exact:
			exact := bytes.TrimRight(v.Bytes, " \x00")
			coarse, fine = text(coarse, exact), text(fine, exact)
		case p.Compared == Folded:
			folds = true
			if folded, ok := fold(v.Bytes); ok {
				fine = text(fine, folded)
			} else {
				odd = true
			}
		}
	}
	switch {
	case missing:
		s.use(table, true)
	case odd:
		// It may be equal to any that differs in nothing else.
		s.use(coarse, true)
	default:
		s.use(coarse, changed && !folds)
		s.use(fine, changed)
	}
}

// fold is what a value of printable ASCII shares with those that it may be equal
// to; false for any other.
func fold(value []byte) ([]byte, bool) {
	for _, c := range value {
		if c < ' ' || c > '~' {
			return nil, false
		}
	}
	return bytes.ToLower(bytes.TrimRight(value, " ")), true
}

// valueOf is a column's value in an image, or that before where the image leaves
// out what didn't change.
func valueOf(p Part, image, before []Value) Value {
	v := at(image, p.Column)
	if v.State == Missing && before != nil {
		return at(before, p.Column)
	}
	return v
}

func at(image []Value, column int) Value {
	if column < 0 || column >= len(image) {
		return Value{}
	}
	return image[column]
}

// changes tells whether an update may change a key.
func changes(k Key, r Row) bool {
	if r.Before == nil || r.After == nil {
		return true
	}
	for _, p := range k {
		before, after := at(r.Before, p.Column), at(r.After, p.Column)
		switch {
		case p.Column < 0:
			return true
		case after.State == Missing:
		case before.State != after.State, !bytes.Equal(before.Bytes, after.Bytes):
			return true
		}
	}
	return false
}

func (s *Set) use(h uint64, changed bool) {
	if s.opaque {
		return
	}
	if s.uses == nil {
		s.uses = map[uint64]bool{}
	}
	s.uses[h] = s.uses[h] || changed
	if len(s.uses) > MaxUses {
		s.Opaque()
	}
}
