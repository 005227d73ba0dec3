// Package gtid is the algebra of MySQL's global transaction identifiers: single GTIDs, sets of them, their text and their binary
// form, tags (MySQL 8.3 and later) included.
//
// It promises that a [Set] is a value: a copy made by plain assignment never changes when the original does, may be kept and may
// be read by another goroutine. It reads whatever text the server reads and writes the text and the bytes that the server
// writes. Input that is wrong gives an error and needs memory in proportion to its length, never to the numbers in it.
//
// Source: MySQL Reference Manual, "GTID Format and Storage" and "Functions Used with Global Transaction Identifiers (GTIDs)".
package gtid

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	// MaxSeq is the highest sequence number that a transaction may have; the lowest is 1.
	MaxSeq = math.MaxInt64 - 1
	// MaxTagLength is the length of the longest tag, in bytes.
	MaxTagLength = 32
)

// ErrMalformed is wrapped by every error about a text or an encoding that the server would not accept either.
var ErrMalformed = errors.New("malformed")

// UUID is the server_uuid (or group name) under which transactions are numbered.
type UUID [16]byte

// ParseUUID reads a UUID as the server does: 36 characters with hyphens, which may stand in braces, or 32 without, in either case.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if n := u.decode(s); n == 0 || n != len(s) {
		return UUID{}, fmt.Errorf("%w UUID %s", ErrMalformed, quote(s))
	}
	return u, nil
}

// decode reads the UUID at the beginning of s and returns its length there, 0 if there is none.
func (u *UUID) decode(s string) int {
	if strings.HasPrefix(s, "{") {
		if n := u.decodeDigits(s[1:], true); n > 0 && strings.HasPrefix(s[1+n:], "}") {
			return n + 2
		}
		return 0
	}
	// The ninth character tells the two forms apart.
	return u.decodeDigits(s, len(s) > 8 && s[8] == '-')
}

func (u *UUID) decodeDigits(s string, hyphens bool) int {
	pos := 0
	for i := range u {
		if hyphens && (i == 4 || i == 6 || i == 8 || i == 10) {
			if pos >= len(s) || s[pos] != '-' {
				return 0
			}
			pos++
		}
		if pos+2 > len(s) {
			return 0
		}
		high, low := hexDigit(s[pos]), hexDigit(s[pos+1])
		if high > 15 || low > 15 {
			return 0
		}
		u[i] = high<<4 | low
		pos += 2
	}
	return pos
}

// hexDigit returns the value of a digit, and more than 15 for what is none.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return math.MaxUint8
}

// String returns the 36-character form in lower case.
func (u UUID) String() string { return string(u.append(nil)) }

func (u UUID) append(b []byte) []byte {
	b = hex.AppendEncode(b, u[:4])
	for _, section := range [...][]byte{u[4:6], u[6:8], u[8:10], u[10:]} {
		b = hex.AppendEncode(append(b, '-'), section)
	}
	return b
}

// IsZero reports whether all bytes are zero, which no server's UUID is.
func (u UUID) IsZero() bool { return u == UUID{} }

// AppendText implements [encoding.TextAppender].
func (u UUID) AppendText(b []byte) ([]byte, error) { return u.append(b), nil }

// MarshalText implements [encoding.TextMarshaler].
func (u UUID) MarshalText() ([]byte, error) { return u.append(nil), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (u *UUID) UnmarshalText(text []byte) error {
	parsed, err := ParseUUID(string(text))
	if err == nil {
		*u = parsed
	}
	return err
}

// Source is what numbers transactions: a UUID, or a UUID and a tag. It is comparable.
type Source struct {
	UUID UUID
	// Tag is empty or a tag in the form that [ParseTag] returns.
	Tag string
}

// String returns "uuid" or "uuid:tag".
func (s Source) String() string { return string(s.append(nil)) }

func (s Source) append(b []byte) []byte {
	b = s.UUID.append(b)
	if s.Tag != "" {
		b = append(append(b, ':'), s.Tag...)
	}
	return b
}

// Compare orders sources as the server prints them: by UUID, then by tag, no tag first.
func (s Source) Compare(o Source) int {
	return cmp.Or(bytes.Compare(s.UUID[:], o.UUID[:]), strings.Compare(s.Tag, o.Tag))
}

// ParseTag reads a tag as the server does: white space around it is dropped and letters become lower case. A tag has one to
// [MaxTagLength] letters, digits and underscores and begins with no digit.
func ParseTag(s string) (string, error) {
	trimmed := strings.Trim(s, whiteSpace)
	if n := tagLength(trimmed); n == 0 || n != len(trimmed) {
		return "", fmt.Errorf("%w tag %s", ErrMalformed, quote(s))
	}
	return strings.ToLower(trimmed), nil
}

// tagLength returns how many bytes at the beginning of s can be a tag.
func tagLength(s string) int {
	n := 0
	for n < len(s) && n < MaxTagLength && isTagByte(s[n], n) {
		n++
	}
	return n
}

func isTagByte(c byte, at int) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' && at > 0
}

// GTID names one transaction. It is comparable. The zero value names none.
type GTID struct {
	Source Source
	// Seq is the sequence number, 1 to [MaxSeq].
	Seq int64
}

// Parse reads "uuid:7" or "uuid:tag:7", white space around the parts allowed.
func Parse(s string) (GTID, error) {
	var g GTID
	p := parser{text: s}
	p.skipSpace()
	if !p.uuid(&g.Source.UUID) {
		return GTID{}, p.fail("GTID", "a UUID")
	}
	p.skipSpace()
	if !p.accept(':') {
		return GTID{}, p.fail("GTID", "a colon")
	}
	if tag, ok := p.tag(); ok {
		g.Source.Tag = tag
		if !p.accept(':') {
			return GTID{}, p.fail("GTID", "a colon")
		}
	}
	seq, ok := p.seq()
	if !ok || seq == 0 {
		return GTID{}, p.fail("GTID", seqRange)
	}
	g.Seq = seq
	p.skipSpace()
	if !p.done() {
		return GTID{}, p.fail("GTID", "nothing more")
	}
	return g, nil
}

// IsZero reports whether g is the zero value.
func (g GTID) IsZero() bool { return g == GTID{} }

// String returns "uuid:7" or "uuid:tag:7", and the empty string for the zero value.
func (g GTID) String() string { return string(g.append(nil)) }

func (g GTID) append(b []byte) []byte {
	if g.IsZero() {
		return b
	}
	return strconv.AppendInt(append(g.Source.append(b), ':'), g.Seq, 10)
}

// AppendText implements [encoding.TextAppender].
func (g GTID) AppendText(b []byte) ([]byte, error) { return g.append(b), nil }

// MarshalText implements [encoding.TextMarshaler]; the zero value is an empty text.
func (g GTID) MarshalText() ([]byte, error) { return g.append([]byte{}), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (g *GTID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*g = GTID{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err == nil {
		*g = parsed
	}
	return err
}
