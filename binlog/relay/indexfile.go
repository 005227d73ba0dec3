package relay

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/internal/logkey"
	"go.uber.org/zap"
)

// indexSlack is how much larger than its segment an index may be, in bytes: that
// of a segment with little in it but tagged GTIDs.
const indexSlack = 1 << 20

// writeIndex puts an index beside its segment. It isn't fsynced: what a crash
// leaves of it is found out by its checksum.
func (r *Relay) writeIndex(seg *segment, f File, x index) error {
	var err error
	if x.header, err = headerCRC(f, seg); err != nil {
		return err
	}
	b, err := x.encode()
	if err != nil {
		return err
	}
	out, err := r.fs.Create(indexPath(seg.path))
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = out.WriteAt(b, 0)
	return err
}

// loadIndex reads the index beside a segment of the given size, and checks that
// it belongs to it.
func (r *Relay) loadIndex(seg *segment, f io.ReaderAt, size int64) (index, error) {
	b, err := r.readFile(indexPath(seg.path), size+indexSlack)
	if err != nil {
		return index{}, err
	}
	x, err := parseIndex(b)
	if err != nil {
		return index{}, err
	}
	if x.size != size || len(x.blocks) > 0 && x.blocks[0].start < seg.headerSize {
		return index{}, fmt.Errorf("%w: it is of a segment of %d bytes, this one has %d", errIndex, x.size, size)
	}
	header, err := headerCRC(f, seg)
	if err == nil && header != x.header {
		err = fmt.Errorf("%w: it is of another segment", errIndex)
	}
	return x, err
}

func headerCRC(f io.ReaderAt, seg *segment) (uint32, error) {
	h := crc32.New(castagnoli)
	_, err := io.Copy(h, io.NewSectionReader(f, 0, seg.headerSize))
	return h.Sum32(), err
}

// rebuildIndex makes a sealed segment's index from the segment, given the set
// that must be there at its end. The error is a DamageError if it is not.
func (r *Relay) rebuildIndex(seg *segment, f File, end gtid.Set) (index, error) {
	wanted := end.Subtract(seg.prev)
	res, err := scanSegment(f, seg, &wanted)
	if err != nil {
		return index{}, damaged(seg.path, err)
	}
	if missing := wanted.Subtract(res.all()); !missing.IsEmpty() || !end.ContainsSet(seg.prev) {
		why := fmt.Errorf("%w: %s should be in it", binlog.ErrMalformed, missing)
		if !end.ContainsSet(seg.prev) {
			why = fmt.Errorf("%w: its Previous_gtids have %s, the next segment's have not", binlog.ErrMalformed, seg.prev.Subtract(end))
		}
		if res.bad != nil {
			return index{}, damaged(seg.path, &badError{res.bad.offset, fmt.Errorf("%w (%w)", res.bad.err, why)})
		}
		return index{}, damaged(seg.path, &badError{res.good, why})
	}
	x := index{size: res.good, blocks: res.blocks}
	r.log.Info("made a relay segment's index again", zap.String(logkey.Segment, seg.path), zap.Int(logkey.Count, res.transactions))
	if err := r.writeIndex(seg, f, x); err != nil {
		r.log.Warn("could not write a relay segment's index", zap.String(logkey.Segment, seg.path), zap.Error(err))
	}
	return x, nil
}
