package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
)

// blockSize is how many bytes of transactions an entry of the index covers at
// least, but for the last. It bounds what a reader reads needlessly, and makes the
// index about a thousandth of its segment.
const blockSize = 64 << 10

// A block is an entry of a segment's index: a run of whole transactions.
type block struct {
	start, end int64           // offsets in the segment: of the first transaction, and behind the last
	at         binlog.Position // the leader's position before the first
	set        gtid.Set        // their GTIDs
	count      int
}

// addBlock adds a transaction that stands behind all others to an index.
func addBlock(blocks []block, start, end int64, at binlog.Position, g gtid.GTID) []block {
	if n := len(blocks); n == 0 || blocks[n-1].end-blocks[n-1].start >= blockSize {
		blocks = append(blocks, block{start: start, at: at})
	}
	b := &blocks[len(blocks)-1]
	b.end = end
	b.set.Add(g)
	b.count++
	return blocks
}

// An index is what stands beside a sealed segment.
type index struct {
	size   int64  // of the segment
	header uint32 // CRC32C of the segment's header
	blocks []block
}

// errIndex is matched by errors about an index that can't be used.
var errIndex = errors.New("unusable index")

const (
	indexMagic = "batonix\x01"
	// indexFixed is the size of what precedes the blocks: magic, size of the
	// segment, CRC32C of its header, number of blocks.
	indexFixed = 8 + 8 + 4 + 4
	// blockFixed is the size of a block without name and set: start, end, count,
	// length of the file's name, offset in the file, length of the set.
	blockFixed = 8 + 8 + 4 + 2 + 8 + 4
	crcSize    = 4
)

func (x index) encode() ([]byte, error) {
	le := binary.LittleEndian
	b := append([]byte(nil), indexMagic...)
	b = le.AppendUint64(b, uint64(x.size))
	b = le.AppendUint32(b, x.header)
	b = le.AppendUint32(b, uint32(len(x.blocks)))
	for _, bl := range x.blocks {
		set, err := bl.set.MarshalBinary()
		if err != nil {
			return nil, err
		}
		b = le.AppendUint64(b, uint64(bl.start))
		b = le.AppendUint64(b, uint64(bl.end))
		b = le.AppendUint32(b, uint32(bl.count))
		b = le.AppendUint16(b, uint16(len(bl.at.File)))
		b = append(b, bl.at.File...)
		b = le.AppendUint64(b, bl.at.Offset)
		b = le.AppendUint32(b, uint32(len(set)))
		b = append(b, set...)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// parseIndex reads what encode wrote. The error matches errIndex.
func parseIndex(b []byte) (index, error) {
	if len(b) < indexFixed+crcSize || string(b[:len(indexMagic)]) != indexMagic {
		return index{}, fmt.Errorf("%w: %d bytes that don't begin like one", errIndex, len(b))
	}
	end := len(b) - crcSize
	if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return index{}, fmt.Errorf("%w: wrong checksum", errIndex)
	}
	d := indexDecoder{b: b[len(indexMagic):end]}
	x := index{size: d.offset(), header: d.uint32()}
	n := int(d.uint32())
	if n > len(d.b)/blockFixed {
		return index{}, fmt.Errorf("%w: %d blocks in %d bytes", errIndex, n, len(d.b))
	}
	x.blocks = make([]block, 0, n)
	last := int64(0)
	for i := range n {
		bl, err := d.block()
		if err == nil && (bl.start < last || bl.end <= bl.start || bl.end > x.size || bl.count == 0 || bl.set.IsEmpty()) {
			err = errors.New("impossible bounds")
		}
		if err != nil {
			return index{}, fmt.Errorf("%w: block %d: %w", errIndex, i, err)
		}
		last = bl.end
		x.blocks = append(x.blocks, bl)
	}
	if d.short || len(d.b) > 0 {
		return index{}, fmt.Errorf("%w: %d bytes left over", errIndex, len(d.b))
	}
	return x, nil
}

// all is the set of everything that is in the segment.
func (x index) all() (s gtid.Set) {
	for _, b := range x.blocks {
		s.AddSet(b.set)
	}
	return s
}

func (x index) transactions() (n int) {
	for _, b := range x.blocks {
		n += b.count
	}
	return n
}

// An indexDecoder reads numbers; short says that there were too few bytes.
type indexDecoder struct {
	b     []byte
	short bool
}

func (d *indexDecoder) take(n int) []byte {
	if n < 0 || len(d.b) < n {
		d.short, d.b = true, nil
		return nil
	}
	t := d.b[:n]
	d.b = d.b[n:]
	return t
}

func (d *indexDecoder) uint16() uint16 {
	if t := d.take(2); t != nil {
		return binary.LittleEndian.Uint16(t)
	}
	return 0
}

func (d *indexDecoder) uint32() uint32 {
	if t := d.take(4); t != nil {
		return binary.LittleEndian.Uint32(t)
	}
	return 0
}

func (d *indexDecoder) uint64() uint64 {
	if t := d.take(8); t != nil {
		return binary.LittleEndian.Uint64(t)
	}
	return 0
}

// offset reads a number of bytes in a segment; one too large for that counts as short.
func (d *indexDecoder) offset() int64 {
	n := d.uint64()
	if n > math.MaxInt64 {
		d.short = true
		return 0
	}
	return int64(n)
}

func (d *indexDecoder) block() (bl block, err error) {
	bl.start, bl.end, bl.count = d.offset(), d.offset(), int(d.uint32())
	bl.at.File = string(d.take(int(d.uint16())))
	bl.at.Offset = d.uint64()
	set := d.take(int(d.uint32()))
	if d.short {
		return block{}, errors.New("too short")
	}
	return bl, bl.set.UnmarshalBinary(set)
}
