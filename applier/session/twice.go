package session

import (
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A divider divides events that change a row twice, of tables with BLOBs: of such
// rows the server makes something else (MySQL 9.7.4, its own replicas too).
type divider struct {
	scanner *rowimage.Scanner
	tables  int // how many Table_map events the scanner was given
}

// mostTables is how many Table_map events a scanner is given: it remembers them.
const mostTables = 1000

// divide divides the last event of buf, which begins at last and has no checksum,
// where that is needed, and returns where the last one begins then. maps are
// Table_map events, its own among them. What can't be read is left to the server.
func (d *divider) divide(buf []byte, last int, maps []byte, f binlog.Format) ([]byte, int) {
	e := binlog.Event(buf[last:])
	if !updates(e) {
		return buf, last
	}
	m := mapOf(maps, binlog.TableID(e))
	if m == nil || !rowimage.HoldsBlobs(m) {
		return buf, last
	}
	parts := d.parts(m, e, f)
	if parts == nil {
		return buf, last
	}
	flags, err := binlog.RowsFlags(e)
	if err != nil {
		return buf, last
	}
	buf = buf[:last]
	for i, part := range parts {
		last = len(buf)
		buf = append(buf, part...)
		if i < len(parts)-1 {
			binlog.SetRowsFlags(buf[last:], flags&^binlog.RowsStatementEnd)
		}
	}
	return buf, last
}

func (d *divider) parts(m, e binlog.Event, f binlog.Format) []binlog.Event {
	if d.scanner == nil || d.tables >= mostTables || !d.scanner.Format().SameAs(f.WithoutChecksum()) {
		scanner, err := rowimage.NewScanner(f)
		if err != nil {
			return nil
		}
		d.scanner, d.tables = scanner, 0
	}
	d.tables++
	if _, err := d.scanner.TableMap(m); err != nil {
		return nil
	}
	parts, err := d.scanner.Parts(e)
	if err != nil {
		return nil
	}
	return parts
}

// mostOf is how many bytes an event may take when it is divided: each part has the
// header again, which is a few times as long as the shortest row.
func mostOf(e binlog.Event) int {
	if updates(e) {
		return 6 * len(e)
	}
	return len(e)
}

func updates(e binlog.Event) bool {
	return e.Type() == replication.UPDATE_ROWS_EVENTv2 || e.Type() == replication.PARTIAL_UPDATE_ROWS_EVENT
}

// mapOf finds the last Table_map event of a table's id among events; nil if there
// is none.
func mapOf(events []byte, id uint64) (found binlog.Event) {
	for len(events) >= binlog.HeaderSize {
		e := binlog.Event(events)
		size := int(e.Size())
		if size < binlog.HeaderSize || size > len(events) {
			return found
		}
		e, events = e[:size], events[size:]
		if e.Type() == replication.TABLE_MAP_EVENT && binlog.TableID(e) == id {
			found = e
		}
	}
	return found
}
