package keys

import (
	"bytes"
	"iter"

	"github.com/batondb/baton/applier/writeset"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/replication"
)

// largest is how many bytes of events of a transaction are looked at.
const largest = 1 << 20

// Sets makes the write sets of transactions. It is not safe for concurrent use.
type Sets struct {
	// Table gives a table of the follower's, nil for one of which nothing can be
	// told.
	Table func(rowimage.TableName) *Table

	format  binlog.Format
	scanner *rowimage.Scanner
	maps    map[uint64]*mapped // by table id
	buffer  []byte
	images  [2][]writeset.Value
}

// A mapped is a Table_map_event that was seen.
type mapped struct {
	body []byte // of the event
	*rowimage.Table

	// Of the follower's table that it was last compared with:
	table *Table
	fits  bool // its keys have the leader's values
}

// Of adds what a transaction uses to an empty set, which is opaque where that
// isn't known; of a set that is opaque before, its rows aren't looked at. rows is false where it may change tables besides; that comes before
// its rows, if there are any.
func (s *Sets) Of(tx *binlog.Transaction, set *writeset.Set) (rows bool) {
	left := largest
	if !s.begin(tx.Format) || tx.Size > largest || set.IsOpaque() {
		set.Opaque()
		left = 0
	}
	for e, err := range plain(tx) {
		if left -= len(e.Event); err != nil || left < 0 {
			set.Opaque()
		}
		switch {
		case err != nil:
			return false
		case binlog.IsRows(e.Event) && left < 0:
			return true
		case binlog.IsRows(e.Event):
			s.rowsEvent(e, set)
		case e.Type() == replication.TABLE_MAP_EVENT && left < 0:
		case e.Type() == replication.TABLE_MAP_EVENT:
			s.tableMap(e, set)
		case !harmless(e, set):
			set.Opaque()
			return false
		}
	}
	return true
}

// An event is one of a transaction, or in a compressed one, and its format.
type event struct {
	binlog.Event
	format binlog.Format
}

// plain yields the events of a transaction, compressed or not.
func plain(tx *binlog.Transaction) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		for e, err := range tx.Body {
			if err != nil || e.Type() != replication.TRANSACTION_PAYLOAD_EVENT {
				if !yield(event{e, tx.Format}, err) {
					return
				}
				continue
			}
			for inner, err := range binlog.Unwrap(e, tx.Format) {
				if !yield(event{inner, tx.Format.WithoutChecksum()}, err) {
					return
				}
			}
		}
	}
}

// harmless tells whether an event changes no table, and what it does is what the
// rows beside it say; where it is something else, set is made opaque.
func harmless(e event, set *writeset.Set) bool {
	switch e.Type() {
	case replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT, replication.ROWS_QUERY_EVENT, replication.IGNORABLE_EVENT,
		replication.XID_EVENT:
		return true
	case replication.XA_PREPARE_LOG_EVENT:
		set.Opaque()
		return true
	case replication.QUERY_EVENT:
		q, err := binlog.ParseQuery(e.Event, e.format)
		if err != nil {
			return false
		}
		begins := func(word string) bool {
			return len(q.Statement) >= len(word) && bytes.EqualFold(q.Statement[:len(word)], []byte(word))
		}
		if begins("XA ") {
			set.Opaque()
			return true
		}
		return string(q.Statement) == "BEGIN" || string(q.Statement) == "COMMIT" || begins("SAVEPOINT ")
	}
	return false
}

// begin prepares for a transaction of a format.
func (s *Sets) begin(f binlog.Format) bool {
	const most = 10_000
	if s.scanner != nil && s.format.SameAs(f) && len(s.maps) < most {
		return true
	}
	scanner, err := rowimage.NewScanner(f)
	if err != nil {
		return false
	}
	s.scanner, s.format, s.maps = scanner, f, map[uint64]*mapped{}
	return true
}

// tableMap takes note of a Table_map_event. The same one comes in many
// transactions. The table is asked for whatever is known already, so that all that
// a transaction touches are known soon.
func (s *Sets) tableMap(e event, set *writeset.Set) {
	schema, table, err := binlog.TableName(e.Event)
	if err == nil {
		s.Table(rowimage.TableName{Schema: schema, Table: table})
	}
	if set.IsOpaque() || err != nil {
		set.Opaque()
		return
	}
	s.buffer = e.AppendWithoutChecksum(s.buffer[:0], e.format)
	plain := binlog.Event(s.buffer)
	id, body := binlog.TableID(plain), plain[binlog.HeaderSize:]
	if m := s.maps[id]; m != nil && bytes.Equal(m.body, body) {
		return
	}
	delete(s.maps, id)
	t, err := s.scanner.TableMap(plain)
	if err != nil {
		set.Opaque()
		return
	}
	s.maps[id] = &mapped{body: bytes.Clone(body), Table: t}
}

// rowsEvent adds the rows of an event.
func (s *Sets) rowsEvent(e event, set *writeset.Set) {
	if set.IsOpaque() {
		return
	}
	var t *Table
	m := s.maps[binlog.TableID(e.Event)]
	if m != nil {
		t = s.Table(m.Name)
	}
	flags, err := binlog.RowsFlags(e.Event)
	if t == nil || err != nil || !m.fit(t) || e.Type() == replication.PARTIAL_UPDATE_ROWS_EVENT {
		set.Opaque()
		return
	}
	s.buffer = e.AppendWithoutChecksum(s.buffer[:0], e.format)
	for row, err := range s.scanner.RawRows(binlog.Event(s.buffer)) {
		if err != nil {
			set.Opaque()
			return
		}
		set.Add(t.rows, writeset.Row{Before: values(&s.images[0], row.Before), After: values(&s.images[1], row.After),
			CascadesLogged: flags&binlog.RowsLoggedCascades != 0})
		if set.IsOpaque() {
			return
		}
	}
}

// values are an image's in the words of a write set, in memory that is used again.
func values(into *[]writeset.Value, image []rowimage.RawValue) []writeset.Value {
	if image == nil {
		return nil
	}
	all := (*into)[:0]
	for _, v := range image {
		state := writeset.Missing
		switch {
		case v.Present && v.Bytes == nil:
			state = writeset.Null
		case v.Present:
			state = writeset.Held
		}
		all = append(all, writeset.Value{State: state, Bytes: v.Bytes})
	}
	*into = all
	return all
}

// fit tells whether the follower's table has the leader's columns, and in its keys
// the leader's values.
func (m *mapped) fit(t *Table) bool {
	if m.table == t {
		return m.fits
	}
	m.table, m.fits = t, len(t.columns) == int(m.ColumnCount)
	for _, i := range t.keys {
		m.fits = m.fits && t.columns[i].holds(m.ColumnType[i], m.ColumnMeta[i])
	}
	return m.fits
}
