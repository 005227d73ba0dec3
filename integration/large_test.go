package integration_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

var largeTransaction = flag.Int("large", 96<<20, "bytes of the transaction of TestTransactionLargerThanMemory")

// A transaction takes the daemon a bounded amount of memory, however large it is: it goes to the relay and to the follower
// a piece at a time. -large sets its size.
func TestTransactionLargerThanMemory(t *testing.T) {
	const row, rows = 60_000, 100 // what one INSERT adds
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed(), mysqltest.Setting("innodb_buffer_pool_size", "256M"))
	b := startBaton(t, c.Servers())
	runOn(t, c.Leader, "CREATE DATABASE l", "CREATE TABLE l.t (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)",
		"CREATE TABLE l.n (a INT PRIMARY KEY)", "INSERT INTO l.n WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n WHERE a < "+strconv.Itoa(rows)+") SELECT a FROM n")
	mysqltest.WaitGTID(t, c.Followers[0], c.Leader.GTIDExecuted(t), patience)
	before := peakMemory(t, b.pid())

	// A third of it are inserted rows, and two thirds the images of one statement that updates them all.
	statements := []string{"BEGIN"}
	for written := 0; written < *largeTransaction/3; written += row * rows {
		statements = append(statements, fmt.Sprintf("INSERT INTO l.t (b) SELECT REPEAT(CHAR(a), %d) FROM l.n", row))
	}
	runOn(t, c.Leader, append(statements, "UPDATE l.t SET b = CONCAT(b, '.')", "COMMIT")...)
	within := patience + time.Duration(*largeTransaction>>20)*time.Second/2 // a slow disk takes 2 MiB a second
	b.waitFor("the follower has it", within, func() (bool, string) {
		s := b.waitStatus("anything", func(state) bool { return true })
		return s.instance("db2").Executed == c.Leader.GTIDExecuted(t), s.instance("db2").Error
	})
	mysqltest.AssertSameData(t, c.Leader, c.Followers[0])

	segments, err := filepath.Glob(filepath.Join(b.stateDir, "relay", "relay.*[0-9]"))
	require.NoError(t, err)
	largest := int64(0)
	for _, path := range segments {
		of, err := os.Stat(path)
		require.NoError(t, err)
		largest = max(largest, of.Size())
	}
	require.Greater(t, largest, int64(*largeTransaction), "it is one transaction, so that it is in one segment")
	grown := peakMemory(t, b.pid()) - before
	t.Logf("a transaction of %d MiB took the daemon %d MiB more than the %d MiB that it had", largest>>20, grown>>20, before>>20)
	require.Less(t, grown, int64(80<<20))
}

// peakMemory is the most memory in bytes that a process has had (VmHWM).
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			require.NoError(t, err)
			return kib << 10
		}
	}
	t.Fatal("there is no VmHWM")
	return 0
}
