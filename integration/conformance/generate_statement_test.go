package conformance

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// insertInto is what follows INSERT INTO, with so many rows.
func insertInto(r *rand.Rand, t *table, rows int) string {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	if t.parent != "" && t.parent != "none" {
		names = append(names, "parent")
	}
	var values []string
	for range rows {
		var row []string
		for _, c := range t.columns {
			row = append(row, value(r, c))
		}
		if len(names) > len(row) {
			row = append(row, oneOf(r, "NULL", fmt.Sprint(1+r.IntN(20)), fmt.Sprintf("(SELECT MIN(p.id) FROM %s p WHERE p.id > %d)", t.parent, r.IntN(30))))
		}
		values = append(values, "("+strings.Join(row, ", ")+")")
	}
	return fmt.Sprintf("%s (%s) VALUES %s", t.name, strings.Join(names, ", "), strings.Join(values, ", "))
}

func value(r *rand.Rand, c column) string {
	if c.null && r.IntN(5) == 0 {
		return "NULL"
	}
	return c.kind.value(r)
}

func assignment(r *rand.Rand, t *table) string {
	c := t.columns[r.IntN(len(t.columns))]
	if c.kind.name == "JSON" && r.IntN(3) > 0 {
		return fmt.Sprintf("%s = JSON_SET(%s, '$.a', %d, '$.n%d', 'x')", c.name, c.name, r.IntN(99), r.IntN(3))
	}
	if t.key && r.IntN(12) == 0 {
		return fmt.Sprintf("id = id + %d", 50+r.IntN(500))
	}
	return c.name + " = " + value(r, c)
}

func condition(r *rand.Rand, t *table) string {
	c := t.columns[r.IntN(len(t.columns))]
	switch {
	case t.key && r.IntN(2) == 0:
		return fmt.Sprintf("id %s %d", oneOf(r, "=", "<", ">"), r.IntN(40))
	case r.IntN(4) == 0:
		return "TRUE"
	case c.kind.key == "no":
		return c.name + oneOf(r, " IS NULL", " IS NOT NULL")
	default:
		return c.name + oneOf(r, " = ", " <> ", " < ") + c.kind.value(r)
	}
}

// changeRows is a statement that changes rows.
func changeRows(r *rand.Rand, tables []*table) string {
	t := tables[r.IntN(len(tables))]
	switch r.IntN(10) {
	case 0, 1, 2:
		return "INSERT INTO " + insertInto(r, t, 1+r.IntN(5))
	case 3:
		return oneOf(r, "REPLACE INTO ", "INSERT IGNORE INTO ") + insertInto(r, t, 1+r.IntN(3))
	case 4:
		return "INSERT INTO " + insertInto(r, t, 2) + " ON DUPLICATE KEY UPDATE " + assignment(r, t)
	case 5, 6:
		return fmt.Sprintf("UPDATE %s SET %s WHERE %s LIMIT %d", t.name, assignment(r, t), condition(r, t), 1+r.IntN(6))
	case 7:
		return fmt.Sprintf("UPDATE IGNORE %s SET %s, %s", t.name, assignment(r, t), assignment(r, t))
	case 8:
		other := tables[r.IntN(len(tables))]
		return fmt.Sprintf("INSERT IGNORE INTO %s (%s) SELECT %s FROM %s LIMIT 3", t.name, t.columns[0].name, other.columns[0].name, other.name)
	default:
		return fmt.Sprintf("DELETE FROM %s WHERE %s LIMIT %d", t.name, condition(r, t), 1+r.IntN(5))
	}
}

// define is DDL on a table that others write to.
func define(r *rand.Rand, tables []*table, n int) string {
	t := tables[r.IntN(len(tables))]
	all := kinds()
	k := all[r.IntN(len(all))]
	c := t.columns[r.IntN(len(t.columns))]
	switch r.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("ALTER TABLE %s ADD COLUMN x%d %s NULL%s", t.name, n, k.name, oneOf(r, "", " FIRST", " AFTER "+c.name, ", ALGORITHM = INSTANT"))
	case 2:
		return fmt.Sprintf("ALTER TABLE %s ADD COLUMN y%d VARCHAR(30) NOT NULL DEFAULT 'd%d'", t.name, n, n)
	case 3:
		return fmt.Sprintf("ALTER TABLE %s DROP COLUMN x%d", t.name, n-1-r.IntN(4))
	case 4:
		return fmt.Sprintf("CREATE INDEX i%d ON %s (%s%s)", n, t.name, c.name, strings.ReplaceAll(c.kind.key, "no", ""))
	case 5:
		return fmt.Sprintf("ALTER TABLE %s %s", t.name, oneOf(r, "FORCE", "ENGINE = InnoDB", "COMMENT = 'c'", "ROW_FORMAT = COMPACT", "ROW_FORMAT = DYNAMIC", fmt.Sprintf("AUTO_INCREMENT = %d", r.IntN(3000))))
	case 6:
		return fmt.Sprintf("CREATE TABLE copy%d AS SELECT * FROM %s", n, t.name)
	case 7:
		return fmt.Sprintf("RENAME TABLE %s TO swap%d, swap%d TO %s", t.name, n, n, t.name)
	case 8:
		return oneOf(r, "TRUNCATE ", "ANALYZE TABLE ", "OPTIMIZE TABLE ") + t.name
	case 9:
		return fmt.Sprintf("CREATE OR REPLACE VIEW v%d AS SELECT %s FROM %s", r.IntN(3), c.name, t.name)
	case 10:
		return fmt.Sprintf("DROP TABLE IF EXISTS copy%d, copy%d", n-1-r.IntN(9), n-1-r.IntN(9))
	default:
		return fmt.Sprintf("ALTER TABLE %s MODIFY %s %s", t.name, c.name, oneOf(r, c.kind.name, c.kind.name+" NULL", c.kind.name+" INVISIBLE"))
	}
}

// setting changes what a session's statements mean or how they are logged.
func setting(r *rand.Rand) string {
	return "SET " + oneOf(r, "binlog_row_image = MINIMAL", "binlog_row_image = NOBLOB", "binlog_row_image = FULL", "binlog_row_image = FULL",
		"binlog_row_value_options = PARTIAL_JSON", "binlog_row_value_options = ''", "binlog_transaction_compression = ON", "binlog_transaction_compression = OFF",
		"sql_mode = ''", "sql_mode = DEFAULT", "sql_mode = 'NO_BACKSLASH_ESCAPES'", "time_zone = '+05:45'", "time_zone = DEFAULT", "foreign_key_checks = 0", "foreign_key_checks = 1",
		"foreign_key_checks = 1", "unique_checks = 0", "unique_checks = 1", "auto_increment_increment = 3, auto_increment_offset = 2", "auto_increment_increment = 1",
		"timestamp = 1700000000.5", "timestamp = DEFAULT", "binlog_rows_query_log_events = ON", "transaction_isolation = 'READ-COMMITTED'")
}

// transactionOf is the statements of one transaction, or of several that commit by themselves.
func transactionOf(r *rand.Rand, tables []*table, n int) []string {
	switch r.IntN(20) {
	case 0:
		return []string{setting(r)}
	case 1:
		return []string{define(r, tables, n)}
	case 2:
		xid := fmt.Sprintf("'x%d'", n)
		end := []string{"XA END " + xid, "XA PREPARE " + xid, oneOf(r, "XA COMMIT ", "XA COMMIT ", "XA ROLLBACK ") + xid}
		return append(append([]string{"XA START " + xid}, changeRows(r, tables), changeRows(r, tables)), end...)
	case 3, 4, 5, 6, 7:
		return []string{changeRows(r, tables)}
	}
	statements := []string{"BEGIN"}
	for i := range 1 + r.IntN(6) {
		statements = append(statements, changeRows(r, tables))
		if r.IntN(8) == 0 {
			statements = append(statements, fmt.Sprint("SAVEPOINT s", i), changeRows(r, tables), fmt.Sprint("ROLLBACK TO SAVEPOINT s", i))
		}
	}
	return append(statements, oneOf(r, "COMMIT", "COMMIT", "COMMIT", "COMMIT", "ROLLBACK"))
}
