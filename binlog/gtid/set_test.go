package gtid

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	u1 = "00000000-0000-0000-0000-000000000001"
	u2 = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	u3 = "ffffffff-ffff-ffff-ffff-ffffffffffff"
)

func mustParse(t testing.TB, s string) GTID {
	t.Helper()
	g, err := Parse(s)
	require.NoError(t, err)
	return g
}

func TestSetAlgebra(t *testing.T) {
	cases := []struct {
		name, a, b                      string
		union, aMinusB, bMinusA, common string
	}{
		{name: "both empty"},
		{name: "one empty", a: u1 + ":1-5", union: u1 + ":1-5", aMinusB: u1 + ":1-5"},
		{name: "equal", a: u1 + ":1-5:7", b: u1 + ":1-5:7", union: u1 + ":1-5:7", common: u1 + ":1-5:7"},
		{name: "touching", a: u1 + ":1-5", b: u1 + ":6-9", union: u1 + ":1-9", aMinusB: u1 + ":1-5", bMinusA: u1 + ":6-9"},
		{name: "overlapping", a: u1 + ":1-5", b: u1 + ":4-9", union: u1 + ":1-9", aMinusB: u1 + ":1-3", bMinusA: u1 + ":6-9", common: u1 + ":4-5"},
		{name: "inside", a: u1 + ":1-9", b: u1 + ":3-4:6", union: u1 + ":1-9", aMinusB: u1 + ":1-2:5:7-9", common: u1 + ":3-4:6"},
		{name: "one cut by many and many by one", a: u1 + ":1:3:5:7-20", b: u1 + ":2-8:10:12-30", union: u1 + ":1-30", aMinusB: u1 + ":1:9:11", bMinusA: u1 + ":2:4:6:21-30", common: u1 + ":3:5:7-8:10:12-20"},
		{
			name: "tags are sources of their own",
			a:    u1 + ":1-5:blue:1-3", b: u1 + ":blue:2:green:1," + u2 + ":1",
			union:   u1 + ":1-5:blue:1-3:green:1," + u2 + ":1",
			aMinusB: u1 + ":1-5:blue:1:3", bMinusA: u1 + ":green:1," + u2 + ":1", common: u1 + ":blue:2",
		},
		{
			name: "up to the highest number",
			a:    u1 + ":1-9223372036854775806", b: u1 + ":9223372036854775806",
			union: u1 + ":1-9223372036854775806", aMinusB: u1 + ":1-9223372036854775805", common: u1 + ":9223372036854775806",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, b := MustParseSet(c.a), MustParseSet(c.b)
			assert.Equal(t, c.union, a.Union(b).String())
			assert.Equal(t, c.union, b.Union(a).String())
			assert.Equal(t, c.aMinusB, a.Subtract(b).String())
			assert.Equal(t, c.bMinusA, b.Subtract(a).String())
			assert.Equal(t, c.common, a.Intersect(b).String())
			assert.Equal(t, c.common, b.Intersect(a).String())
			assert.Equal(t, c.aMinusB == "", b.ContainsSet(a))
			assert.Equal(t, c.bMinusA == "", a.ContainsSet(b))
			assert.Equal(t, c.a == c.b, a.Equal(b))
			assert.Equal(t, c.a == "", a.IsEmpty())

			added := a
			added.AddSet(b)
			assert.Equal(t, c.union, added.String())
			removed := a
			removed.Remove(b)
			assert.Equal(t, c.aMinusB, removed.String())
			assert.Equal(t, c.a, a.String(), "operations leave their inputs alone")
			assert.Equal(t, c.b, b.String(), "operations leave their inputs alone")
		})
	}
}

func TestACopyNeverChangesWithTheOriginal(t *testing.T) {
	var a Set
	var snapshots []Set
	var texts []string
	sources := []Source{
		{UUID: UUID{1}}, {UUID: UUID{1}, Tag: "blue"}, {UUID: UUID{2}}, {UUID: UUID{3}}, {UUID: UUID{4}}, {UUID: UUID{5}},
	}
	for seq := range int64(30) {
		for i, src := range sources {
			// The last source commits out of order and leaves gaps.
			next := seq + 1
			if i == len(sources)-1 {
				next = seq*7%30 + 1
			}
			snapshots, texts = append(snapshots, a), append(texts, a.String())
			fork := a
			fork.Add(GTID{src, next + 100})
			a.Add(GTID{src, next})
			assert.False(t, a.Contains(GTID{src, next + 100}))
			assert.True(t, fork.Contains(GTID{src, next + 100}))
		}
	}
	for i := range snapshots {
		assert.Equal(t, texts[i], snapshots[i].String())
	}
	assert.Equal(t, int64(30*len(sources)), a.Count())
}

func TestAddOfTheNextTransactionDoesNotAllocate(t *testing.T) {
	s := MustParseSet(u1 + ":1-5:9:blue:1," + u2 + ":1-2:4," + u3 + ":1")
	var next [4]GTID
	for i, text := range []string{u1 + ":10", u1 + ":blue:2", u2 + ":5", u3 + ":2"} {
		next[i] = mustParse(t, text)
	}
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		for i := range next {
			s.Add(next[i])
			next[i].Seq++
		}
	}))
	assert.Equal(t, u1+":1-5:9-1010:blue:1-1002,"+u2+":1-2:4-1005,"+u3+":1-1002", s.String())
}

func TestAddIgnoresWhatNamesNoTransaction(t *testing.T) {
	s := MustParseSet(u1 + ":1-5")
	src := mustParse(t, u1+":1").Source
	s.Add(GTID{})
	s.Add(GTID{src, 0})
	s.Add(GTID{src, -1})
	s.Add(GTID{src, math.MaxInt64})
	s.AddInterval(src, Interval{9, 8})
	assert.Equal(t, u1+":1-5", s.String())
	s.Add(GTID{src, MaxSeq})
	assert.Equal(t, u1+":1-5:9223372036854775806", s.String())
}

func TestQuestions(t *testing.T) {
	s := MustParseSet(u1 + ":2-5:9:blue:1-3," + u2 + ":1")
	blue := Source{mustParse(t, u1+":1").Source.UUID, "blue"}
	assert.Equal(t, int64(9), s.Last(mustParse(t, u1+":1").Source))
	assert.Equal(t, int64(3), s.Last(blue))
	assert.Zero(t, s.Last(mustParse(t, u3+":1").Source))
	assert.Equal(t, int64(9), s.Count())
	for text, want := range map[string]bool{
		u1 + ":1": false, u1 + ":2": true, u1 + ":5": true, u1 + ":6": false, u1 + ":9": true, u1 + ":10": false,
		u1 + ":blue:3": true, u1 + ":blue:4": false, u1 + ":red:1": false, u2 + ":1": true, u3 + ":1": false,
	} {
		assert.Equal(t, want, s.Contains(mustParse(t, text)), text)
	}
	assert.False(t, s.Contains(GTID{}))
	assert.Equal(t, int64(math.MaxInt64), MustParseSet(u1+":1-9223372036854775806,"+u2+":1-9").Count())

	var seen []string
	for src, iv := range s.Intervals() {
		seen = append(seen, GTID{src, iv.First}.String(), GTID{src, iv.Last}.String())
	}
	assert.Equal(t, []string{u1 + ":2", u1 + ":5", u1 + ":9", u1 + ":9", u1 + ":blue:1", u1 + ":blue:3", u2 + ":1", u2 + ":1"}, seen)
}

func TestJSON(t *testing.T) {
	type document struct {
		Set  Set
		One  GTID
		None GTID
		UUID UUID
	}
	in := document{Set: MustParseSet(u1 + ":1-5:blue:7"), One: mustParse(t, u2+":blue:4"), UUID: mustParse(t, u2+":1").Source.UUID}
	text, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Set":"`+u1+`:1-5:blue:7","One":"`+u2+`:blue:4","None":"","UUID":"`+u2+`"}`, string(text))
	var out document
	require.NoError(t, json.Unmarshal(text, &out))
	assert.Equal(t, in, out)
	assert.Error(t, json.Unmarshal([]byte(`{"Set":"x"}`), &out))
	assert.Error(t, json.Unmarshal([]byte(`{"One":"x"}`), &out))
	assert.Error(t, json.Unmarshal([]byte(`{"UUID":"x"}`), &out))
	assert.Equal(t, in, out, "an error leaves the value alone")
}
