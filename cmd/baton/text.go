package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable replaces what would move a terminal's cursor or change its colours:
// error messages of a server can hold any data.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case !unicode.IsGraphic(r) || r == utf8.RuneError:
			return '?'
		}
		return r
	}, s)
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// wrap breaks s at spaces into lines of at most width letters where that is
// possible: a word is never broken, so that a GTID or a path can be copied. The
// first line begins with first, the others with rest.
func wrap(s, first, rest string, width int) string {
	var b strings.Builder
	b.WriteString(first)
	at := utf8.RuneCountInString(first)
	begun := false
	for _, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case begun && at+1+n > width:
			b.WriteString("\n" + rest)
			at = utf8.RuneCountInString(rest)
		case begun:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
		begun = true
	}
	return b.String() + "\n"
}

// cell is s padded to width letters, on the left where right is set. What is
// longer ends in "…".
func cell(s string, width int, right bool) string {
	n := utf8.RuneCountInString(s)
	if n > width {
		letters := []rune(s)
		return string(letters[:width-1]) + "…"
	}
	padding := strings.Repeat(" ", width-n)
	if right {
		return padding + s
	}
	return s + padding
}
