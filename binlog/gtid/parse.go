package gtid

import (
	"fmt"
	"strconv"
	"strings"
)

// whiteSpace is what C's isspace accepts, and so the server.
const whiteSpace = " \t\n\v\f\r"

// What a sequence number and the end of an interval must be, for error messages.
const (
	seqRange    = "a sequence number of 1 to 9223372036854775806 without leading zeros"
	seqEndRange = "at most 9223372036854775806 without leading zeros"
)

// ParseSet reads a GTID set as the server's GTID_SUBTRACT and GTID_SUBSET do: white space and line breaks, empty parts between
// commas, UUIDs and tags in either case, UUIDs with hyphens, without, or with hyphens in braces, sources in any order and more
// than once, intervals in any order and overlapping, and intervals that end before they begin, which are empty.
//
// A tag applies to the intervals after it, up to the next tag or the end of that UUID's part: "uuid:1-3:tag:4-5:7" is
// uuid:1-3 and uuid:tag:4-5:7. A leading plus sign belongs to gtid_purged, not to the set, and is refused.
//
// Servers don't agree on everything, nor does one with itself: older ones, and 9.7 in gtid_purged and gtid_next, take 010 for 8
// and 0x10 for 16, while GTID_SUBTRACT of 9.7 takes 010 for 10. A number with a leading zero is therefore refused here, as is
// what only the older reader takes: signs, an interval without an end, white space for a tag. No server writes any of these.
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
			return p.fail("GTID set", "a tag or "+seqRange)
		}
		last := first
		p.skipSpace()
		if p.accept('-') {
			if last, ok = p.seq(); !ok {
				return p.fail("GTID set", "the end of an interval, "+seqEndRange)
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
	n := u.decode(p.rest())
	p.pos += n
	return n > 0
}

// tag reads what stands between a colon and the next colon, comma or end if it is a tag, or else moves nothing.
func (p *parser) tag() (string, bool) {
	begin := p.pos
	p.skipSpace()
	tag := p.rest()[:tagLength(p.rest())]
	p.pos += len(tag)
	p.skipSpace()
	if tag == "" || !p.done() && !p.at(':') && !p.at(',') {
		p.pos = begin
		return "", false
	}
	return strings.ToLower(tag), true
}

// seq reads a number of at most MaxSeq, or else moves nothing but past white space.
func (p *parser) seq() (int64, bool) {
	p.skipSpace()
	rest := p.rest()
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	value, err := strconv.ParseInt(rest[:n], 10, 64)
	if err != nil || value > MaxSeq || n > 1 && rest[0] == '0' {
		return 0, false
	}
	p.pos += n
	return value, true
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
