package session

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// A table is what the follower says of one whose rows it refused.
type table struct {
	rowimage.TableName
	columns []rowimage.Column // in the order of the binlog's images
	keys    []key             // unique ones, the primary key first
	parents []reference       // what its rows refer to
	// children are what refers to its rows.
	children []reference
}

// A key is a unique one of whole columns.
type key struct {
	name     string
	columns  []int // indexes in table.columns
	nullable bool
}

// A reference is a foreign key as seen from one of its tables.
type reference struct {
	constraint string
	own        []int // indexes in table.columns
	other      rowimage.TableName
	columns    []string // of other, one for each of own
}

// readTable asks for a table's definition. There are no columns where the table
// isn't there.
func readTable(conn connection, name rowimage.TableName) (*table, error) {
	t := &table{TableName: name}
	is := func(schema, table string) string {
		return schema + " = " + textLiteral(name.Schema) + " AND " + table + " = " + textLiteral(name.Table)
	}
	err := ask(conn, "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COALESCE(CHARACTER_SET_NAME, '') FROM information_schema.COLUMNS WHERE "+
		is("TABLE_SCHEMA", "TABLE_NAME")+" ORDER BY ORDINAL_POSITION", func(v []string) {
		t.columns = append(t.columns, rowimage.Column{Name: v[0], DataType: v[1], TypeText: v[2], Charset: v[3]})
	})
	if err != nil {
		return nil, err
	}
	if err := t.readKeys(conn, is("TABLE_SCHEMA", "TABLE_NAME")); err != nil {
		return nil, err
	}
	const references = "SELECT CONCAT(CONSTRAINT_SCHEMA, '.', CONSTRAINT_NAME), %s FROM information_schema.KEY_COLUMN_USAGE " +
		"WHERE REFERENCED_TABLE_NAME IS NOT NULL AND %s ORDER BY CONSTRAINT_SCHEMA, CONSTRAINT_NAME, ORDINAL_POSITION"
	err = ask(conn, fmt.Sprintf(references, "COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME",
		is("TABLE_SCHEMA", "TABLE_NAME")), func(v []string) { t.parents = t.refer(t.parents, v) })
	if err != nil {
		return nil, err
	}
	err = ask(conn, fmt.Sprintf(references, "REFERENCED_COLUMN_NAME, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME",
		is("REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME")), func(v []string) { t.children = t.refer(t.children, v) })
	return t, err
}

// readKeys leaves out keys of expressions and of the beginnings of columns.
func (t *table) readKeys(conn connection, where string) error {
	unfit := map[string]bool{}
	err := ask(conn, "SELECT INDEX_NAME, COALESCE(COLUMN_NAME, ''), NULLABLE, SUB_PART IS NOT NULL FROM information_schema.STATISTICS WHERE "+
		where+" AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX", func(v []string) {
		if len(t.keys) == 0 || t.keys[len(t.keys)-1].name != v[0] {
			t.keys = append(t.keys, key{name: v[0]})
		}
		k := &t.keys[len(t.keys)-1]
		at := t.index(v[1])
		unfit[k.name] = unfit[k.name] || at < 0 || v[3] != "0"
		k.columns, k.nullable = append(k.columns, at), k.nullable || v[2] == "YES"
	})
	t.keys = slices.DeleteFunc(t.keys, func(k key) bool { return unfit[k.name] })
	return err
}

// refer adds a column of a foreign key: constraint, own column, the other table,
// its column.
func (t *table) refer(all []reference, v []string) []reference {
	if len(all) == 0 || all[len(all)-1].constraint != v[0] {
		all = append(all, reference{constraint: v[0], other: rowimage.TableName{Schema: v[2], Table: v[3]}})
	}
	r := &all[len(all)-1]
	r.own, r.columns = append(r.own, t.index(v[1])), append(r.columns, v[4])
	return all
}

// index is the position of a column, -1 if it isn't there.
func (t *table) index(name string) int {
	return slices.IndexFunc(t.columns, func(c rowimage.Column) bool { return strings.EqualFold(c.Name, name) })
}

// identity is the key that a row is named by: the primary key, or else the first
// unique one that can hold no NULL; false if there is none.
func (t *table) identity() (key, bool) {
	i := slices.IndexFunc(t.keys, func(k key) bool { return !k.nullable })
	if i < 0 {
		return key{}, false
	}
	return t.keys[i], true
}

// fits makes sure that the follower's table has a place for each of the leader's
// columns: the server leaves out without a word what comes after its own last
// one. That is asked once in each session, and again when the leader's table gets
// other columns.
func (s *Session) fits(e binlog.Event, name tableNamed) error {
	columns, err := binlog.TableColumns(e)
	if err != nil || s.wide[name] == columns {
		return err
	}
	is := " = " + textLiteral(name.schema) + " AND TABLE_NAME = " + textLiteral(name.table) + ")"
	has := uint64(0)
	// Some servers also log the hidden columns of keys of expressions.
	err = ask(s.conn, "SELECT (SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA"+is+
		", (SELECT COUNT(EXPRESSION) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA"+is, func(v []string) {
		has, _ = strconv.ParseUint(v[0], 10, 64) // a number
		if hidden, _ := strconv.ParseUint(v[1], 10, 64); columns <= has+hidden {
			has = columns
		}
	})
	if err != nil {
		return fmt.Errorf("look at the columns of %s.%s: %w", name.schema, name.table, err)
	}
	// Of a table that isn't there the server says so.
	if has != columns && has != 0 {
		return &Error{Step: "apply rows", Tables: names([]tableNamed{name}), Cause: columnsError{leader: columns, follower: has}}
	}
	s.wide[name] = columns
	return nil
}

// A columnsError says that a table has fewer columns than the leader's.
type columnsError struct{ leader, follower uint64 }

func (e columnsError) Error() string {
	return fmt.Sprintf("the leader's table has %d columns, the follower's %d", e.leader, e.follower)
}

// Mend says how to make it the same.
func (e columnsError) Mend() string { return mendOf(mysql.ER_SLAVE_CONVERSION_FAILED) }

func (e columnsError) Unwrap() error { return errUnsupported }

// ask gives each row of an answer to row, as text.
func ask(conn connection, query string, row func([]string)) error {
	r, err := conn.Execute(query)
	if err != nil {
		return err
	}
	for i := range r.RowNumber() {
		values := make([]string, r.ColumnNumber())
		for j := range values {
			if values[j], err = r.GetString(i, j); err != nil {
				return err
			}
		}
		row(values)
	}
	return nil
}

// textLiteral is text as SQL, whatever characters are in it.
func textLiteral(text string) string { return "_utf8mb4 X'" + hex.EncodeToString([]byte(text)) + "'" }
