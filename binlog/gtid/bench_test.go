package gtid

import (
	"fmt"
	"testing"
)

// benchmarkSet has the given number of sources, and of intervals in each.
func benchmarkSet(sources, intervals int) (Set, []Source) {
	c := make(collector)
	var all []Source
	for i := range sources {
		src := Source{UUID: UUID{byte(i), 14: byte(i >> 8)}}
		all = append(all, src)
		for k := range int64(intervals) {
			c.add(src, Interval{k*10 + 1, k*10 + 5})
		}
	}
	return c.set(), all
}

func BenchmarkAdd(b *testing.B) {
	for _, size := range [][2]int{{1, 1}, {10, 3}, {100, 100}} {
		b.Run(fmt.Sprintf("next/sources=%d/intervals=%d", size[0], size[1]), func(b *testing.B) {
			s, sources := benchmarkSet(size[0], size[1])
			g := GTID{Source: sources[len(sources)/2]}
			g.Seq = s.Last(g.Source)
			b.ReportAllocs()
			for b.Loop() {
				g.Seq++
				s.Add(g)
			}
		})
		b.Run(fmt.Sprintf("swapped/sources=%d/intervals=%d", size[0], size[1]), func(b *testing.B) {
			s, sources := benchmarkSet(size[0], size[1])
			g := GTID{Source: sources[len(sources)/2]}
			last := s.Last(g.Source)
			b.ReportAllocs()
			for b.Loop() {
				// 2 1 4 3 6 5 …
				g.Seq++
				s.Add(GTID{g.Source, last + (g.Seq - 1) ^ 1 + 1})
			}
		})
	}
}

func BenchmarkContains(b *testing.B) {
	for _, size := range [][2]int{{1, 1}, {10, 3}, {100, 100}} {
		b.Run(fmt.Sprintf("sources=%d/intervals=%d", size[0], size[1]), func(b *testing.B) {
			s, sources := benchmarkSet(size[0], size[1])
			g := GTID{Source: sources[len(sources)/2], Seq: 3}
			b.ReportAllocs()
			for b.Loop() {
				if !s.Contains(g) {
					b.Fatal("not there")
				}
			}
		})
	}
}

func BenchmarkSubtract(b *testing.B) {
	for _, size := range [][2]int{{1, 1}, {10, 3}, {100, 100}} {
		b.Run(fmt.Sprintf("sources=%d/intervals=%d", size[0], size[1]), func(b *testing.B) {
			s, sources := benchmarkSet(size[0], size[1])
			o := s
			s.Add(GTID{sources[0], s.Last(sources[0]) + 1})
			b.ReportAllocs()
			for b.Loop() {
				if s.Subtract(o).IsEmpty() {
					b.Fatal("nothing left")
				}
			}
		})
	}
}
