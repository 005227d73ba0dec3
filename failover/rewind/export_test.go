package rewind_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/failover/rewind"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

type exportedLine struct {
	GTID, Label, Kind, Table, Statement string
	Columns                             []string
	Before, After                       []any
}

func readLines(t *testing.T, path string) []exportedLine {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var all []exportedLine
	in := bufio.NewScanner(f)
	in.Buffer(nil, 10<<20)
	for in.Scan() {
		var l exportedLine
		require.NoError(t, json.Unmarshal(in.Bytes(), &l))
		all = append(all, l)
	}
	require.NoError(t, in.Err())
	return all
}

func TestErrantTransactionsAreExported(t *testing.T) {
	p := newPair(t, everything...)
	p.err("UPDATE d.text_key SET n=5, k='a''\\\\b' WHERE k='a'", "DELETE FROM d.types WHERE id=1", "INSERT INTO d.nokey VALUES (NULL,'tab\\there',x'00ff')",
		"CREATE TABLE d.new (id INT)", "SET SESSION binlog_transaction_compression=ON; DELETE FROM d.nokey WHERE a=1; SET SESSION binlog_transaction_compression=OFF",
		"SET SESSION binlog_row_image=MINIMAL; UPDATE d.parts SET v=9 WHERE id=1; SET SESSION binlog_row_image=FULL")
	e := p.read()
	first := e.Transactions()[0].GTID
	files, err := e.Export(func(g gtid.GTID) rewind.Label {
		if g == first {
			return rewind.AcknowledgedAndLost
		}
		return rewind.NeverAcknowledged
	})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(p.dir, "errant"), filepath.Dir(files.Folder))

	lines := readLines(t, files.Rows)
	require.Len(t, lines, 8)
	update := lines[0]
	require.Equal(t, exportedLine{GTID: first.String(), Label: "acknowledged and lost", Kind: "update", Table: "d.text_key",
		Columns: []string{"k", "n"}, Before: []any{"a", 1.0}, After: []any{`a'\b`, 5.0}}, update)
	gone := map[string]any{}
	require.Equal(t, "delete", lines[1].Kind)
	require.Nil(t, lines[1].After)
	for i, column := range lines[1].Columns {
		gone[column] = lines[1].Before[i]
	}
	for column, want := range map[string]any{"id": 1.0, "i": 255.0, "b": "18446744073709551615", "n": "-12345678901234567890.0123456789", "w": "wörld",
		"x": map[string]any{"hex": "6ce474696e"}, "bi": map[string]any{"hex": "6200000000"}, "tt": "tiny", "t": "text", "j": map[string]any{"a": []any{1.0, 2.5, "x"}, "d": nil},
		"da": "2024-02-29", "ti": "-12:34:56.123456", "dt": "2000-01-01 01:02:03.004", "ts": "2020-10-25 00:30:00.000001", "e": "b'c", "st": "x,z",
		"bt": 65537.0, "gv": 2.0, "gs": "v!", "inv": 7.0} {
		require.Equal(t, want, gone[column], column)
	}
	require.Equal(t, "never acknowledged", lines[1].Label)
	require.Equal(t, []any{nil, "tab\there", map[string]any{"hex": "00ff"}}, lines[2].After)
	require.Equal(t, "statement", lines[3].Kind)
	require.Equal(t, "CREATE TABLE d.new (id INT)", lines[3].Statement)
	require.Equal(t, []any{map[string]any{"absent": true}, 9.0}, lines[7].After)

	sql, err := os.ReadFile(files.SQL)
	require.NoError(t, err)
	require.Contains(t, string(sql), first.String()+", acknowledged and lost, committed at 2")
	require.Contains(t, string(sql), "INSERT INTO `d`.`nokey` (`a`, `b`, `l`) VALUES (NULL, 'tab\there', X'00ff');")
	require.Contains(t, string(sql), "WHERE `id` <=> 1 LIMIT 1")

	for _, path := range []string{files.SQL, files.Rows, files.Summary, files.Binlog} {
		at, err := os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, 0o600, at.Mode().Perm(), "rows are nobody else's business")
	}
}

// The exported SQL is to be read first, but it is SQL.
func TestExportedSQLDoesOnACopyWhatTheErrantTransactionsDid(t *testing.T) {
	p := newPair(t, everything...)
	p.err("UPDATE d.types SET t='a\nb\\\\', l=x'00', j='[\"x\\\\u00e9\"]', e='ü', st='y', bt=3, f=0.3, po=NULL, x='ä', w='€\\'', dt=NOW(3) WHERE id=2",
		"DELETE FROM d.types WHERE id=3", "INSERT INTO d.types (id,v,vec,ge,g,c) VALUES (9,'nine',STRING_TO_VECTOR('[1,2,3]'),ST_GeomFromText('POINT(1 1)'),1e-300,'c')",
		"DELETE FROM d.nokey LIMIT 1", "DELETE FROM d.nokey WHERE a IS NULL LIMIT 1", "UPDATE d.uniq SET a=a+1 ORDER BY a DESC", "CREATE TABLE d.new (id INT)", "INSERT INTO d.new VALUES (1)")
	files, err := p.read().Export(never)
	require.NoError(t, err)
	sql, err := os.ReadFile(files.SQL)
	require.NoError(t, err)
	p.copy.MustExec(t, "SET SESSION sql_mode=''; "+string(sql)+"SET SESSION sql_mode=DEFAULT")
	for _, table := range []string{"d.types", "d.nokey", "d.uniq", "d.new"} {
		require.Equal(t, p.old.Rows(t, "SELECT * FROM "+table), p.copy.Rows(t, "SELECT * FROM "+table), table)
	}
}

func TestTheExportedBinlogIsABinlogFile(t *testing.T) {
	p := newPair(t, everything...)
	p.err("UPDATE d.text_key SET n=5 WHERE k='a'", "FLUSH BINARY LOGS", "DELETE FROM d.nokey WHERE a=1")
	files, err := p.read().Export(never)
	require.NoError(t, err)
	var deleted int
	err = replication.NewBinlogParser().ParseFile(files.Binlog, 0, func(e *replication.BinlogEvent) error {
		if rows, ok := e.Event.(*replication.RowsEvent); ok && string(rows.Table.Table) == "nokey" {
			deleted += len(rows.Rows)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, deleted)
	if program := p.old.Installation.Mysqlbinlog; program != "" {
		out, err := exec.CommandContext(t.Context(), program, "-v", "--verify-binlog-checksum", files.Binlog).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, 3, strings.Count(string(out), "### DELETE FROM `d`.`nokey`"))
		require.Contains(t, string(out), "### UPDATE `d`.`text_key`")
	}
}
