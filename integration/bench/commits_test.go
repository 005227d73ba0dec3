package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatSysbenchPrintsIsRead(t *testing.T) {
	const said = `SQL statistics:
    queries performed:
        total:                           7416
    transactions:                        1236   (410.58 per sec.)
    queries:                             7416   (2463.50 per sec.)

Latency (ms):
         min:                                    3.99
         99th percentile:                       24.83
         sum:                                48051.20
`
	transactions, rate, p99, err := parseSysbench(said)
	require.NoError(t, err)
	require.Equal(t, 1236, transactions)
	require.InDelta(t, 410.58, rate, 1e-9)
	require.InDelta(t, 0.02483, p99, 1e-9)
	for _, wrong := range []string{"", "transactions: many", "    transactions:                        1236   (410.58 per sec.)\n"} {
		_, _, _, err := parseSysbench(wrong)
		require.Error(t, err, wrong)
	}
}
