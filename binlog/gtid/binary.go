package gtid

import (
	"encoding/binary"
	"fmt"
)

// The first eight bytes of the binary form hold the number of sources, and in the uppermost byte the format. In the tagged
// format the lowest byte repeats the format, and the number stands between.
const (
	formatUntagged = 0
	formatTagged   = 1

	headerLength   = 8
	countLength    = 8
	intervalLength = 16
)

// AppendBinary appends the form that COM_BINLOG_DUMP_GTID and Previous_gtids_log_event use: the number of sources, and for each
// its UUID, its tag (only in the tagged format, which is written where a tag is present and read by MySQL 8.3 and later), the
// number of intervals and these, each as its first number and the number after its last, all 8 bytes little-endian. It gives
// an error if a tag is not one that [ParseTag] returns.
//
// Source: Gtid_set::encode in MySQL's sql/rpl_gtid_set.cc, and Previous_gtids_log_event in the server's source documentation.
func (s Set) AppendBinary(b []byte) ([]byte, error) {
	tagged := false
	for i := range s.entries {
		if tag := s.entries[i].src.Tag; tag != "" {
			if normal, err := ParseTag(tag); err != nil || normal != tag {
				return b, fmt.Errorf("encode GTID set: %w tag %s", ErrMalformed, quote(tag))
			}
			tagged = true
		}
	}
	n := uint64(len(s.entries))
	if tagged {
		n = formatTagged<<56 | n<<8 | formatTagged
	}
	b = binary.LittleEndian.AppendUint64(b, n)
	for i := range s.entries {
		e := s.at(i)
		b = append(b, e.src.UUID[:]...)
		if tagged {
			// The server's variable-length integer: below 128 it is one byte, the value shifted left.
			b = append(append(b, byte(len(e.src.Tag)<<1)), e.src.Tag...)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(e.len()))
		for iv := range e.intervals() {
			b = binary.LittleEndian.AppendUint64(b, uint64(iv.First))
			b = binary.LittleEndian.AppendUint64(b, uint64(iv.Last)+1)
		}
	}
	return b, nil
}

// MarshalBinary implements [encoding.BinaryMarshaler]; see [Set.AppendBinary].
func (s Set) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary implements [encoding.BinaryUnmarshaler]: it reads what [Set.AppendBinary] describes, in either format, refuses
// what the server refuses, and keeps nothing of data. After an error s is unchanged.
func (s *Set) UnmarshalBinary(data []byte) error {
	d := decoder{data: data}
	c := make(collector)
	if err := d.set(c); err != nil {
		return fmt.Errorf("decode GTID set of %d bytes: %w", len(data), err)
	}
	*s = c.set()
	return nil
}

// decoder is a cursor over the binary form.
type decoder struct {
	data []byte
	pos  int
}

func (d *decoder) left() int { return len(d.data) - d.pos }

func (d *decoder) fail(format string, args ...any) error {
	return fmt.Errorf("%w at byte %d: %s", ErrMalformed, d.pos, fmt.Sprintf(format, args...))
}

// uint64 reads a number; the caller has made sure that it is there.
func (d *decoder) uint64() uint64 {
	v := binary.LittleEndian.Uint64(d.data[d.pos:])
	d.pos += 8
	return v
}

func (d *decoder) set(c collector) error {
	if d.left() < headerLength {
		return d.fail("no room for the number of sources")
	}
	n := d.uint64()
	tagged := false
	switch format := n >> 56; format {
	case formatUntagged:
	case formatTagged:
		tagged = true
		n = n << 8 >> 16
	default:
		return d.fail("unknown format %d", format)
	}
	for range n {
		if err := d.source(c, tagged); err != nil {
			return err
		}
	}
	if d.left() > 0 {
		return d.fail("%d bytes left over", d.left())
	}
	return nil
}

func (d *decoder) source(c collector, tagged bool) error {
	var src Source
	if d.left() < len(src.UUID) {
		return d.fail("no room for a UUID")
	}
	d.pos += copy(src.UUID[:], d.data[d.pos:])
	if tagged {
		if err := d.tag(&src); err != nil {
			return err
		}
	}
	if d.left() < countLength {
		return d.fail("no room for the number of intervals")
	}
	n := d.uint64()
	if n > uint64(d.left()/intervalLength) {
		return d.fail("%d intervals of %s don't fit into %d bytes", n, src, d.left())
	}
	end := int64(0)
	for range n {
		first := int64(d.uint64())
		next := int64(d.uint64())
		if first <= end || next <= first {
			return d.fail("interval %d to %d of %s after %d", first, next, src, end)
		}
		c.add(src, Interval{first, next - 1})
		end = next
	}
	return nil
}

func (d *decoder) tag(src *Source) error {
	if d.left() < 1 {
		return d.fail("no room for the length of a tag")
	}
	coded := d.data[d.pos]
	n := int(coded >> 1)
	if coded&1 != 0 || n > MaxTagLength {
		return d.fail("tag length byte %#x", coded)
	}
	if d.left() < 1+n {
		return d.fail("no room for a tag of %d bytes", n)
	}
	text := string(d.data[d.pos+1 : d.pos+1+n])
	d.pos += 1 + n
	if n == 0 {
		return nil
	}
	tag, err := ParseTag(text)
	if err != nil || len(tag) != n {
		return d.fail("tag %s", quote(text))
	}
	src.Tag = tag
	return nil
}
