package relay

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
)

// readTransaction returns the next transaction of a segment, io.EOF at the
// scanner's limit. One that is too large to be held is only verified here, and
// its Body reads it again.
func (r *Relay) readTransaction(s *scanner, seg *segment) (*binlog.Transaction, error) {
	t := &binlog.Transaction{Format: seg.format}
	var start int64
	var held []binlog.Event
	large := false
	for {
		off := s.off
		e, part, err := s.next()
		if err != nil {
			return nil, err
		}
		switch part {
		case binlog.Outside:
			continue
		case binlog.First:
			if t.GTIDInfo, err = binlog.ParseGTID(e, seg.format); err != nil {
				return nil, &badError{off, err}
			}
			start = off
		}
		t.Size += int64(len(e))
		if large = large || t.Size > r.cfg.Memory/spillShare; large {
			held = nil
		} else {
			held = append(held, append(binlog.Event(nil), e...))
		}
		if part == binlog.Last {
			break
		}
	}
	t.End = s.at
	if large {
		t.Body = r.diskBody(seg, t.GTID, start, s.off)
	} else {
		t.Body = binlog.Events(held)
	}
	return t, nil
}

// diskBody reads the events of a transaction from its segment each time it is
// asked for, one at a time.
func (r *Relay) diskBody(seg *segment, g gtid.GTID, start, end int64) iter.Seq2[binlog.Event, error] {
	return func(yield func(binlog.Event, error) bool) {
		file, err := r.fs.Open(seg.path)
		if errors.Is(err, os.ErrNotExist) {
			purged := &PurgedError{}
			purged.Missing.Add(g)
			err = purged
		}
		if err != nil {
			yield(nil, fmt.Errorf("read a large transaction: %w", err))
			return
		}
		defer file.Close()
		s := &scanner{file: file, off: start, limit: end, format: seg.format}
		for {
			e, err := s.event()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, damaged(seg.path, err))
				return
			}
			s.off += int64(len(e))
			if !yield(e, nil) {
				return
			}
		}
	}
}
