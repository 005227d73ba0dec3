package session

import "bytes"

// Bits of sql_mode that decide how a statement is read (MODE_* in MySQL's
// system_variables.h).
const (
	modeANSIQuotes         = 1 << 2
	modeNoBackslashEscapes = 1 << 20
)

// A token is a word, a character that is none, or something in quotes, of a
// statement.
type token struct {
	begin, end int
	text       string // a word in upper case, or the character; empty for what is in quotes
}

// is tells whether the token at i is that word or character.
func is(tokens []token, i int, text string) bool { return i < len(tokens) && tokens[i].text == text }

// scan finds the tokens of a statement, without comments and spaces. What stands
// in a comment that MySQL runs counts.
func scan(statement []byte, sqlMode uint64) []token {
	var tokens []token
	for at := 0; at < len(statement); {
		rest := statement[at:]
		size, text := 1, ""
		switch c := rest[0]; {
		case c <= ' ':
			at++
			continue
		case bytes.HasPrefix(rest, []byte("/*!")):
			at += 3 + digits(rest[3:])
			continue
		case bytes.HasPrefix(rest, []byte("/*")):
			at += upTo(rest, 2, "*/")
			continue
		case bytes.HasPrefix(rest, []byte("*/")):
			at += 2
			continue
		case c == '#', bytes.HasPrefix(rest, []byte("--")) && (len(rest) == 2 || rest[2] <= ' '):
			at += upTo(rest, 1, "\n")
			continue
		case c == '\'' || c == '"' || c == '`':
			name := c == '`' || c == '"' && sqlMode&modeANSIQuotes != 0
			size = quoted(rest, !name && sqlMode&modeNoBackslashEscapes == 0)
		case inWord(c):
			for size < len(rest) && inWord(rest[size]) {
				size++
			}
			text = string(bytes.ToUpper(rest[:size]))
		default:
			text = string(c)
		}
		tokens = append(tokens, token{at, at + size, text})
		at += size
	}
	return tokens
}

// upTo is the length of what ends with that text, or of all.
func upTo(b []byte, from int, end string) int {
	i := bytes.Index(b[from:], []byte(end))
	if i < 0 {
		return len(b)
	}
	return from + i + len(end)
}

// quoted is the length of what begins with a quote, quotes included. A doubled
// quote reads as the beginning of another text, which is as good here.
func quoted(b []byte, backslash bool) int {
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '\\' && backslash:
			i++
		case b[i] == b[0]:
			return i + 1
		}
	}
	return len(b)
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// inWord tells whether c may stand in a word; every byte of a character beyond
// ASCII may.
func inWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}
