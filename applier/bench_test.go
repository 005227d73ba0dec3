package applier_test

import (
	"fmt"
	"testing"

	"github.com/batondb/baton/integration/mysqltest"
)

// BenchmarkSmallTransactions applies small transactions of independent rows to a
// real follower that doesn't wait for a disk, by 16 sessions. An operation is one
// transaction; what the benchmark's process itself uses shows in a CPU profile.
func BenchmarkSmallTransactions(b *testing.B) {
	c := mysqltest.StartCluster(b, 1, mysqltest.Relaxed())
	c.Leader.MustExec(b, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT, s VARCHAR(100))", "CREATE TABLE d.u (id INT PRIMARY KEY, v INT)")
	relay := newRelay()
	relay.follow(b, c.Leader)
	s := start(b, config(c.Followers[0], 16), c.Followers[0], relay)
	s.waitHead()
	const prepared = 64
	for made := 0; made < b.N; made += prepared {
		// Many transactions in one query: the leader isn't what is measured.
		var query string
		for i := made; i < min(made+prepared, b.N); i++ {
			query += fmt.Sprintf("BEGIN; INSERT INTO d.t VALUES (%d, 1, 'some text of a usual length'); INSERT INTO d.u VALUES (%d, 1); COMMIT;", i, i)
		}
		c.Leader.MustExec(b, query)
	}
	b.ReportAllocs()
	b.ResetTimer()
	relay.follow(b, c.Leader)
	s.waitHead()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	mysqltest.AssertSameData(b, c.Leader, c.Followers[0])
}
