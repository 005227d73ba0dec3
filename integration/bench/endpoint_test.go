package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSelectsAreReadFromWhatSysbenchPrints(t *testing.T) {
	s, err := parseSelects(`SQL statistics:
    transactions:                        61234  (20411.33 per sec.)
    queries:                             61234  (20411.33 per sec.)
Latency (ms):
         min:                                    0.04
         avg:                                    0.08
         max:                                    5.11
         99th percentile:                        0.21
`)
	require.NoError(t, err)
	require.InDelta(t, 20411.33, s.rate, 0.001)
	require.InDelta(t, 80e-6, s.mean, 1e-9)
	require.InDelta(t, 210e-6, s.p99, 1e-9)
	_, err = parseSelects("FATAL: unable to connect")
	require.ErrorContains(t, err, "unable to connect")
}
