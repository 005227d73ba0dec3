package binlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/go-mysql-org/go-mysql/replication"
)

// EventType is the type byte of an event's header.
type EventType = replication.EventType

// Sizes and offsets of the event header (binlog version 4) and of the parts
// around it, in bytes.
const (
	// HeaderSize is the size of the header that starts every event.
	HeaderSize = 19
	// ChecksumSize is the size of the CRC32 that ends every event of a stream
	// whose Format says so.
	ChecksumSize = 4

	typeOffset   = 4
	serverOffset = 5
	sizeOffset   = 9
	posOffset    = 13
	flagsOffset  = 17
)

// Header flags that baton looks at (LOG_EVENT_*_F in MySQL's log_event.h).
const (
	// flagInUse marks the Format_description_event of a file that is open for
	// writing. It is set and cleared in place, so that the event's checksum
	// leaves it out.
	flagInUse uint16 = 0x01
	// FlagSuppressUse marks a statement that doesn't depend on a default
	// database and may name one that isn't there, such as CREATE DATABASE.
	FlagSuppressUse uint16 = 0x08
	// FlagArtificial marks an event that the server made up for the stream and
	// that stands in no binlog file.
	FlagArtificial uint16 = 0x20
	// FlagIgnorable marks an event that a reader that doesn't know its type may
	// leave out.
	FlagIgnorable uint16 = 0x80
)

// ErrMalformed is returned, wrapped with what is wrong, for bytes that are not
// what they claim to be.
var ErrMalformed = errors.New("malformed binlog event")

// ErrChecksum is returned when the CRC32 of an event doesn't fit its bytes: the
// event was damaged on its way or on disk.
var ErrChecksum = errors.New("binlog event checksum mismatch")

// An Event is the bytes of one binlog event: header, body and, when the Format
// it was written in says so, a CRC32. It is never modified once made; whoever
// needs other bytes makes a copy. Its methods may be called only on what
// [CheckEvent] has passed.
type Event []byte

// CheckEvent returns raw as an Event if it has a whole header and the size in
// that header is the size of raw. Otherwise the error wraps ErrMalformed.
func CheckEvent(raw []byte) (Event, error) {
	if len(raw) < HeaderSize {
		return nil, fmt.Errorf("%w: %d bytes are less than a header", ErrMalformed, len(raw))
	}
	e := Event(raw)
	if int64(e.Size()) != int64(len(raw)) {
		return nil, fmt.Errorf("%w: the header of the %s says %d bytes, there are %d", ErrMalformed, e.Type(), e.Size(), len(raw))
	}
	return e, nil
}

// Timestamp is when the statement began on the server that first executed it,
// in seconds since 1970; 0 in artificial events.
func (e Event) Timestamp() uint32 { return binary.LittleEndian.Uint32(e) }

// Type is the event's type.
func (e Event) Type() EventType { return EventType(e[typeOffset]) }

// ServerID is the server_id of the server that first executed the event.
func (e Event) ServerID() uint32 { return binary.LittleEndian.Uint32(e[serverOffset:]) }

// Size is the size in bytes that the header states.
func (e Event) Size() uint32 { return binary.LittleEndian.Uint32(e[sizeOffset:]) }

// LogPos is the offset of the event's end in the leader's binlog file, modulo
// 2^32, so that it can't order events; 0 in artificial events.
func (e Event) LogPos() uint32 { return binary.LittleEndian.Uint32(e[posOffset:]) }

// Flags are the header's flags.
func (e Event) Flags() uint16 { return binary.LittleEndian.Uint16(e[flagsOffset:]) }

// Body is what stands between the header and the checksum, if f has one.
// The error wraps ErrMalformed when the event is too short for a checksum.
func (e Event) Body(f Format) ([]byte, error) {
	end := len(e)
	if f.Checksum {
		end -= ChecksumSize
	}
	if end < HeaderSize {
		return nil, fmt.Errorf("%w: the %s is too short for a checksum", ErrMalformed, e.Type())
	}
	return e[HeaderSize:end], nil
}

// VerifyChecksum compares the CRC32 at the event's end with its bytes. It
// returns nil where f has no checksums. The error wraps ErrChecksum or
// ErrMalformed.
func (e Event) VerifyChecksum(f Format) error {
	if !f.Checksum {
		return nil
	}
	if len(e) < HeaderSize+ChecksumSize {
		return fmt.Errorf("%w: the %s is too short for a checksum", ErrMalformed, e.Type())
	}
	end := len(e) - ChecksumSize
	want := binary.LittleEndian.Uint32(e[end:])
	if got := e.checksum(end); got != want {
		return fmt.Errorf("%w: %s of %d bytes ending at %d: stored %08x, computed %08x",
			ErrChecksum, e.Type(), len(e), e.LogPos(), want, got)
	}
	return nil
}

// checksum computes the CRC32 of the first end bytes.
func (e Event) checksum(end int) uint32 {
	if e.Type() != replication.FORMAT_DESCRIPTION_EVENT || e.Flags()&flagInUse == 0 {
		return crc32.ChecksumIEEE(e[:end])
	}
	closed := bytes.Clone(e[:end])
	binary.LittleEndian.PutUint16(closed[flagsOffset:], e.Flags()&^flagInUse)
	return crc32.ChecksumIEEE(closed)
}

// NewEvent makes an event of the given type and body, with a checksum where f
// has one. server is its server_id, pos its LogPos.
func NewEvent(f Format, typ EventType, timestamp, server, pos uint32, flags uint16, body []byte) Event {
	size := HeaderSize + len(body)
	if f.Checksum {
		size += ChecksumSize
	}
	e := make(Event, HeaderSize, size)
	binary.LittleEndian.PutUint32(e, timestamp)
	e[typeOffset] = byte(typ)
	binary.LittleEndian.PutUint32(e[serverOffset:], server)
	binary.LittleEndian.PutUint32(e[sizeOffset:], uint32(size))
	binary.LittleEndian.PutUint32(e[posOffset:], pos)
	binary.LittleEndian.PutUint16(e[flagsOffset:], flags)
	e = append(e, body...)
	if f.Checksum {
		e = binary.LittleEndian.AppendUint32(e, crc32.ChecksumIEEE(e))
	}
	return e
}
