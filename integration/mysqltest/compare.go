package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Comparison is what servers that hold the same data hold.
type Comparison struct {
	Tables int
	Rows   int64
	GTIDs  string // gtid_executed
}

// AssertSameData fails the test unless all servers hold what the first one holds; see CompareData. Writes and
// replication must have come to rest.
func AssertSameData(t testing.TB, servers ...*Server) {
	t.Helper()
	if _, err := CompareData(t.Context(), servers...); err != nil {
		t.Error(err)
	}
}

// CompareData compares each server with the first: the definitions of all tables, views, triggers, routines and events
// outside MySQL's own schemas; the rows of every table, whether it has a key or not, by count and CHECKSUM TABLE; and
// gtid_executed. The error names the first difference, and for a table the rows that only one side has.
//
// Left out is what may rightly differ: accounts, the next AUTO_INCREMENT value, whether an event is disabled on
// replicas, and, of followers that were applied to in batches, the schema baton and its table progress.
func CompareData(ctx context.Context, servers ...*Server) (Comparison, error) {
	var first *snapshot
	for i, s := range servers {
		snap, err := takeSnapshot(ctx, s)
		if err != nil {
			return Comparison{}, fmt.Errorf("look at the data of %s: %w", s.Name, err)
		}
		if i == 0 {
			first = snap
			continue
		}
		if err := first.compare(ctx, snap); err != nil {
			return Comparison{}, err
		}
	}
	if first == nil {
		return Comparison{}, errors.New("compare data: no servers given")
	}
	c := Comparison{Tables: len(first.tables), GTIDs: first.gtids}
	for _, content := range first.tables {
		c.Rows += content.rows
	}
	return c, nil
}

// snapshot is what one server holds.
type snapshot struct {
	server      *Server
	gtids       string
	definitions map[string]string  // by kind and name, for instance "TABLE `d`.`t`"
	tables      map[string]content // by quoted name
}

type content struct {
	rows     int64
	checksum string
}

// Schemas that are MySQL's own.
const systemSchemas = "('mysql', 'sys', 'information_schema', 'performance_schema')"

var objectQueries = []struct {
	query     string // gives kind, schema, name
	statement int    // column of SHOW CREATE that holds the statement
}{
	{`SELECT IF(table_type = 'VIEW', 'VIEW', 'TABLE'), table_schema, table_name FROM information_schema.tables
		WHERE table_schema NOT IN ` + systemSchemas + ` AND NOT (table_schema = 'baton' AND table_name = 'progress')`, 1},
	{"SELECT 'TRIGGER', trigger_schema, trigger_name FROM information_schema.triggers WHERE trigger_schema NOT IN " + systemSchemas, 2},
	{"SELECT routine_type, routine_schema, routine_name FROM information_schema.routines WHERE routine_schema NOT IN " + systemSchemas, 2},
	{"SELECT 'EVENT', event_schema, event_name FROM information_schema.events WHERE event_schema NOT IN " + systemSchemas, 3},
	{"SELECT 'DATABASE', schema_name, '' FROM information_schema.schemata WHERE schema_name <> 'baton' AND schema_name NOT IN " + systemSchemas, 1},
}

func takeSnapshot(ctx context.Context, s *Server) (*snapshot, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	snap := &snapshot{server: s, definitions: map[string]string{}, tables: map[string]content{}}
	rows, err := textRows(ctx, conn, "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')")
	if err != nil {
		return nil, err
	}
	snap.gtids = rows[0][0]
	for _, objects := range objectQueries {
		found, err := textRows(ctx, conn, objects.query)
		if err != nil {
			return nil, err
		}
		for _, object := range found {
			if err := snap.addObject(ctx, conn, object[0], object[1], object[2], objects.statement); err != nil {
				return nil, err
			}
		}
	}
	return snap, nil
}

// What SHOW CREATE prints beyond the definition.
var (
	nextAutoIncrement = regexp.MustCompile(` AUTO_INCREMENT=\d+`)
	eventStatus       = regexp.MustCompile(` (ENABLE|DISABLE ON (REPLICA|SLAVE))\b`)
)

func (snap *snapshot) addObject(ctx context.Context, conn *sql.Conn, kind, schema, name string, column int) error {
	quoted := quote(schema)
	if kind != "DATABASE" {
		quoted += "." + quote(name)
	}
	shown, err := textRows(ctx, conn, "SHOW CREATE "+kind+" "+quoted)
	if err != nil {
		return err
	}
	statement := shown[0][column]
	switch kind {
	case "TABLE":
		statement = nextAutoIncrement.ReplaceAllString(statement, "")
		if snap.tables[quoted], err = readContent(ctx, conn, quoted); err != nil {
			return err
		}
	case "EVENT":
		statement = eventStatus.ReplaceAllString(statement, "")
	}
	snap.definitions[kind+" "+quoted] = statement
	return nil
}

func readContent(ctx context.Context, conn *sql.Conn, table string) (content, error) {
	counted, err := textRows(ctx, conn, "SELECT COUNT(*) FROM "+table)
	if err != nil {
		return content{}, err
	}
	rows, err := strconv.ParseInt(counted[0][0], 10, 64)
	if err != nil {
		return content{}, err
	}
	summed, err := textRows(ctx, conn, "CHECKSUM TABLE "+table+" EXTENDED")
	if err != nil {
		return content{}, err
	}
	if summed[0][1] == "NULL" {
		return content{}, fmt.Errorf("CHECKSUM TABLE %s gives NULL: the table cannot be read", table)
	}
	return content{rows: rows, checksum: summed[0][1]}, nil
}

// compare says where the other differs from the snapshot; nil if nowhere.
func (snap *snapshot) compare(ctx context.Context, other *snapshot) error {
	here, there := snap.server.Name, other.server.Name
	names := slices.Sorted(maps.Keys(snap.definitions))
	for _, name := range names {
		definition, ok := other.definitions[name]
		if !ok {
			return fmt.Errorf("%s has no %s, which %s has", there, name, here)
		}
		if definition != snap.definitions[name] {
			return fmt.Errorf("%s differs:\n  on %s: %s\n  on %s: %s", name, here, snap.definitions[name], there, definition)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(other.definitions)) {
		if _, ok := snap.definitions[name]; !ok {
			return fmt.Errorf("%s has %s, which %s has not", there, name, here)
		}
	}
	for _, table := range slices.Sorted(maps.Keys(snap.tables)) {
		a, b := snap.tables[table], other.tables[table]
		if a != b {
			return fmt.Errorf("table %s differs: %d rows with checksum %s on %s, %d rows with checksum %s on %s%s", table,
				a.rows, a.checksum, here, b.rows, b.checksum, there, differingRows(ctx, table, a.rows+b.rows, snap.server, other.server))
		}
	}
	if snap.gtids != other.gtids {
		return fmt.Errorf("gtid_executed differs, with equal data:\n  on %s: %s\n  on %s: %s", here, snap.gtids, there, other.gtids)
	}
	return nil
}

// differingRows shows the first rows of a table that only one of the servers has, or why it can't.
func differingRows(ctx context.Context, table string, rows int64, a, b *Server) string {
	const mostRead, mostShown = 500_000, 5
	if rows > mostRead {
		return "\n  (too many rows to show which)"
	}
	surplus := map[string]int{} // how many more a has
	for s, sign := range map[*Server]int{a: 1, b: -1} {
		lines, err := rowLines(ctx, s.db, table)
		if err != nil {
			return fmt.Sprintf("\n  (cannot read the rows of %s: %v)", s.Name, err)
		}
		for _, line := range lines {
			surplus[line] += sign
		}
	}
	var text strings.Builder
	shown := map[*Server]int{}
	for _, line := range slices.Sorted(maps.Keys(surplus)) {
		count, s := surplus[line], a
		if count < 0 {
			count, s = -count, b
		}
		if count == 0 {
			continue
		}
		if shown[s]++; shown[s] <= mostShown {
			fmt.Fprintf(&text, "\n  only on %s, %d×: %s", s.Name, count, shorten(line))
		}
	}
	if text.Len() == 0 {
		return "\n  (all rows read the same as text)"
	}
	for _, s := range []*Server{a, b} {
		if shown[s] > mostShown {
			fmt.Fprintf(&text, "\n  and %d more only on %s", shown[s]-mostShown, s.Name)
		}
	}
	return text.String()
}

// rowLines is a line for each row, with invisible columns too.
func rowLines(ctx context.Context, db *sql.DB, table string) ([]string, error) {
	described, err := textRows(ctx, db, "SHOW COLUMNS FROM "+table)
	if err != nil {
		return nil, err
	}
	columns := make([]string, len(described))
	for i, column := range described {
		columns[i] = quote(column[0])
	}
	rows, err := textRows(ctx, db, "SELECT "+strings.Join(columns, ", ")+" FROM "+table)
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		for j, value := range row {
			if value != "NULL" {
				row[j] = strconv.Quote(value)
			}
		}
		lines[i] = strings.Join(row, ", ")
	}
	return lines, nil
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
