package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 2}, spread{3, 2, 4}},
		{[]float64{9, 1, 5}, spread{5, 1, 9}},
		{[]float64{-1, -4, 8, 2}, spread{0.5, -4, 8}},
	} {
		require.Equal(t, c.want, spreadOf(c.values), c.values)
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i) // 1 to 100, backwards
	}
	for _, c := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 50, 0}, {[]float64{7}, 1, 7}, {[]float64{7}, 100, 7},
		{[]float64{2, 1}, 50, 1}, {[]float64{2, 1}, 51, 2},
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 99.5, 100}, {hundred, 100, 100}, {hundred, 29, 29}, {hundred, 57, 57},
	} {
		require.InDelta(t, c.want, percentile(c.values, c.p), 0, "%v %%", c.p)
	}
}

func TestPercentileCoversItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 200).Draw(t, "values")
		p := rapid.Float64Range(0.1, 100).Draw(t, "p")
		got := percentile(values, p)
		below, strictly := 0, 0
		for _, v := range values {
			if v <= got {
				below++
			}
			if v < got {
				strictly++
			}
		}
		share := p / 100 * float64(len(values))
		if float64(below) < share-1e-6 || float64(strictly) > share+1e-6 {
			t.Fatalf("percentile %v of %d values: %d don't exceed it, %d are less", p, len(values), below, strictly)
		}
	})
}
