package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// Each transaction of a load has a GTID, so none of them changes nothing, and none is two.
func TestALoadIsAsManyTransactionsAsItIsAskedFor(t *testing.T) {
	leader := mysqltest.Start(t, mysqltest.Relaxed())
	require.NoError(t, createTables(t.Context(), leader))
	count := func() int {
		set, err := executed(t.Context(), leader)
		require.NoError(t, err)
		return int(set.Count())
	}
	for name, transactions := range map[string]int{
		"hot": 50, "wide": 50, "large": 60, "tables": 700, "bulk": 3,
		"ddl": 14 * ddlEvery, // each change of the table, and the first ones again
	} {
		before := count()
		require.NoError(t, loadNamed(name).write(t.Context(), leader, transactions, 16), name)
		require.Equal(t, transactions, count()-before, name)
	}
}

func TestLoadsAreSizedByOneFlag(t *testing.T) {
	for _, l := range loads() {
		require.Equal(t, 1, l.count(1), l.name)
		require.Equal(t, 30000/l.share, l.count(30000), l.name)
	}
	require.Equal(t, 30000, loadNamed("oltp").count(30000))
}
