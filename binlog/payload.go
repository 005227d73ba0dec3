package binlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"
)

// Fields of a Transaction_payload_event: each a type and a length, both
// length-encoded integers, and a value; an end mark stands before the payload.
const (
	payloadEnd               = 0
	payloadCompressionField  = 2
	payloadUncompressedField = 3

	payloadZstd         = 0
	payloadUncompressed = 255
)

// maxEventSize bounds the size in bytes of an event in a payload: MySQL's own
// limit of max_allowed_packet, 1 GiB, and room for the rest of the event.
const maxEventSize = 1<<30 + 1<<20

// maxWindow bounds the memory in bytes that unpacking takes besides the event:
// the window of zstd's highest level, 22.
const maxWindow = 1 << 27

// Unwrap yields the events inside a Transaction_payload_event (a compressed
// transaction) written in format f, one at a time. They carry no checksums: the
// Format to read them with is f.WithoutChecksum(). Each is valid until the next
// is asked for. The error wraps ErrMalformed.
func Unwrap(e Event, f Format) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r, err := openPayload(e, f)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.Close()
		var buf bytes.Buffer
		for {
			inner, err := readInner(r, &buf)
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && inner.Type() == replication.TRANSACTION_PAYLOAD_EVENT {
				inner, err = nil, fmt.Errorf("%w: a payload in a payload", ErrMalformed)
			}
			if !yield(inner, err) || err != nil {
				return
			}
		}
	}
}

func openPayload(e Event, f Format) (io.ReadCloser, error) {
	if e.Type() != replication.TRANSACTION_PAYLOAD_EVENT {
		return nil, fmt.Errorf("%w: expected a Transaction_payload_event, found a %s", ErrMalformed, e.Type())
	}
	body, err := e.Body(f)
	if err != nil {
		return nil, err
	}
	compression, stated := uint64(payloadUncompressed), int64(math.MaxInt64)
	for {
		field, rest, ok := lengthEncoded(body)
		if !ok {
			return nil, fmt.Errorf("%w: a Transaction_payload_event without an end of its fields", ErrMalformed)
		}
		if field == payloadEnd {
			body = rest
			break
		}
		size, rest, ok := lengthEncoded(rest)
		if !ok || size > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: field %d of a Transaction_payload_event is cut off", ErrMalformed, field)
		}
		value, _, ok := lengthEncoded(rest[:size])
		switch {
		case field == payloadCompressionField && ok:
			compression = value
		case field == payloadUncompressedField && ok && value < math.MaxInt64:
			stated = int64(value)
		case field == payloadCompressionField, field == payloadUncompressedField:
			return nil, fmt.Errorf("%w: field %d of a Transaction_payload_event can't be read", ErrMalformed, field)
		}
		body = rest[size:]
	}
	switch compression {
	case payloadUncompressed:
		return io.NopCloser(bytes.NewReader(body)), nil
	case payloadZstd:
		d, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("open compressed transaction: %w", err)
		}
		return &unpacker{d.IOReadCloser(), stated}, nil
	}
	return nil, fmt.Errorf("%w: compression %d of a Transaction_payload_event is not known", ErrMalformed, compression)
}

// An unpacker gives no more bytes than the event says that there are.
type unpacker struct {
	io.ReadCloser
	left int64
}

func (u *unpacker) Read(b []byte) (int, error) {
	n, err := u.ReadCloser.Read(b)
	if u.left -= int64(n); u.left < 0 {
		return 0, fmt.Errorf("%w: a payload is larger than its event says", ErrMalformed)
	}
	return n, err
}

// readInner reads one event into buf. io.EOF means that there is no more.
func readInner(r io.Reader, buf *bytes.Buffer) (Event, error) {
	buf.Reset()
	if _, err := io.CopyN(buf, r, HeaderSize); err != nil {
		if errors.Is(err, io.EOF) && buf.Len() == 0 {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("%w: a payload ends inside a header: %w", ErrMalformed, noEOF(err))
	}
	size := int64(Event(buf.Bytes()).Size())
	if size < HeaderSize || size > maxEventSize {
		return nil, fmt.Errorf("%w: an event of %d bytes in a payload", ErrMalformed, size)
	}
	if _, err := io.CopyN(buf, r, size-HeaderSize); err != nil {
		return nil, fmt.Errorf("%w: a payload ends inside an event: %w", ErrMalformed, noEOF(err))
	}
	return Event(buf.Bytes()), nil
}

// noEOF keeps an early end from being taken for the regular one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lengthEncoded reads MySQL's length-encoded integer from the start of b and
// returns what follows it.
func lengthEncoded(b []byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	size := 0
	switch b[0] {
	case 0xfc:
		size = 2
	case 0xfd:
		size = 3
	case 0xfe:
		size = 8
	case 0xfb, 0xff:
		return 0, nil, false
	default:
		return uint64(b[0]), b[1:], true
	}
	if len(b) < 1+size {
		return 0, nil, false
	}
	var wide [8]byte
	copy(wide[:], b[1:1+size])
	return binary.LittleEndian.Uint64(wide[:]), b[1+size:], true
}
