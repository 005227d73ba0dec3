package main

import (
	"math"
	"slices"
)

// spread is what several measurements of one thing come to.
type spread struct {
	median, min, max float64
}

// spreadOf is all zeros without values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return spread{median: median, min: sorted[0], max: sorted[len(sorted)-1]}
}

// percentile is the smallest of the values that at least p percent of them don't exceed (nearest rank); 0 without
// values. p is more than 0 and at most 100.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	// The product of percent and count may lie a rounding error above a whole number.
	rank := int(math.Ceil(p*float64(len(sorted))/100 - 1e-9))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
