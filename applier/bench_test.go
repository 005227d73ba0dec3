package applier_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/batondb/baton/integration/mysqltest"
	"github.com/stretchr/testify/require"
)

// cpu is how many seconds of CPU a process has used (proc(5): utime and stime, in
// hundredths).
func cpu(b *testing.B, pid string) float64 {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	require.NoError(b, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	var ticks float64
	for _, field := range fields[12:14] {
		n, err := strconv.ParseFloat(field, 64)
		require.NoError(b, err)
		ticks += n
	}
	return ticks / 100
}

// BenchmarkSmallTransactions applies small transactions of independent rows to a
// real follower that doesn't wait for a disk, by 16 sessions. An operation is one
// transaction; the CPU of both sides counts for more than the wall clock of a
// machine that does other things too.
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
	txs := newRelay()
	txs.follow(b, c.Leader)
	own, server := cpu(b, "self"), cpu(b, strconv.Itoa(c.Followers[0].Pid()))
	b.ReportAllocs()
	b.ResetTimer()
	relay.append(txs.txs[len(relay.txs):]...)
	for s.Status().Lag != 0 {
		time.Sleep(5 * time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(1e6*(cpu(b, "self")-own)/float64(b.N), "own-µs/op")
	b.ReportMetric(1e6*(cpu(b, strconv.Itoa(c.Followers[0].Pid()))-server)/float64(b.N), "mysqld-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	mysqltest.AssertSameData(b, c.Leader, c.Followers[0])
}
