package main

// colour is an ANSI escape sequence (SGR).
type colour string

const (
	plain  colour = ""
	bold   colour = "\x1b[1m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"

	resetColour = "\x1b[0m"
)

// paint colours a text where the output may be coloured.
func (p *program) paint(c colour, text string) string {
	if !p.terminal.colours || c == plain || text == "" {
		return text
	}
	return string(c) + text + resetColour
}
