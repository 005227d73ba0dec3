package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLiveStatusIsErasedBeforeAnythingElseIsWritten(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(terminal{out: &out, shows: true, width: func() int { return 8 }})
	s.show([]string{"one", "and a long line"}, "not this")
	s.print("told")
	s.show([]string{"three"}, "")
	s.hide()
	s.hide()
	require.Equal(t, "one\nand a l\n"+
		"\x1b[2A\r\x1b[J"+"told\n"+"one\nand a l\n"+
		"\x1b[2A\r\x1b[J"+"three\n"+
		"\x1b[1A\r\x1b[J", out.String())
}

func TestWithoutATerminalTheStatusIsALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(terminal{out: &out})
	s.show([]string{"not this"}, "first")
	s.show([]string{"nor this"}, "too early")
	s.hide()
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "| first\n")
	require.Equal(t, "plain", s.paint(red, "plain"))
}

func TestALineIsCutToTheTerminal(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"as long as it likes", 0, "as long as it likes"},
		{"fits", 5, "fits"},
		{"fits not", 5, "fits"},
		{"grün-weiß", 6, "grün-"},
		{"\x1b[1mbold\x1b[0m and not", 20, "\x1b[1mbold\x1b[0m and not"},
		{"\x1b[1mbold\x1b[0m and not", 7, "\x1b[1mbold\x1b[0m a"},
		{"\x1b[1mbold\x1b[0m", 3, "\x1b[1mbo\x1b[0m"},
	} {
		require.Equal(t, c.want, cut(c.line, c.width), "%q in %d columns", c.line, c.width)
	}
}
