package gtid

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is a set of GTIDs without any cleverness.
type model map[GTID]bool

var modelSources = []Source{
	{UUID: UUID{1}}, {UUID: UUID{1}, Tag: "a"}, {UUID: UUID{1}, Tag: "b"}, {UUID: UUID{2}}, {UUID: UUID{2}, Tag: "a"}, {UUID: UUID{3}},
}

func (m model) filter(keep func(GTID) bool) model {
	out := model{}
	for g := range m {
		if keep(g) {
			out[g] = true
		}
	}
	return out
}

func (m model) union(o model) model {
	out := maps.Clone(m)
	maps.Copy(out, o)
	return out
}

func (m model) minus(o model) model { return m.filter(func(g GTID) bool { return !o[g] }) }
func (m model) and(o model) model   { return m.filter(func(g GTID) bool { return o[g] }) }

// requireSame compares all that can be asked of a set.
func requireSame(t *rapid.T, want model, got Set) {
	require.Equal(t, int64(len(want)), got.Count())
	require.Equal(t, len(want) == 0, got.IsEmpty())
	listed := model{}
	var previous Source
	end := int64(0)
	for src, iv := range got.Intervals() {
		if src != previous {
			require.Equal(t, 1, src.Compare(previous), "sources in order")
			previous, end = src, -1
		}
		require.Greater(t, iv.First, end+1, "intervals in order and apart")
		require.LessOrEqual(t, iv.First, iv.Last)
		end = iv.Last
		for seq := iv.First; seq <= iv.Last; seq++ {
			listed[GTID{src, seq}] = true
		}
	}
	require.Equal(t, want, listed)
	for _, src := range modelSources {
		last := int64(0)
		for seq := range int64(45) {
			g := GTID{src, seq}
			require.Equal(t, want[g], got.Contains(g), "%s", g)
			if want[g] {
				last = seq
			}
		}
		require.Equal(t, last, got.Last(src))
	}

	parsed, err := ParseSet(got.String())
	require.NoError(t, err)
	require.True(t, parsed.Equal(got))
	encoded, err := got.MarshalBinary()
	require.NoError(t, err)
	var decoded Set
	require.NoError(t, decoded.UnmarshalBinary(encoded))
	require.True(t, got.Equal(decoded))
	require.Equal(t, got.String(), decoded.String())
}

// pool is a few sets and their models, on which a random history of operations works. All sets are copies of one another, so a
// write to shared memory shows in one of them.
type pool struct {
	sets   [4]Set
	models [4]model
}

func (p *pool) step(t *rapid.T) {
	i, j, k := draw(t, "i"), draw(t, "j"), draw(t, "k")
	src := rapid.SampledFrom(modelSources).Draw(t, "source")
	a, b := p.models[j], p.models[k]
	switch rapid.SampledFrom([]string{"next", "next", "next", "add", "interval", "copy", "addset", "remove", "union", "subtract", "intersect"}).Draw(t, "what") {
	case "next":
		g := GTID{src, p.sets[i].Last(src) + 1}
		if g.Seq > 40 {
			return
		}
		p.sets[i].Add(g)
		p.models[i] = p.models[i].union(model{g: true})
	case "add":
		g := GTID{src, rapid.Int64Range(1, 40).Draw(t, "seq")}
		p.sets[i].Add(g)
		p.models[i] = p.models[i].union(model{g: true})
	case "interval":
		iv := Interval{First: rapid.Int64Range(1, 40).Draw(t, "first")}
		iv.Last = rapid.Int64Range(iv.First, 40).Draw(t, "last")
		p.sets[i].AddInterval(src, iv)
		for seq := iv.First; seq <= iv.Last; seq++ {
			p.models[i] = p.models[i].union(model{GTID{src, seq}: true})
		}
	case "copy":
		p.sets[i], p.models[i] = p.sets[j], a
	case "addset":
		p.sets[i].AddSet(p.sets[j])
		p.models[i] = p.models[i].union(a)
	case "remove":
		p.sets[i].Remove(p.sets[j])
		p.models[i] = p.models[i].minus(a)
	case "union":
		p.sets[i], p.models[i] = p.sets[j].Union(p.sets[k]), a.union(b)
	case "subtract":
		p.sets[i], p.models[i] = p.sets[j].Subtract(p.sets[k]), a.minus(b)
	case "intersect":
		p.sets[i], p.models[i] = p.sets[j].Intersect(p.sets[k]), a.and(b)
	}
}

func draw(t *rapid.T, label string) int { return rapid.IntRange(0, len(pool{}.sets)-1).Draw(t, label) }

func TestSetBehavesAsAPlainListOfGTIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pool{}
		for i := range p.models {
			p.models[i] = model{}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p.step(t)
		}
		for i := range p.sets {
			requireSame(t, p.models[i], p.sets[i])
			for j := range p.sets {
				require.Equal(t, maps.Equal(p.models[i], p.models[j]), p.sets[i].Equal(p.sets[j]))
				require.Equal(t, len(p.models[j].minus(p.models[i])) == 0, p.sets[i].ContainsSet(p.sets[j]))
			}
		}
	})
}

func TestTheOrderOfAdditionsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seqs := rapid.Permutation(slices.Collect(func(yield func(int64) bool) {
			for seq := int64(1); seq <= 50 && yield(seq); seq++ {
			}
		})).Draw(t, "seqs")
		var s Set
		for _, seq := range seqs {
			s.Add(GTID{modelSources[0], seq})
		}
		assert.Equal(t, "01000000-0000-0000-0000-000000000000:1-50", s.String())
	})
}
