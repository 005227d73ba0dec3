package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/replication"
)

// What scanSegment found in a segment.
type found struct {
	blocks       []block
	transactions int
	good         int64           // where the last thing ends that can be relied on
	at           binlog.Position // the leader's position there
	synced       int64           // up to where a mark says that the file had been fsynced
	bad          *badError       // the first thing that is wrong, if there is one
}

// all is the set of the transactions that were found.
func (f found) all() gtid.Set { return index{blocks: f.blocks}.all() }

// settle says what is wrong with what is left behind good. Without checksums
// nothing behind the last group that a mark vouches for means anything, not even
// where events begin.
func (f *found) settle(seg *segment) {
	if seg.format.Checksum || f.good == seg.limit {
		return
	}
	err := fmt.Errorf("%w: no sync mark vouches for what follows", binlog.ErrMalformed)
	if f.bad != nil {
		err = fmt.Errorf("%w (%w at %d)", err, f.bad.err, f.bad.offset)
	}
	f.bad = &badError{f.good, err}
}

// scanSegment reads a segment from its header to seg.limit, or, unless wanted is
// nil, to the first transaction that isn't in it. It returns an error only if the
// segment can't be read; what is wrong with its bytes is in found.bad.
//
// Where events have no checksums, a transaction can be relied on only if a sync
// mark behind it vouches for its group.
func scanSegment(f io.ReaderAt, seg *segment, wanted *gtid.Set) (found, error) {
	s := &scanner{file: f, limit: seg.limit, format: seg.format, off: seg.headerSize, at: seg.at}
	res := found{good: seg.headerSize, at: seg.at}
	type run struct {
		start, end int64
		before     binlog.Position
		g          gtid.GTID
	}
	var group []run // not yet relied on
	var last run
	for {
		off, before := s.off, s.at
		e, part, err := s.next()
		if err == nil {
			switch part {
			case binlog.First:
				last = run{start: off, before: before}
				last.g, err = scannedGTID(e, seg.format, off)
				if err == nil && wanted != nil && !wanted.Contains(last.g) {
					return res, nil
				}
			case binlog.Outside:
				if m, ok := parseMark(e, off); ok && !seg.format.Checksum {
					err = checkGroup(f, m)
				}
			case binlog.Last:
				last.end = s.off
				group = append(group, last)
			}
		}
		if err == io.EOF || errors.As(err, &res.bad) {
			res.settle(seg)
			return res, nil
		}
		if err != nil {
			return res, err
		}
		m, isMark := parseMark(e, off)
		if s.grouper.Open() || !seg.format.Checksum && !isMark {
			continue
		}
		for _, t := range group {
			res.blocks = addBlock(res.blocks, t.start, t.end, t.before, t.g)
		}
		res.transactions += len(group)
		group = group[:0]
		res.good, res.at = s.off, s.at
		if isMark {
			res.synced = m.synced
		}
	}
}

func scannedGTID(e binlog.Event, f binlog.Format, off int64) (gtid.GTID, error) {
	info, err := binlog.ParseGTID(e, f)
	if err != nil {
		return gtid.GTID{}, &badError{off, err}
	}
	return info.GTID, nil
}

// checkGroup compares the bytes that a sync mark vouches for with its CRC32C.
func checkGroup(f io.ReaderAt, m syncMark) error {
	h := crc32.New(castagnoli)
	if _, err := io.Copy(h, io.NewSectionReader(f, m.synced, m.at-m.synced)); err != nil {
		return err
	}
	if h.Sum32() != m.crc {
		return &badError{m.synced, fmt.Errorf("%w: the bytes up to the sync mark at %d", binlog.ErrChecksum, m.at)}
	}
	return nil
}

// markBehind tells whether a sync mark stands anywhere between from and size that
// says that the file had been fsynced beyond from. It relies on nothing that
// stands before a mark, because that may be damaged: a mark names its own offset.
func markBehind(f io.ReaderAt, from, size int64) (bool, error) {
	const largest = binlog.HeaderSize + markBody + binlog.ChecksumSize
	s := &scanner{file: f, limit: size}
	for off := from; off < size; {
		n := int(min(readChunk, size-off))
		b, err := s.bytes(off, n)
		if err != nil {
			return false, err
		}
		for i := 0; i+binlog.HeaderSize+markBody <= n; i++ {
			at := off + int64(i)
			if binary.LittleEndian.Uint64(b[i+binlog.HeaderSize+markAt:]) != uint64(at) {
				continue
			}
			m, ok := candidate(b[i:min(n, i+largest)], f, at)
			if ok && m.synced > from {
				return true, nil
			}
		}
		if off+int64(n) == size {
			break
		}
		off += int64(n - largest + 1)
	}
	return false, nil
}

// candidate returns the sync mark that b begins with. A checksum of its own, or
// else that of its group, must vouch for it.
func candidate(b []byte, f io.ReaderAt, at int64) (syncMark, bool) {
	e := binlog.Event(b)
	if e.Type() != replication.IGNORABLE_EVENT || e.Size() < binlog.HeaderSize || int64(e.Size()) > int64(len(b)) {
		return syncMark{}, false
	}
	e = e[:e.Size()]
	m, ok := parseMark(e, at)
	if !ok {
		return syncMark{}, false
	}
	if len(e) == binlog.HeaderSize+markBody {
		return m, checkGroup(f, m) == nil
	}
	return m, e.VerifyChecksum(binlog.Format{Checksum: true}) == nil
}
