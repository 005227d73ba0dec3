package rewind

import (
	"fmt"
	"io"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A backlog is the Table_map and Rows events of one transaction, on disk, to be
// read from its end.
type backlog struct {
	file io.ReaderAt
	rows []backlogRows
}

type backlogRows struct{ table, rows extent }

type extent struct {
	at   int64
	size int
}

// write puts the events of a transaction into file and says where each is.
func (b *backlog) write(file interface {
	io.Writer
	io.ReaderAt
}, events func(yield func(binlog.Event, error) bool)) error {
	b.file = file
	at := int64(0)
	maps := map[[6]byte]extent{}
	for e, err := range events {
		if err != nil {
			return err
		}
		isMap := e.Type() == replication.TABLE_MAP_EVENT
		if !isMap && !binlog.IsRows(e) {
			continue
		}
		if len(e) < binlog.HeaderSize+rowimage.PostHeader {
			return fmt.Errorf("%w: a %s of %d bytes", binlog.ErrMalformed, e.Type(), len(e))
		}
		id, here := [6]byte(e[binlog.HeaderSize:]), extent{at, len(e)}
		if isMap {
			maps[id] = here
		} else {
			b.rows = append(b.rows, backlogRows{maps[id], here})
		}
		if _, err := file.Write(e); err != nil {
			return fmt.Errorf("keep the events of a transaction: %w", err)
		}
		at += int64(len(e))
	}
	return nil
}

func (b *backlog) read(x extent) (binlog.Event, error) {
	e := make([]byte, x.size)
	if _, err := b.file.ReadAt(e, x.at); err != nil {
		return nil, fmt.Errorf("read the events of a transaction: %w", err)
	}
	return binlog.CheckEvent(e)
}
