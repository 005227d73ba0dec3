package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// chart is horizontal bars in groups, each with its name and its figure as text: nothing is told by colour or length
// alone.
type chart struct {
	title  string
	about  string // what a bar is, and whether long is good
	format string // of a bar's figure
	groups []barGroup
}

type barGroup struct {
	name string // empty where there is only one
	bars []bar
}

type bar struct {
	name  string
	ours  bool // baton's
	value spread
}

// Measures of a chart, in pixels. A line of text is rowHeight high.
const (
	chartWidth = 820
	labelWidth = 300
	valueWidth = 110
	rowHeight  = 20
	barHeight  = 12
	margin     = 16
)

// Both colour schemes have a background of their own, so that the text is readable whichever of them a viewer takes.
const chartStyle = `
  .back { fill: #ffffff; } text { font: 12px system-ui, sans-serif; fill: #1f2328; } .title { font-size: 15px; font-weight: 600; }
  .about { fill: #59636e; } .group { font-weight: 600; } .native { fill: #8c959f; } .baton { fill: #0969da; }
  .range { stroke: #1f2328; stroke-width: 1; } .axis { stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; } text { fill: #f0f6fc; } .about { fill: #9198a1; } .native { fill: #6e7681; } .baton { fill: #4493f8; }
    .range { stroke: #f0f6fc; } .axis { stroke: #3d444d; }
  }
`

// svg renders the chart. A bar's line goes from the least to the most that was measured.
func (c *chart) svg() string {
	longest, height := 0.0, 2*margin+3*rowHeight
	for _, g := range c.groups {
		if g.name != "" {
			height += rowHeight + rowHeight/2
		}
		for _, b := range g.bars {
			longest = max(longest, b.value.max)
			height += rowHeight
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="title about">`+"\n", chartWidth, height)
	fmt.Fprintf(&s, "<title id=\"title\">%s</title>\n<desc id=\"about\">%s</desc>\n<style>%s</style>\n", escape(c.title), escape(c.describe()), chartStyle)
	fmt.Fprintf(&s, `<rect class="back" width="%d" height="%d" rx="6"/>`+"\n", chartWidth, height)
	y := margin + rowHeight - 6
	s.WriteString(textAt(margin, y, "title", c.title))
	y += rowHeight
	s.WriteString(textAt(margin, y, "about", c.about))
	y += rowHeight / 2
	top := y
	for _, g := range c.groups {
		if g.name != "" {
			y += rowHeight + rowHeight/2
			s.WriteString(textAt(margin, y, "group", g.name))
		}
		for _, b := range g.bars {
			y += rowHeight
			s.WriteString(c.row(b, y, longest))
		}
	}
	fmt.Fprintf(&s, `<line class="axis" x1="%d" y1="%d" x2="%[1]d" y2="%d"/>`+"\n</svg>\n", margin+labelWidth, top+rowHeight/2, y+rowHeight/2)
	return s.String()
}

// row is one bar with its texts, on the line of text that ends at y.
func (c *chart) row(b bar, y int, longest float64) string {
	const left, width = margin + labelWidth, chartWidth - 2*margin - labelWidth - valueWidth
	scale := 0.0
	if longest > 0 {
		scale = width / longest
	}
	class := "native"
	if b.ours {
		class = "baton"
	}
	end := float64(left) + max(0, b.value.median)*scale
	var s strings.Builder
	s.WriteString(textAt(margin+8, y, "", b.name))
	fmt.Fprintf(&s, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`+"\n", class, left, y-barHeight+2, end-float64(left), barHeight)
	after := end
	if b.value.max > b.value.min {
		from, to := float64(left)+max(0, b.value.min)*scale, float64(left)+max(0, b.value.max)*scale
		fmt.Fprintf(&s, `<line class="range" x1="%.1f" y1="%d" x2="%.1f" y2="%[2]d"/>`+"\n", from, y-barHeight/2+2, to)
		after = max(end, to)
	}
	s.WriteString(textAt(int(after)+6, y, "", fmt.Sprintf(c.format, b.value.median)))
	return s.String()
}

// describe says in words what the bars say, for those who don't see them.
func (c *chart) describe() string {
	said := c.about + "."
	for _, g := range c.groups {
		var bars []string
		for _, b := range g.bars {
			bars = append(bars, fmt.Sprintf("%s: "+c.format, b.name, b.value.median))
		}
		if g.name != "" {
			said += " " + g.name + ":"
		}
		said += " " + strings.Join(bars, "; ") + "."
	}
	return said
}

func textAt(x, y int, class, text string) string {
	if class != "" {
		class = fmt.Sprintf(` class="%s"`, class)
	}
	return fmt.Sprintf(`<text%s x="%d" y="%d">%s</text>`+"\n", class, x, y, escape(text))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder never fails
	return b.String()
}
