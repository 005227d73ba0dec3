package main

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheChartOfCatchingUp(t *testing.T) {
	golden(t, "catch-up.svg", example().charts()["catch-up"].svg())
}

func TestEachPartHasItsChart(t *testing.T) {
	require.ElementsMatch(t, []string{"catch-up", "cpu", "latency", "commits", "fan-out"}, slices.Collect(maps.Keys(example().charts())))
	require.Empty(t, (&Report{}).charts())
}

// Every bar of every chart is drawn inside of it, to scale, with its name and figure as text.
func TestChartsAreWellFormedAndToScale(t *testing.T) {
	for name, c := range example().charts() {
		text := c.svg()
		var lengths []float64
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, name)
			e, ok := token.(xml.StartElement)
			if !ok || e.Name.Local != "rect" || attribute(e, "class") == "back" {
				continue
			}
			x, err := strconv.ParseFloat(attribute(e, "x"), 64)
			require.NoError(t, err)
			width, err := strconv.ParseFloat(attribute(e, "width"), 64)
			require.NoError(t, err)
			require.LessOrEqual(t, x+width, float64(chartWidth-margin-valueWidth), name)
			lengths = append(lengths, width)
		}
		var medians []float64
		for _, g := range c.groups {
			for _, b := range g.bars {
				medians = append(medians, b.value.median)
				require.Contains(t, text, ">"+escape(b.name)+"<", name)
			}
		}
		require.Len(t, lengths, len(medians), name)
		for i := range lengths {
			require.InDelta(t, medians[i]/medians[0], lengths[i]/lengths[0], 0.01, name)
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func TestWhatABarIsCalledIsEscaped(t *testing.T) {
	c := &chart{title: "a < b & c", about: "x", format: "%.0f", groups: []barGroup{{bars: []bar{{name: `<script>"`}}}}}
	require.NotContains(t, c.svg(), "<script>")
	require.Contains(t, c.svg(), "a &lt; b &amp; c")
}
