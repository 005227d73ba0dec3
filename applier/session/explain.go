package session

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// What is looked at to find the row that was refused is bounded: the bytes of
// events, the rows of them, the time that it takes and, in milliseconds, that of
// each query. shownValue is how much of a key's value is shown, in bytes.
const (
	explainBytes = 8 << 20
	explainRows  = 1000
	explainTime  = 5 * time.Second
	lookHint     = "/*+ MAX_EXECUTION_TIME(2000) */"
	shownValue   = 60
)

// lookSession makes the values of rows, as they are rendered, mean what they mean.
// The next transaction sets all of it again.
const lookSession = "SET SESSION time_zone='+00:00', sql_mode='', character_set_client=utf8mb4, collation_connection=utf8mb4_bin"

// explainable tells whether an error is about a row that can be found.
func explainable(code uint16) bool {
	switch code {
	case mysql.ER_KEY_NOT_FOUND, mysql.ER_DUP_ENTRY, mysql.ER_DUP_KEY, mysql.ER_DUP_ENTRY_WITH_KEY_NAME,
		mysql.ER_NO_REFERENCED_ROW, mysql.ER_NO_REFERENCED_ROW_2, mysql.ER_ROW_IS_REFERENCED, mysql.ER_ROW_IS_REFERENCED_2:
		return true
	}
	return false
}

// An explainer finds the row of the leader's statement that a follower refused,
// by looking at what the follower has. It changes nothing, and shows of a row
// nothing but its key: the rest may be nobody's business.
type explainer struct {
	session *Session
	code    uint16
	scanner *rowimage.Scanner
	tables  map[rowimage.TableName]*table

	until time.Time
	table *table // of the row at hand
	rows  int    // how many rows were looked at
	// moved is by how much the rows before have changed the number of those that
	// fulfil a condition.
	moved map[string]int
}

// explain says which row the follower refused and what is wrong with it, and sets
// the table to its. The transaction is still open, as it was before the statement.
// Where that isn't found out, the error says what it says.
func (s *Session) explain(f binlog.Format, e *Error) {
	if e.Code() == mysql.ER_UNKNOWN_ERROR {
		e.Row = s.logged()
	}
	if len(e.rows) == 0 || !explainable(e.Code()) {
		return
	}
	scanner, err := rowimage.NewScanner(f)
	if err != nil {
		return
	}
	if _, err := s.conn.Execute(lookSession); err != nil {
		return
	}
	x := explainer{session: s, code: e.Code(), scanner: scanner, tables: map[rowimage.TableName]*table{}, moved: map[string]int{}, until: time.Now().Add(explainTime)}
	found, err := x.events(e.rows)
	if err != nil || found == "" {
		return
	}
	e.Row, e.Tables = found, []string{x.table.String()}
}

// logged is what the server last wrote into its error log about this session: all
// it answers about columns that can't be converted is that the error is unknown.
func (s *Session) logged() (text string) {
	// A server before 8.0.22, or an account that may not read it, tells nothing.
	// (CONNECTION_ID() is the leader's, once pseudo_thread_id was set.)
	_ = ask(s.conn, fmt.Sprintf("SELECT DATA FROM performance_schema.error_log WHERE THREAD_ID = %d AND SUBSYSTEM = 'Repl' "+
		"AND PRIO = 'Error' ORDER BY LOGGED DESC LIMIT 1", s.conn.GetConnectionID()), func(v []string) { text = v[0] })
	return shorten([]byte(text))
}

func (x *explainer) events(raw []byte) (found string, err error) {
	for len(raw) >= binlog.HeaderSize {
		size := int64(binlog.Event(raw).Size())
		if size < binlog.HeaderSize || size > int64(len(raw)) {
			return "", binlog.ErrMalformed
		}
		e := binlog.Event(raw[:size])
		raw = raw[size:]
		switch {
		case e.Type() == replication.TABLE_MAP_EVENT:
			_, err = x.scanner.TableMap(e)
		case binlog.IsRows(e):
			found, err = x.event(e)
		}
		if err != nil || found != "" {
			return found, err
		}
	}
	return "", nil
}

func (x *explainer) event(e binlog.Event) (found string, err error) {
	m, err := x.scanner.TableOf(e)
	if err != nil {
		return "", err
	}
	if x.table = x.tables[m.Name]; x.table == nil {
		if x.table, err = readTable(x.session.conn, m.Name); err != nil {
			return "", err
		}
		x.tables[m.Name] = x.table
	}
	if len(x.table.columns) == 0 {
		return "", nil
	}
	for c, err := range x.scanner.Changes(e) {
		if x.rows++; err != nil || x.rows > explainRows || time.Now().After(x.until) {
			return "", err
		}
		if found, err := x.row(c); err != nil || found != "" {
			return found, err
		}
	}
	return "", nil
}

// row judges one row, as the server would come to it.
func (x *explainer) row(c rowimage.Change) (found string, err error) {
	switch x.code {
	case mysql.ER_KEY_NOT_FOUND:
		found, err = x.missing(c.Before)
	case mysql.ER_ROW_IS_REFERENCED, mysql.ER_ROW_IS_REFERENCED_2:
		found, err = x.referred(c.Before)
	}
	if err != nil || found != "" {
		return found, err
	}
	x.move(c.Before, -1)
	switch x.code {
	case mysql.ER_NO_REFERENCED_ROW, mysql.ER_NO_REFERENCED_ROW_2:
		found, err = x.orphan(c.After)
	case mysql.ER_DUP_ENTRY, mysql.ER_DUP_KEY, mysql.ER_DUP_ENTRY_WITH_KEY_NAME:
		found, err = x.twice(c.After)
	}
	x.move(c.After, +1)
	return found, err
}

// move notes that a row goes or comes.
func (x *explainer) move(row []any, by int) {
	if row == nil {
		return
	}
	for _, k := range x.table.keys {
		if condition, ok := x.where(row, k.columns); ok {
			x.moved[condition] += by
		}
	}
	if _, ok := x.table.identity(); !ok {
		if condition, ok := x.where(row, nil); ok {
			x.moved[condition] += by
		}
	}
}

// missing says that the row isn't there.
func (x *explainer) missing(row []any) (string, error) {
	if row == nil {
		return "", nil
	}
	k, keyed := x.table.identity()
	condition, ok := x.where(row, k.columns)
	if !ok {
		return "", nil
	}
	there, err := x.there(condition, x.moved[condition])
	if err != nil || there {
		return "", err
	}
	if keyed {
		return x.named(row) + " isn't there", nil
	}
	closest, err := x.closest(row)
	return fmt.Sprintf("%s, which has no primary key, lacks %s%s", x.table, x.named(row), closest), err
}

// twice says that a row with the same key is there already.
func (x *explainer) twice(row []any) (string, error) {
	for i, k := range x.table.keys {
		condition, ok := x.where(row, k.columns)
		if row == nil || !ok {
			continue
		}
		there, err := x.there(condition, x.moved[condition])
		if err != nil {
			return "", err
		}
		if named, byKey := x.table.identity(); there && byKey && (i == 0 || k.name == named.name) {
			return x.named(row) + " is there already", nil
		}
		if there {
			return fmt.Sprintf("%s would be the second with these values in the key %s", x.named(row), k.name), nil
		}
	}
	return "", nil
}

// orphan says that what a row refers to isn't there.
func (x *explainer) orphan(row []any) (string, error) {
	other, err := x.refers(row, x.table.parents, false)
	if err != nil || other == "" {
		return "", err
	}
	return fmt.Sprintf("%s refers to a row of %s that isn't there", x.named(row), other), nil
}

// referred says that other rows refer to a row that is to go.
func (x *explainer) referred(row []any) (string, error) {
	other, err := x.refers(row, x.table.children, true)
	if err != nil || other == "" {
		return "", err
	}
	return fmt.Sprintf("rows of %s refer to %s", other, x.named(row)), nil
}

// refers is the first table that has, or has not, the other side of a foreign key
// of the row.
func (x *explainer) refers(row []any, references []reference, has bool) (other string, err error) {
	for _, r := range references {
		condition, ok := x.whereOther(row, r)
		if row == nil || !ok {
			continue
		}
		n := 0
		if err := ask(x.session.conn, "SELECT "+lookHint+" 1 FROM "+r.other.Quoted()+" WHERE "+condition+" LIMIT 1", func([]string) { n++ }); err != nil {
			return "", err
		}
		if (n > 0) == has {
			return r.other.String(), nil
		}
	}
	return "", nil
}

// there tells whether the table has a row for the condition, when the rows before
// have changed their number by moved.
func (x *explainer) there(condition string, moved int) (bool, error) {
	if moved > 0 {
		return true, nil
	}
	n := 0
	err := ask(x.session.conn, fmt.Sprintf("SELECT %s 1 FROM %s WHERE %s LIMIT %d", lookHint, x.table.Quoted(), condition, 1-moved), func([]string) { n++ })
	return n+moved > 0, err
}

// where is the condition that columns of the table, or all, have the values of a
// row; false if one is NULL or absent, or beyond what the row has. NULL is as good
// as a value where all columns are compared.
func (x *explainer) where(row []any, columns []int) (string, bool) {
	all := columns == nil
	if all {
		for i := range min(len(x.table.columns), len(row)) {
			columns = append(columns, i)
		}
	}
	var parts []string
	for _, i := range columns {
		if i >= len(row) || row[i] == nil && !all {
			return "", false
		}
		if _, absent := row[i].(rowimage.Absent); absent {
			if all {
				continue
			}
			return "", false
		}
		parts = append(parts, x.table.columns[i].Equals(row[i]))
	}
	return strings.Join(parts, " AND "), len(parts) > 0
}

// whereOther is the condition that the other side of a foreign key has the values
// of a row.
func (x *explainer) whereOther(row []any, r reference) (string, bool) {
	var parts []string
	for n, i := range r.own {
		if i < 0 || i >= len(row) || row[i] == nil {
			return "", false
		}
		if _, absent := row[i].(rowimage.Absent); absent {
			return "", false
		}
		c := x.table.columns[i]
		c.Name = r.columns[n]
		parts = append(parts, c.Equals(row[i]))
	}
	return strings.Join(parts, " AND "), len(parts) > 0
}

// closest names the columns in which the row that is most like this one differs,
// if most of it is the same.
func (x *explainer) closest(row []any) (string, error) {
	var same []string
	var names []string
	for i := range min(len(x.table.columns), len(row)) {
		if _, absent := row[i].(rowimage.Absent); absent {
			continue
		}
		same, names = append(same, "("+x.table.columns[i].Equals(row[i])+")"), append(names, x.table.columns[i].Name)
	}
	var differs []string
	err := ask(x.session.conn, "SELECT "+lookHint+" "+strings.Join(same, ", ")+" FROM "+x.table.Quoted()+
		" ORDER BY "+strings.Join(same, " + ")+" DESC LIMIT 1", func(v []string) {
		for i := range v {
			if v[i] != "1" {
				differs = append(differs, names[i])
			}
		}
	})
	if err != nil || len(differs) == 0 || 2*len(differs) > len(same) {
		return "", err
	}
	return "; the row most like it differs in " + strings.Join(differs, ", "), nil
}

// named names a row by its key or, where the table has none, by its place in the
// statement.
func (x *explainer) named(row []any) string {
	k, ok := x.table.identity()
	var parts []string
	for _, i := range k.columns {
		if i >= len(row) {
			continue
		}
		if _, absent := row[i].(rowimage.Absent); absent {
			continue
		}
		parts = append(parts, x.table.columns[i].Name+"="+shortValue(x.table.columns[i].Literal(row[i])))
	}
	if !ok || len(parts) == 0 {
		return fmt.Sprintf("the row that is number %d of the statement", x.rows)
	}
	return fmt.Sprintf("row (%s) of %s", strings.Join(parts, ", "), x.table)
}

func shortValue(literal string) string {
	if len(literal) <= shownValue {
		return literal
	}
	end := shownValue
	for !utf8.RuneStart(literal[end]) {
		end--
	}
	return literal[:end] + "…"
}
