package applier

import (
	"testing"

	"github.com/batondb/baton/applier/keys"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/stretchr/testify/require"
)

// What came before the first transaction that is looked at may be anything: no
// later one passes it. What changes tables makes all that is known of them, and
// what is just being asked for, worth nothing.
func TestTrackerBeginsWithNothing(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Relaxed())
	s.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1,0)", "INSERT INTO d.t VALUES (2,0)",
		"INSERT INTO d.t VALUES (3,0)", "UPDATE d.t SET v = 1 WHERE id = 3")
	clock := func(tx *binlog.Transaction) schedule.Transaction {
		// The worst one: each after the one before it.
		return schedule.Transaction{LastCommitted: tx.SequenceNumber - 1, SequenceNumber: tx.SequenceNumber}
	}
	name := rowimage.TableName{Schema: "d", Table: "t"}
	read := func() *keys.Table {
		table, err := keys.Read(func(query string, row func([]string)) error {
			for _, r := range s.Rows(t, query) {
				row(r)
			}
			return nil
		}, name)
		require.NoError(t, err)
		return table
	}
	before := read()
	s.MustExec(t, "DROP TABLE d.t", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
	all := binlogtest.Read(t, s)

	var tr tracker
	first := all[2]
	tr.begin(2, first.SequenceNumber)
	tr.tables[name] = before
	var last []int64
	for i, tx := range all[3:] {
		l, rows := tr.lastCommitted(tx, clock(tx))
		last = append(last, l-first.SequenceNumber)
		require.Equal(t, i != 3 && i != 4, rows, "whether it may change tables: %d", i)
	}
	require.Equal(t, []int64{0, 0, 2, 3, 4, 5}, last, "the INSERTs depend on the first, the UPDATE on its INSERT, all after that on a change of tables")

	tr.lookup = &lookup{}
	tr.forget(7)
	require.Nil(t, tr.table(name))
	require.Contains(t, tr.unknown, name)
	require.True(t, tr.lookup.stale)
	require.Equal(t, schedule.Ticket(7), tr.changing)
	r := round{Applier: &Applier{}, tracker: tr}
	r.lookedUp(result{lookup: &lookup{stale: true, tables: map[rowimage.TableName]*keys.Table{name: read()}}})
	require.Nil(t, r.tracker.table(name), "it was asked for before the change")
}
