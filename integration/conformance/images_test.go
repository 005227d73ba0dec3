package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
)

// marks are the binlog files that each server began when a file of the corpus began.
type marks struct{ leader, follower string }

// mark has the leader and the first follower, which has all that the leader has, begin a new binlog file.
func (st *stage) mark(t *testing.T) marks {
	t.Helper()
	begin := func(s *mysqltest.Server) string {
		s.MustExec(t, "FLUSH LOCAL BINARY LOGS")
		return s.Rows(t, "SHOW BINARY LOG STATUS")[0][0]
	}
	follower := st.chain.feeds[0].Server
	mysqltest.WaitGTID(t, follower, st.leader.GTIDExecuted(t), patience)
	return marks{begin(st.leader), begin(follower)}
}

// compareImages holds the follower's own binlog against the leader's: the same transactions, each with the same
// statements and row images, but for those that it was told to skip.
func (st *stage) compareImages(t *testing.T, since marks, skipped map[string]bool) error {
	t.Helper()
	follower := st.chain.feeds[0].Server
	has := map[string]*binlog.Transaction{}
	for _, tx := range binlogtest.ReadFrom(t, follower, since.follower) {
		has[tx.GTID.String()] = tx
	}
	for _, tx := range binlogtest.ReadFrom(t, st.leader, since.leader) {
		copied := has[tx.GTID.String()]
		delete(has, tx.GTID.String())
		if skipped[tx.GTID.String()] {
			continue
		}
		if copied == nil {
			return fmt.Errorf("%s isn't in the follower's binlog", tx.GTID)
		}
		if err := compareChanges(changesOf(t, tx), changesOf(t, copied)); err != nil {
			return fmt.Errorf("transaction %s: the leader's binlog and the follower's: %w", tx.GTID, err)
		}
	}
	if len(has) > 0 {
		return fmt.Errorf("only the follower has %v", slices.Collect(maps.Keys(has)))
	}
	return nil
}

// change is a statement, or the rows of a table that were changed in one way one after the other.
type change struct {
	kind    string // "statement" or the kind of rows
	name    string // the statement or the table
	columns []byte // which columns the images hold, as the event has it
	image   []byte // of all rows, as the events have it
	decoded [][]any
	partial bool // JSON columns hold differences
	mixed   bool // not all images hold the same columns
}

func (c change) String() string {
	if c.kind == "statement" {
		return fmt.Sprintf("statement %.200q", c.name)
	}
	return fmt.Sprintf("%s %s: %d images of columns %x: %.600s", c.kind, c.name, len(c.decoded), c.columns, fmt.Sprint(c.decoded))
}

// changesOf is all that a transaction does.
func changesOf(t *testing.T, tx *binlog.Transaction) []change {
	t.Helper()
	d := newDecoder(t, tx.Format)
	for e, err := range tx.Body {
		require.NoError(t, err)
		if e.Type() != replication.TRANSACTION_PAYLOAD_EVENT {
			d.event(e)
			continue
		}
		inside := newDecoder(t, tx.Format.WithoutChecksum())
		for inner, err := range binlog.Unwrap(e, tx.Format) {
			require.NoError(t, err)
			inside.event(bytes.Clone(inner)) // it is valid until the next
		}
		d.changes = append(d.changes, inside.changes...)
	}
	return d.changes
}

// decoder reads the events of one transaction.
type decoder struct {
	t       *testing.T
	format  binlog.Format
	parser  *replication.BinlogParser
	tables  map[uint64]string
	changes []change
}

func newDecoder(t *testing.T, f binlog.Format) *decoder {
	d := &decoder{t: t, format: f, parser: replication.NewBinlogParser(), tables: map[uint64]string{}}
	_, err := d.parser.Parse(f.Event)
	require.NoError(t, err)
	return d
}

func (d *decoder) event(e binlog.Event) {
	switch {
	case e.Type() == replication.QUERY_EVENT:
		q, err := binlog.ParseQuery(e, d.format)
		require.NoError(d.t, err)
		switch word, _, _ := strings.Cut(string(q.Statement), " "); word {
		case "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT": // a savepoint that nothing follows isn't logged by the follower
		default:
			d.changes = append(d.changes, change{kind: "statement", name: string(q.Statement)})
		}
	case e.Type() == replication.TABLE_MAP_EVENT:
		schema, table, err := binlog.TableName(e)
		require.NoError(d.t, err)
		d.tables[tableID(e)] = schema + "." + table
		_, err = d.parser.Parse(e)
		require.NoError(d.t, err)
	case binlog.IsRows(e):
		d.rows(e)
	}
}

// tableID is the number that a Table_map_event and its Rows_events share.
func tableID(e binlog.Event) uint64 {
	var id [8]byte
	copy(id[:6], e[binlog.HeaderSize:])
	return binary.LittleEndian.Uint64(id[:])
}

func (d *decoder) rows(e binlog.Event) {
	parsed, err := d.parser.Parse(e)
	require.NoError(d.t, err)
	rows := parsed.Event.(*replication.RowsEvent)
	kind := "insert"
	switch e.Type() {
	case replication.UPDATE_ROWS_EVENTv2, replication.PARTIAL_UPDATE_ROWS_EVENT:
		kind = "update"
	case replication.DELETE_ROWS_EVENTv2:
		kind = "delete"
	}
	partial := e.Type() == replication.PARTIAL_UPDATE_ROWS_EVENT
	showJSONNull(rows)
	if partial {
		hideJSON(rows)
	}
	markAbsent(rows, kind == "update")
	body, err := e.Body(d.format)
	require.NoError(d.t, err)
	const fixed = 6 + 2 // table id, flags; the length of extra data counts itself
	rest := body[fixed+int(binary.LittleEndian.Uint16(body[fixed:])):]
	_, n := lengthEncoded(rest)
	rest = rest[n+len(rows.ColumnBitmap1)+len(rows.ColumnBitmap2):]
	c := change{kind: kind, name: d.tables[tableID(e)], columns: bytes.Join([][]byte{rows.ColumnBitmap1, rows.ColumnBitmap2}, []byte("/")),
		image: bytes.Clone(rest), decoded: rows.Rows, partial: partial}
	if last := len(d.changes) - 1; last >= 0 && d.changes[last].continues(c) {
		d.changes[last].mixed = d.changes[last].mixed || d.changes[last].partial != c.partial || !bytes.Equal(d.changes[last].columns, c.columns)
		d.changes[last].image = append(d.changes[last].image, c.image...)
		d.changes[last].decoded = append(d.changes[last].decoded, c.decoded...)
		return
	}
	d.changes = append(d.changes, c)
}

// hideJSON takes the JSON columns, which may be differences, out of the second image of each row.
func hideJSON(rows *replication.RowsEvent) {
	for i := 1; i < len(rows.Rows); i += 2 {
		for j, typ := range rows.Table.ColumnType {
			if typ == mysql.MYSQL_TYPE_JSON {
				rows.Rows[i][j] = absent{}
			}
		}
	}
}

// showJSONNull has a JSON column without any bytes show as what it is to the server. Rows get it that were there before
// the column, where that can't be NULL; a server that writes such a row again may spell it out.
func showJSONNull(rows *replication.RowsEvent) {
	for _, row := range rows.Rows {
		for j, typ := range rows.Table.ColumnType {
			if text, ok := row[j].([]byte); ok && typ == mysql.MYSQL_TYPE_JSON && len(text) == 0 {
				row[j] = "null"
			}
		}
	}
}

// absent stands for a column that isn't in an image, where nil would be NULL.
type absent struct{}

// markAbsent puts it where it belongs; every second image of an update is what rows became.
func markAbsent(rows *replication.RowsEvent, update bool) {
	for i, row := range rows.Rows {
		present := rows.ColumnBitmap1
		if update && i%2 == 1 {
			present = rows.ColumnBitmap2
		}
		for j := range row {
			if present[j/8]&(1<<(j%8)) == 0 {
				row[j] = absent{}
			}
		}
	}
}

// lengthEncoded reads an integer of the protocol's variable length.
func lengthEncoded(b []byte) (value uint64, size int) {
	if b[0] < 0xfb {
		return uint64(b[0]), 1
	}
	return uint64(binary.LittleEndian.Uint16(b[1:])), 3 // a table has at most 4096 columns
}

// continues tells whether next is more of the same: where an event ends depends on packets.
func (c change) continues(next change) bool {
	return c.kind != "statement" && c.kind == next.kind && c.name == next.name
}

func compareChanges(leader, follower []change) error {
	for i := range max(len(leader), len(follower)) {
		if i >= len(leader) {
			return fmt.Errorf("only the follower has %v", follower[i])
		}
		if i >= len(follower) {
			return fmt.Errorf("only the leader has %v", leader[i])
		}
		if !leader[i].same(follower[i]) {
			return fmt.Errorf("the leader has %v,\nthe follower %v\nwhat only the leader has: %s\nwhat only the follower has: %s", leader[i], follower[i],
				shortened(leader[i].lacking(follower[i], holds)), shortened(follower[i].lacking(leader[i], func(a, b [][]any) bool { return holds(b, a) })))
		}
	}
	return nil
}

// shortened shows rows with the beginning and the end of each value.
func shortened(rows [][][]any) string {
	var b strings.Builder
	for _, images := range rows[:min(len(rows), 20)] {
		for _, image := range images {
			for _, value := range image {
				text := fmt.Sprintf("%#v", value)
				if len(text) > 120 {
					text = fmt.Sprintf("%s…%s (%d)", text[:60], text[len(text)-40:], len(text))
				}
				b.WriteString(text + ", ")
			}
			b.WriteString("| ")
		}
	}
	return b.String()
}

// same compares bytes where both hold the same columns, and else the columns that the leader has. The rows of a table
// without a key may come in another order: the server finds several of them in one search.
func (c change) same(follower change) bool {
	if c.kind != follower.kind || c.name != follower.name || len(c.decoded) != len(follower.decoded) {
		return false
	}
	if !c.mixed && !follower.mixed && c.partial == follower.partial && bytes.Equal(c.columns, follower.columns) {
		return bytes.Equal(c.image, follower.image) || slices.Equal(c.lines(), follower.lines())
	}
	return len(c.lacking(follower, holds)) == 0
}

// lacking is the rows that another change has no counterpart of.
func (c change) lacking(other change, alike func(other, row [][]any) bool) [][][]any {
	var lacking [][][]any
	theirs := other.rows()
	for _, row := range c.rows() {
		i := slices.IndexFunc(theirs, func(other [][]any) bool { return alike(other, row) })
		if i < 0 {
			lacking = append(lacking, row)
			continue
		}
		theirs = slices.Delete(theirs, i, i+1)
	}
	return lacking
}

// holds tells whether a row's images hold what those of a leader's row do, which may leave columns out.
func holds(follower, leader [][]any) bool {
	for i, image := range leader {
		for j, value := range image {
			if value == (absent{}) || follower[i][j] == (absent{}) { // compared with the table
				continue
			}
			if fmt.Sprint(value) != fmt.Sprint(follower[i][j]) {
				return false
			}
		}
	}
	return true
}

// rows is the images of each row: what it was and what it became.
func (c change) rows() [][][]any {
	images := 1
	if c.kind == "update" {
		images = 2
	}
	return slices.Collect(slices.Chunk(c.decoded, images))
}

// lines is a sorted line for each row.
func (c change) lines() []string {
	var lines []string
	for _, row := range c.rows() {
		lines = append(lines, fmt.Sprintf("%#v", row))
	}
	slices.Sort(lines)
	return lines
}
