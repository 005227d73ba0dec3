package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// colour is an ANSI escape sequence (SGR).
type colour string

const (
	bold   colour = "\x1b[1m"
	faint  colour = "\x1b[2m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"

	resetColour = "\x1b[0m"
	eraseBelow  = "\x1b[J"
)

// terminal is where the demo is shown.
type terminal struct {
	out     io.Writer
	shows   bool // can move its cursor
	colours bool
	width   func() int // columns; 0 when unknown
}

func (t terminal) paint(c colour, text string) string {
	if !t.colours || c == "" || text == "" {
		return text
	}
	return string(c) + text + resetColour
}

// plainInterval is the time between two lines of the live status where it can't be redrawn.
const plainInterval = 3 * time.Second

// screen is the story, told line by line, and below it a live status: on a terminal a few lines redrawn in place,
// elsewhere a line every few seconds. Its methods may be used by several goroutines.
type screen struct {
	terminal
	begun time.Time

	mu        sync.Mutex
	live      []string  // what stands below the story
	lastPlain time.Time // when the status was last written as a line
}

func newScreen(t terminal) *screen { return &screen{terminal: t, begun: time.Now()} }

// say tells the next step of the story, with its time since the start.
func (s *screen) say(format string, args ...any) {
	at := fmt.Sprintf("%5.1f s  ", time.Since(s.begun).Seconds())
	indent := "\n" + strings.Repeat(" ", len(at))
	s.print(s.paint(faint, at) + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", indent))
}

// print writes lines above the live status.
func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, s.erasure()+text+"\n"+s.drawing())
}

// show replaces the live status. The line says the same where nothing can be redrawn.
func (s *screen) show(lines []string, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shows {
		if time.Since(s.lastPlain) >= plainInterval {
			s.lastPlain = time.Now()
			fmt.Fprintf(s.out, "%5.1f s  | %s\n", time.Since(s.begun).Seconds(), line)
		}
		return
	}
	erasure := s.erasure()
	width := s.width()
	s.live = s.live[:0]
	for _, l := range lines {
		s.live = append(s.live, cut(l, width))
	}
	fmt.Fprint(s.out, erasure+s.drawing())
}

// hide takes the live status away.
func (s *screen) hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, s.erasure())
	s.live, s.lastPlain = nil, time.Time{}
}

// erasure goes back to where the live status begins and erases it.
func (s *screen) erasure() string {
	if len(s.live) == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r%s", len(s.live), eraseBelow)
}

func (s *screen) drawing() string {
	var b strings.Builder
	for _, l := range s.live {
		b.WriteString(l + "\n")
	}
	return b.String()
}

// cut shortens a line to the width of the terminal, for what wraps can't be erased by counting lines. Escape sequences
// take no room.
func cut(line string, width int) string {
	if width <= 0 {
		return line
	}
	var b strings.Builder
	room, coloured := width-1, false
	for i := 0; i < len(line); {
		if line[i] == '\x1b' {
			end := i + strings.IndexByte(line[i:], 'm') + 1
			if end <= i {
				break
			}
			b.WriteString(line[i:end])
			coloured = line[i:end] != resetColour
			i = end
			continue
		}
		if room--; room < 0 {
			if coloured {
				b.WriteString(resetColour)
			}
			break
		}
		_, size := utf8.DecodeRuneInString(line[i:])
		b.WriteString(line[i : i+size])
		i += size
	}
	return b.String()
}
