package applier

import (
	"testing"

	"github.com/batondb/baton/applier/keys"
	"github.com/batondb/baton/applier/schedule"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/stretchr/testify/require"
)

// What waits is judged when its tables are known, and these are asked for when
// nothing that the follower was given may change them.
func TestWhatWaitsIsJudgedWhenItsTablesAreKnown(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Relaxed())
	s.MustExec(t, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1,0)", "INSERT INTO d.t VALUES (2,0)",
		"INSERT INTO d.t VALUES (3,0)", "UPDATE d.t SET v = 1 WHERE id = 2", "DELETE FROM d.t WHERE id = 3",
		"ALTER TABLE d.t COMMENT 'another'", "INSERT INTO d.t VALUES (9,9)")
	name := rowimage.TableName{Schema: "d", Table: "t"}
	table, err := keys.Read(func(query string, row func([]string)) error {
		for _, r := range s.Rows(t, query) {
			row(r)
		}
		return nil
	}, name)
	require.NoError(t, err)

	r := round{Applier: &Applier{}, held: map[schedule.Ticket]held{}}
	var tickets []schedule.Ticket
	all := binlogtest.Read(t, s)
	base := all[0].SequenceNumber
	for _, tx := range all {
		// The worst clock: each after the one before it.
		ticket := r.schedule.Push(schedule.Transaction{LastCommitted: tx.SequenceNumber - 1, SequenceNumber: tx.SequenceNumber, Barrier: runsAlone(tx)})
		tx := *tx
		tx.LastCommitted = tx.SequenceNumber - 1
		r.held[ticket] = held{tx: &tx}
		tickets = append(tickets, ticket)
	}
	after := func() (last []int64) {
		for _, ticket := range tickets[2:] {
			last = append(last, max(0, r.schedule.At(ticket).LastCommitted-base+1))
		}
		return last
	}
	inOrder := []int64{2, 3, 4, 5, 6, 7, 8}
	known := func() result {
		return result{lookup: &lookup{tables: map[rowimage.TableName]*keys.Table{name: table}}}
	}
	r.begin()
	r.tracker.on = true
	require.Equal(t, []schedule.Ticket{tickets[0], tickets[1], tickets[7]}, r.tracker.changes)
	require.Empty(t, r.tracker.unknown, "what comes after a change of tables is judged after it")
	start := func() schedule.Ticket {
		ticket, ok := r.schedule.Start()
		require.True(t, ok)
		return ticket
	}
	start()
	r.done(tickets[0], 0)
	require.Equal(t, tickets[1], start())
	r.lookedUp(known())
	require.Empty(t, r.tracker.tables, "the answer came while a table was being made")
	r.tracker.lookup = &lookup{}
	r.done(tickets[1], 0)
	require.True(t, r.tracker.lookup.stale, "it was asked for before")
	require.Contains(t, r.tracker.unknown, name)
	require.Equal(t, inOrder, after())

	require.Equal(t, tickets[2], start(), "the INSERT of row 1")
	_, ok := r.schedule.Start()
	require.False(t, ok, "the clock lets nothing else start")
	r.lookedUp(known())
	require.Equal(t, []int64{0, 0, 0, 4, 5, 7, 8}, after(), "UPDATE and DELETE depend on their INSERTs; what follows the next change isn't judged")
	require.True(t, r.held[tickets[3]].ahead)
}
