package rewind_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/config"
	"github.com/batondb/baton/failover/rewind"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A pair is an old leader and an instance that holds what it held before its
// errant transactions.
type pair struct {
	t      testing.TB
	old    *mysqltest.Server
	copy   *mysqltest.Server
	common string // gtid_executed of both
	dir    string
}

// newPair starts both with the statements executed, in equal GTIDs.
func newPair(t testing.TB, statements ...string) *pair {
	t.Helper()
	p := &pair{t: t, dir: t.TempDir()}
	p.old = mysqltest.Start(t, mysqltest.Name("old"))
	// What baton asks operators for has to suffice.
	version := mysql.ParseVersion(p.old.Value(t, "SELECT VERSION()"), "")
	require.NoError(t, p.old.ExecUnlogged(t.Context(), "CREATE USER baton IDENTIFIED BY '"+mysqltest.Password+"'", mysql.Grant(version, "baton")))
	p.old.MustExec(t, statements...)
	require.NoError(t, p.old.Stop(t.Context()))
	p.copy = mysqltest.Start(t, mysqltest.Name("copy"), mysqltest.CopyOf(p.old.DataDir))
	require.NoError(t, p.old.Restart(t.Context()))
	p.common = p.copy.GTIDExecuted(t)
	return p
}

// err makes the old leader execute the statements, errant.
func (p *pair) err(statements ...string) { p.old.MustExec(p.t, statements...) }

// fence fences the old leader, as it is when it comes back.
func (p *pair) fence() { p.old.MustExec(p.t, "SET GLOBAL super_read_only=ON") }

func (p *pair) deps() rewind.Deps {
	return rewind.Deps{ServerID: 4711, Target: mysql.Target{
		Name: "old", Address: p.old.Addr(), User: mysqltest.User, Password: config.NewSecret(mysqltest.Password)}}
}

func (p *pair) errant() gtid.Set {
	p.t.Helper()
	all, err := gtid.ParseSet(p.old.GTIDExecuted(p.t))
	require.NoError(p.t, err)
	common, err := gtid.ParseSet(p.common)
	require.NoError(p.t, err)
	return all.Subtract(common)
}

func (p *pair) read() *rewind.Errant {
	p.t.Helper()
	e, err := rewind.Read(p.t.Context(), p.deps(), p.errant(), p.dir)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { require.NoError(p.t, e.Close()) })
	return e
}

// requireFenced makes sure that the old leader lets nobody write.
func (p *pair) requireFenced() {
	p.t.Helper()
	require.Equal(p.t, "1", p.old.Value(p.t, "SELECT @@GLOBAL.super_read_only"))
}

// requireRewound makes sure that the old leader holds what the copy holds, and
// that nothing of the rewind is left there.
func (p *pair) requireRewound() {
	p.t.Helper()
	p.requireFenced()
	mysqltest.AssertSameData(p.t, p.copy, p.old)
	require.Equal(p.t, p.common, p.old.Value(p.t, "SELECT REPLACE(@@GLOBAL.gtid_purged, '\n', '')"))
}

// say collects the steps.
func say(steps *[]string) rewind.Say {
	return func(s rewind.Step, detail string) { *steps = append(*steps, string(s)+": "+detail) }
}

func never(gtid.GTID) rewind.Label { return rewind.NeverAcknowledged }

func values(n int, format string) string {
	var all []string
	for i := range n {
		all = append(all, strings.ReplaceAll(format, "?", fmt.Sprint(i)))
	}
	return strings.Join(all, ",")
}
