package mysqltest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	return compare(ctx, false, servers)
}

// CompareAll is CompareData with what it leaves out, for servers that started equal and on which no statement was run
// unlogged: accounts (but for User) with their privileges and roles, the next AUTO_INCREMENT value, the context in which
// routines, triggers and events were defined, whether an event is enabled, and all else that DDL leaves outside of
// schemas; and every row as text besides its checksum. The schema baton is baton's own and left out.
func CompareAll(ctx context.Context, servers ...*Server) (Comparison, error) {
	return compare(ctx, true, servers)
}

// CompareEach is CompareAll of the first with each other one: the errors, in their order, nil where nothing differs.
func CompareEach(ctx context.Context, first *Server, others ...*Server) []error {
	differences := make([]error, len(others))
	snaps, err := takeSnapshots(ctx, true, append([]*Server{first}, others...))
	for i := range differences {
		if differences[i] = err; err == nil {
			differences[i] = snaps[0].compare(ctx, snaps[i+1])
		}
	}
	return differences
}

func compare(ctx context.Context, all bool, servers []*Server) (Comparison, error) {
	if len(servers) == 0 {
		return Comparison{}, errors.New("compare data: no servers given")
	}
	snaps, err := takeSnapshots(ctx, all, servers)
	if err != nil {
		return Comparison{}, err
	}
	first := snaps[0]
	for _, snap := range snaps[1:] {
		if err := first.compare(ctx, snap); err != nil {
			return Comparison{}, err
		}
	}
	c := Comparison{Tables: len(first.tables), GTIDs: first.gtids}
	for _, content := range first.tables {
		c.Rows += content.rows
	}
	return c, nil
}

// takeSnapshots looks at all servers side by side.
func takeSnapshots(ctx context.Context, all bool, servers []*Server) ([]*snapshot, error) {
	snaps, errs := make([]*snapshot, len(servers)), make([]error, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			if snaps[i], errs[i] = takeSnapshot(ctx, s, all); errs[i] != nil {
				errs[i] = fmt.Errorf("look at the data of %s: %w", s.Name, errs[i])
			}
		})
	}
	wg.Wait()
	return snaps, errors.Join(errs...)
}

// snapshot is what one server holds.
type snapshot struct {
	server      *Server
	all         bool // for CompareAll
	gtids       string
	definitions map[string]string   // by kind and name, for instance "TABLE `d`.`t`"
	tables      map[string]content  // by quoted name
	next        map[string]next     // by quoted name; for CompareAll
	listings    map[string][]string // for CompareAll: sorted lines, by what they list
}

type content struct {
	rows     int64
	checksum string
	text     [sha256.Size]byte // of all rows; for CompareAll, and where there is no checksum
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

func takeSnapshot(ctx context.Context, s *Server, all bool) (*snapshot, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	snap := &snapshot{server: s, all: all, definitions: map[string]string{}, tables: map[string]content{}, next: map[string]next{}}
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
			if all && object[1] == "baton" {
				continue
			}
			if err := snap.addObject(ctx, conn, object[0], object[1], object[2], objects.statement); err != nil {
				return nil, err
			}
		}
	}
	if all {
		snap.listings, err = list(ctx, conn)
	}
	return snap, err
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
	if kind == "TABLE" {
		if snap.tables[quoted], err = readContent(ctx, conn, quoted, statement, snap.all); err != nil {
			return err
		}
	}
	switch {
	case kind == "TABLE":
		if snap.all {
			if snap.next[quoted], err = readNext(ctx, conn, quoted, statement); err != nil {
				return err
			}
		}
		statement = nextAutoIncrement.ReplaceAllString(statement, "")
	case snap.all:
		statement = strings.Join(shown[0], "\n") // the other columns are the context
	case kind == "EVENT":
		statement = eventStatus.ReplaceAllString(statement, "")
	}
	snap.definitions[kind+" "+quoted] = statement
	return nil
}

// readContent reads what is compared of a table's rows. CHECKSUM TABLE of a table with a multi-valued index differs each
// time, since it sums up pointers: such rows are compared as text.
func readContent(ctx context.Context, conn *sql.Conn, table, definition string, all bool) (content, error) {
	counted, err := textRows(ctx, conn, "SELECT COUNT(*) FROM "+table)
	if err != nil {
		return content{}, err
	}
	var c content
	if c.rows, err = strconv.ParseInt(counted[0][0], 10, 64); err != nil {
		return content{}, err
	}
	multiValued := strings.Contains(definition, " array)")
	if !multiValued {
		summed, err := textRows(ctx, conn, "CHECKSUM TABLE "+table+" EXTENDED")
		if err != nil {
			return content{}, err
		}
		if c.checksum = summed[0][1]; c.checksum == "NULL" {
			return content{}, fmt.Errorf("CHECKSUM TABLE %s gives NULL: the table cannot be read", table)
		}
	}
	if all || multiValued {
		lines, err := rowLines(ctx, conn, table)
		if err != nil {
			return content{}, err
		}
		slices.Sort(lines)
		c.text = sha256.Sum256([]byte(strings.Join(lines, "\n")))
	}
	return c, nil
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
	for _, table := range slices.Sorted(maps.Keys(snap.next)) {
		if a, b := snap.next[table], other.next[table]; !a.allows(b) {
			return fmt.Errorf("the next AUTO_INCREMENT of %s differs: %d on %s, %d on %s", table, a.value, here, b.value, there)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(snap.listings)) {
		if a, b := snap.listings[what], other.listings[what]; !slices.Equal(a, b) {
			return fmt.Errorf("%s differ:%s", what, differingLines(a, b, here, there))
		}
	}
	if snap.gtids != other.gtids {
		return fmt.Errorf("gtid_executed differs, with equal data:\n  on %s: %s\n  on %s: %s", here, snap.gtids, there, other.gtids)
	}
	return nil
}

// differingRows shows the first rows of a table that only one of the servers has, or why it can't.
func differingRows(ctx context.Context, table string, rows int64, a, b *Server) string {
	const mostRead = 500_000
	if rows > mostRead {
		return "\n  (too many rows to show which)"
	}
	lines := map[*Server][]string{}
	for _, s := range []*Server{a, b} {
		var err error
		if lines[s], err = rowLines(ctx, s.db, table); err != nil {
			return fmt.Sprintf("\n  (cannot read the rows of %s: %v)", s.Name, err)
		}
	}
	if text := differingLines(lines[a], lines[b], a.Name, b.Name); text != "" {
		return text
	}
	return "\n  (all rows read the same as text)"
}

// differingLines shows the first lines that only one of two lists has, or has more often.
func differingLines(a, b []string, here, there string) string {
	const mostShown = 5
	surplus := map[string]int{} // how many more a has
	for _, line := range a {
		surplus[line]++
	}
	for _, line := range b {
		surplus[line]--
	}
	var text strings.Builder
	shown := map[string]int{}
	for _, line := range slices.Sorted(maps.Keys(surplus)) {
		count, name := surplus[line], here
		if count < 0 {
			count, name = -count, there
		}
		if count == 0 {
			continue
		}
		if shown[name]++; shown[name] <= mostShown {
			fmt.Fprintf(&text, "\n  only on %s, %d×: %s", name, count, shorten(line))
		}
	}
	for _, name := range []string{here, there} {
		if shown[name] > mostShown {
			fmt.Fprintf(&text, "\n  and %d more only on %s", shown[name]-mostShown, name)
		}
	}
	return text.String()
}

// rowLines is a line for each row, with invisible columns too.
func rowLines(ctx context.Context, db querier, table string) ([]string, error) {
	described, err := textRows(ctx, db, "SHOW COLUMNS FROM "+table)
	if err != nil {
		return nil, err
	}
	columns := make([]string, len(described))
	for i, column := range described {
		columns[i] = quote(column[0])
		if strings.HasPrefix(column[1], "float") {
			columns[i] = "CAST(" + columns[i] + " AS DOUBLE)" // all its digits
		}
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
