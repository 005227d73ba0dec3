package gtid

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// whiteSpace is what C's isspace accepts, and so the server.
const whiteSpace = " \t\n\v\f\r"

// ParseSet reads a GTID set as the server does (GTID_SUBSET, gtid_purged, CHANGE REPLICATION SOURCE): white space and line
// breaks, empty parts between commas, UUIDs and tags in either case, sources in any order and more than once, intervals in any
// order and overlapping, intervals that end before they begin (these are empty), numbers in decimal, 0x hexadecimal and 0 octal.
//
// A tag applies to the intervals after it, up to the next tag or the end of that UUID's part: "uuid:1-3:tag:4-5:7" is
// uuid:1-3 and uuid:tag:4-5:7. A leading plus sign belongs to gtid_purged, not to the set, and is refused.
func ParseSet(s string) (Set, error) {
	p := parser{text: s}
	c := make(collector)
	for {
		for p.skipSpace(); p.accept(','); p.skipSpace() {
		}
		if p.done() {
			return c.set(), nil
		}
		if err := p.part(c); err != nil {
			return Set{}, err
		}
		if !p.done() && !p.at(',') {
			return Set{}, p.fail("GTID set", "a colon, a comma or the end")
		}
	}
}

// MustParseSet is [ParseSet] for tests and constants: it panics where ParseSet gives an error. Never call it on input.
func MustParseSet(s string) Set {
	set, err := ParseSet(s)
	if err != nil {
		panic(err)
	}
	return set
}

// part reads one UUID with its tags and intervals.
func (p *parser) part(c collector) error {
	var src Source
	if !p.uuid(&src.UUID) {
		return p.fail("GTID set", "a UUID")
	}
	p.skipSpace()
	for p.accept(':') {
		if tag, ok := p.tag(); ok {
			src.Tag = tag
			continue
		}
		first, ok := p.seq()
		if !ok || first == 0 {
			return p.fail("GTID set", "a tag or a sequence number of 1 to 9223372036854775806")
		}
		last := first
		p.skipSpace()
		if p.accept('-') {
			if last, ok = p.seq(); !ok {
				return p.fail("GTID set", "the end of an interval, at most 9223372036854775806")
			}
			p.skipSpace()
		}
		if first <= last {
			c.add(src, Interval{first, last})
		}
	}
	return nil
}

// parser is a cursor over a text.
type parser struct {
	text string
	pos  int
}

func (p *parser) rest() string   { return p.text[p.pos:] }
func (p *parser) done() bool     { return p.pos == len(p.text) }
func (p *parser) at(c byte) bool { return !p.done() && p.text[p.pos] == c }

func (p *parser) accept(c byte) bool {
	if !p.at(c) {
		return false
	}
	p.pos++
	return true
}

func (p *parser) skipSpace() {
	for !p.done() && strings.IndexByte(whiteSpace, p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) uuid(u *UUID) bool {
	if len(p.rest()) < uuidTextLength || !u.decode(p.rest()) {
		return false
	}
	p.pos += uuidTextLength
	return true
}

// tag reads what stands before the next colon, comma or end if it is a tag, or else moves nothing. White space alone counts as
// the empty tag: the server returns to untagged intervals there.
func (p *parser) tag() (string, bool) {
	begin := p.pos
	p.skipSpace()
	tag := p.rest()[:tagLength(p.rest())]
	p.pos += len(tag)
	p.skipSpace()
	if p.pos == begin || !p.done() && !p.at(':') && !p.at(',') {
		p.pos = begin
		return "", false
	}
	return strings.ToLower(tag), true
}

// seq reads a sequence number as C's strtoll with base 0 does, which is what the server calls: no digits at all are 0.
func (p *parser) seq() (int64, bool) {
	begin := p.pos
	p.skipSpace()
	negative := p.at('-')
	if negative || p.at('+') {
		p.pos++
	}
	base, digits := uint64(10), p.rest()
	if len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' && digitValue(digits[2]) < 16 {
		base = 16
		p.pos += 2
	} else if strings.HasPrefix(digits, "0") {
		base = 8
	}
	value, any := uint64(0), false
	for ; !p.done() && digitValue(p.text[p.pos]) < base; p.pos++ {
		any = true
		if value <= math.MaxInt64 {
			// Above that the number is refused anyway, and one more digit could overflow.
			if value > math.MaxInt64/base {
				value = math.MaxInt64 + 1
			} else {
				value = value*base + digitValue(p.text[p.pos])
			}
		}
	}
	if !any {
		p.pos = begin
		return 0, true
	}
	if value > MaxSeq || negative && value > 0 {
		p.pos = begin
		return 0, false
	}
	return int64(value), true
}

func digitValue(c byte) uint64 {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return math.MaxUint64
}

func (p *parser) fail(what, expected string) error {
	found := "the end"
	if !p.done() {
		found = quote(p.rest())
	}
	return fmt.Errorf("%w %s %s: at byte %d expected %s, found %s", ErrMalformed, what, quote(p.text), p.pos, expected, found)
}

// quote shortens what may be megabytes of somebody's input to what fits a line.
func quote(s string) string {
	const most = 60
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(s[:most]) + "…"
}
