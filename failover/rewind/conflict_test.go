package rewind_test

import (
	"strings"
	"testing"

	"github.com/batondb/baton/failover/rewind"
	"github.com/stretchr/testify/require"
)

// Each change is so small that only a comparison to the byte sees it.
func TestARowThatSomebodyChangedSinceStopsEverything(t *testing.T) {
	p := newPair(t, everything...)
	p.err("UPDATE d.types SET bt=5 WHERE id=1", "UPDATE d.nokey SET b='X'", "UPDATE d.uniq SET b=7", "INSERT INTO d.text_key VALUES ('k',1)",
		"UPDATE d.parts SET v=50", "DELETE FROM d.parent WHERE id=4", "INSERT INTO d.parts VALUES (77,7)")
	p.fence()
	before := contents(p)
	for _, c := range []struct{ change, back, table, row string }{
		{"UPDATE d.types SET f=0.10000001 WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET g=-1.0000000000000002e300 WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET n=n+0.0000000001 WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET c='CC' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET w='worLd' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET v='v ' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET x='latin' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET bi='B' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET t='Text' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET l=CONCAT(REPEAT('L',69999),'l') WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET j=JSON_SET(j,'$.a[0]','1') WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET ge=ST_GeomFromText('LINESTRING(1 1,0 0)') WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET po=NULL WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET ti='-12:34:56.123457' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET ts='2020-10-25 00:30:00.000002' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET y=1901 WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET st='x' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET e='a' WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET inv=8 WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.types SET vec=STRING_TO_VECTOR('[1,2,4]') WHERE id=1", "", "d.types", "`id`=1"},
		{"UPDATE d.nokey SET b='y' WHERE a=1 LIMIT 1", "", "d.nokey", "`b`='X'"},
		{"UPDATE d.uniq SET b=8 WHERE a=2", "", "d.uniq", "`a`=2"},
		{"UPDATE d.text_key SET k='K' WHERE k='k'", "", "d.text_key", "`k`='k'"},
		{"DELETE FROM d.parts WHERE id=77", "INSERT INTO d.parts VALUES (77,7)", "d.parts", "`id`=77"},
		{"INSERT INTO d.parent VALUES (4,44)", "DELETE FROM d.parent WHERE id=4", "d.parent", "`id`=4"},
	} {
		back := c.back
		if back == "" {
			table := strings.Fields(c.change)[1]
			back = "DELETE FROM " + table + "; INSERT INTO " + table + " (" + columns(p, table) + ") SELECT " + columns(p, table) + " FROM keep_" + strings.ReplaceAll(table, ".", ".") + "; DROP TABLE keep_" + table
			p.unlogged("CREATE DATABASE IF NOT EXISTS keep_d", "CREATE TABLE keep_"+table+" SELECT "+columns(p, table)+" FROM "+table)
		}
		p.unlogged(c.change)
		e, err := rewind.Read(t.Context(), p.deps(), p.errant(), t.TempDir())
		require.NoError(t, err)
		require.True(t, e.Plan().Possible(), e.Plan().Refusals)
		changed := contents(p)
		err = e.Rewind(t.Context(), nil)
		var conflict *rewind.Conflict
		require.ErrorAs(t, err, &conflict, c.change)
		require.Equal(t, c.table, conflict.Table, c.change)
		require.Contains(t, conflict.Row, c.row, c.change)
		require.Equal(t, changed, contents(p), "nothing was changed")
		require.NoError(t, e.Close())
		p.requireFenced()
		p.unlogged(strings.Split(back, "; ")...)
		require.Equal(t, before, contents(p))
	}
	p.unlogged("DROP DATABASE keep_d")
	require.NoError(t, p.read().Rewind(t.Context(), nil))
	p.requireRewound()
}

// unlogged changes the old leader without a trace in its binlog.
func (p *pair) unlogged(statements ...string) {
	p.t.Helper()
	statements = append([]string{"SET GLOBAL super_read_only=OFF"}, statements...)
	statements = append([]string{"SET foreign_key_checks=0"}, statements...)
	require.NoError(p.t, p.old.ExecUnlogged(p.t.Context(), append(statements, "SET GLOBAL super_read_only=ON")...))
}

// columns are those of a table that can be written.
func columns(p *pair, table string) string {
	schema, name, _ := strings.Cut(table, ".")
	return p.old.Value(p.t, "SELECT GROUP_CONCAT(COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=? AND TABLE_NAME=? AND GENERATION_EXPRESSION=''", schema, name)
}

// contents are checksums of all tables of the old leader, and its gtid_executed.
func contents(p *pair) map[string]string {
	all := map[string]string{"gtid_executed": p.old.GTIDExecuted(p.t)}
	for _, row := range p.old.Rows(p.t, "SELECT CONCAT(TABLE_SCHEMA,'.',TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema','keep_d')") {
		all[row[0]] = p.old.Rows(p.t, "CHECKSUM TABLE "+row[0]+" EXTENDED")[0][1]
	}
	return all
}
