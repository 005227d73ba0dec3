package binlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/go-mysql-org/go-mysql/replication"
)

// Offsets in the body of a Format_description_event (binlog version 4):
// version, server version, creation time, header length, then the
// post-header length of each event type, and last the checksum algorithm.
const (
	formatVersionOffset = 0
	formatServerOffset  = 2
	formatServerSize    = 50
	formatCreatedOffset = formatServerOffset + formatServerSize
	formatMinBody       = formatCreatedOffset + 4 + 1

	binlogVersion    = 4
	checksumNone     = 0
	checksumCRC32    = 1
	formatTailLength = 1 + ChecksumSize
)

// A Format is what a Format_description_event says of the events after it.
type Format struct {
	// Checksum tells whether a CRC32 ends every event.
	Checksum bool
	// ServerVersion is the version of the server that wrote the events, such as
	// "9.7.4".
	ServerVersion string
	// Event is the Format_description_event itself.
	Event Event
}

// ParseFormat reads a Format_description_event of binlog version 4 from a
// server that knows checksums (MySQL 5.6.1 and later). It verifies the event's
// own checksum. The error wraps ErrMalformed or ErrChecksum.
func ParseFormat(e Event) (Format, error) {
	if e.Type() != replication.FORMAT_DESCRIPTION_EVENT {
		return Format{}, fmt.Errorf("%w: expected a Format_description_event, found a %s", ErrMalformed, e.Type())
	}
	if len(e) < HeaderSize+formatMinBody+formatTailLength {
		return Format{}, fmt.Errorf("%w: a Format_description_event of %d bytes is too short", ErrMalformed, len(e))
	}
	body := e[HeaderSize:]
	if v := binary.LittleEndian.Uint16(body[formatVersionOffset:]); v != binlogVersion {
		return Format{}, fmt.Errorf("%w: binlog version %d, only %d is known", ErrMalformed, v, binlogVersion)
	}
	f := Format{Event: e}
	server := body[formatServerOffset : formatServerOffset+formatServerSize]
	if n := bytes.IndexByte(server, 0); n >= 0 {
		server = server[:n]
	}
	f.ServerVersion = string(server)
	switch alg := e[len(e)-formatTailLength]; alg {
	case checksumNone:
	case checksumCRC32:
		f.Checksum = true
	default:
		return Format{}, fmt.Errorf("%w: checksum algorithm %d is not known", ErrMalformed, alg)
	}
	if err := e.VerifyChecksum(f); err != nil {
		return Format{}, err
	}
	return f, nil
}

// SameAs tells whether events written in f and in o can stand in one file:
// whether their Format_description_events say the same, apart from when and
// where they were written.
func (f Format) SameAs(o Format) bool {
	if len(f.Event) != len(o.Event) || f.Checksum != o.Checksum || len(f.Event) == 0 {
		return false
	}
	const afterCreated = HeaderSize + formatCreatedOffset + 4
	end := len(f.Event) - ChecksumSize
	return bytes.Equal(f.Event[HeaderSize:HeaderSize+formatCreatedOffset], o.Event[HeaderSize:HeaderSize+formatCreatedOffset]) &&
		bytes.Equal(f.Event[afterCreated:end], o.Event[afterCreated:end])
}

// WithoutChecksum returns the format of the same events with their checksums
// taken off, as [Event.AppendWithoutChecksum] does.
func (f Format) WithoutChecksum() Format {
	e := bytes.Clone(f.Event)
	e[len(e)-formatTailLength] = checksumNone
	end := len(e) - ChecksumSize
	// The Format_description_event keeps its own checksum field whatever the
	// algorithm (WL#2540), so its size stays.
	binary.LittleEndian.PutUint32(e[end:], crc32.ChecksumIEEE(e[:end]))
	return Format{ServerVersion: f.ServerVersion, Event: e}
}

// AppendWithoutChecksum appends to dst the event without the checksum that f
// says it has, its header's size corrected.
func (e Event) AppendWithoutChecksum(dst []byte, f Format) []byte {
	if !f.Checksum {
		return append(dst, e...)
	}
	start, end := len(dst), len(e)-ChecksumSize
	dst = append(dst, e[:end]...)
	binary.LittleEndian.PutUint32(dst[start+sizeOffset:], uint32(end))
	return dst
}
