package keys

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batondb/baton/applier/writeset"
	"github.com/batondb/baton/binlog/rowimage"
)

// Ask runs a query and gives each row of the answer, as text, to row.
type Ask func(query string, row func([]string)) error

// A Table is a follower's, as far as its keys go. It is never modified.
type Table struct {
	columns []column
	keys    []int // the columns in any key, of which something is known
	rows    *writeset.Table
}

// Read asks a follower for a table. It is nil where nothing can be told of its
// rows, or it isn't there.
func Read(ask Ask, name rowimage.TableName) (*Table, error) {
	r := reader{ask: ask, schema: literal(name.Schema), table: literal(name.Table)}
	innodb := false
	r.query("SELECT 1 FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE = 'InnoDB' AND "+r.is("TABLE_SCHEMA", "TABLE_NAME"),
		func([]string) { innodb = true })
	if !innodb {
		return nil, r.failed(name)
	}
	r.definition.Name, r.definition.Identity = name.String(), -1
	r.readColumns()
	r.readUnique()
	r.readReferences()
	r.readReferenced()
	if r.err != nil || len(r.columns) == 0 {
		return nil, r.failed(name)
	}
	t := &Table{columns: r.columns, rows: writeset.NewTable(r.definition)}
	for i := range r.columns {
		if r.inKey[i] {
			t.keys = append(t.keys, i)
		}
	}
	return t, nil
}

// A reader collects the answers of one Read, and the first error.
type reader struct {
	ask           Ask
	schema, table string // as SQL
	err           error
	columns       []column
	inKey         map[int]bool
	definition    writeset.Definition
}

func (r *reader) query(query string, row func([]string)) {
	if r.err == nil {
		r.err = r.ask(query, row)
	}
}

func (r *reader) failed(name rowimage.TableName) error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("read the keys of %s: %w", name, r.err)
}

// is is the condition that two columns name the table.
func (r *reader) is(schema, table string) string {
	return schema + " = " + r.schema + " AND " + table + " = " + r.table
}

// literal is text as SQL, whatever characters are in it.
func literal(text string) string { return "_utf8mb4 X'" + hex.EncodeToString([]byte(text)) + "'" }

// described are the columns of information_schema.COLUMNS that a column is made
// of; %s stands before each.
const described = "COALESCE(%[1]sCOLUMN_NAME, ''), COALESCE(%[1]sDATA_TYPE, ''), COALESCE(%[1]sCOLUMN_TYPE, ''), COALESCE(%[1]sCOLLATION_NAME, ''), " +
	"COALESCE(%[1]sIS_NULLABLE, ''), COALESCE(%[1]sGENERATION_EXPRESSION, ''), COALESCE(%[1]sCHARACTER_OCTET_LENGTH, 0), " +
	"COALESCE(%[1]sNUMERIC_PRECISION, %[1]sDATETIME_PRECISION, 0), COALESCE(%[1]sNUMERIC_SCALE, 0)"

const describedColumns = 9

func columnOf(v []string) column {
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			return -1 // no column of the leader's has it
		}
		return n
	}
	return column{name: v[0], dataType: strings.ToLower(v[1]), unsigned: strings.Contains(v[2], "unsigned"), collation: strings.ToLower(v[3]),
		notNull: v[4] == "NO", generated: v[5] != "", octets: number(v[6]), precision: number(v[7]), scale: number(v[8])}
}

func (r *reader) readColumns() {
	r.inKey = map[int]bool{}
	r.query("SELECT "+fmt.Sprintf(described, "")+" FROM information_schema.COLUMNS WHERE "+r.is("TABLE_SCHEMA", "TABLE_NAME")+
		" ORDER BY ORDINAL_POSITION", func(v []string) { r.columns = append(r.columns, columnOf(v)) })
}

// index is the position of a column, -1 if it isn't there, as of an expression.
func (r *reader) index(name string) int {
	return slices.IndexFunc(r.columns, func(c column) bool { return name != "" && strings.EqualFold(c.name, name) })
}

// part is a column in a key. One that is generated is an expression: leaders were
// seen to log a NULL in its place.
func (r *reader) part(i int, how writeset.Comparison) writeset.Part {
	if i < 0 || r.columns[i].generated {
		return writeset.Part{Column: -1}
	}
	if how != writeset.Unlike {
		r.inKey[i] = true
	}
	return writeset.Part{Column: i, Compared: how, NotNull: r.columns[i].notNull}
}

func (r *reader) readUnique() {
	d := &r.definition
	last, whole := "", []bool{}
	r.query("SELECT INDEX_NAME, COALESCE(COLUMN_NAME, ''), SUB_PART IS NOT NULL FROM information_schema.STATISTICS WHERE "+
		r.is("TABLE_SCHEMA", "TABLE_NAME")+" AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX", func(v []string) {
		if len(d.Unique) == 0 || v[0] != last {
			d.Unique, whole, last = append(d.Unique, nil), append(whole, true), v[0]
		}
		n, i := len(d.Unique)-1, r.index(v[1])
		how := writeset.Unlike
		if i >= 0 && v[2] == "0" {
			_, how = r.columns[i].comparison()
		}
		p := r.part(i, how)
		whole[n] = whole[n] && p.NotNull && v[2] == "0"
		d.Unique[n] = append(d.Unique[n], p)
	})
	d.Identity = slices.Index(whole, true)
}

// foreign are the columns of a foreign key, one a row: its name, the table's own
// column, the other table and its column, described.
const foreign = "SELECT CONCAT(k.CONSTRAINT_SCHEMA, '.', k.CONSTRAINT_NAME), %s, %s, %s, %s, %s " +
	"FROM information_schema.KEY_COLUMN_USAGE k LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS c " +
	"ON c.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND c.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND c.TABLE_NAME = k.TABLE_NAME " +
	"LEFT JOIN information_schema.COLUMNS o ON o.TABLE_SCHEMA = %s AND o.TABLE_NAME = %s AND o.COLUMN_NAME = %s " +
	"WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND %s ORDER BY k.CONSTRAINT_SCHEMA, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"

// noRule are the rules of a foreign key that changes no rows by itself.
const noRule = "COALESCE(c.UPDATE_RULE IN ('NO ACTION', 'RESTRICT') AND c.DELETE_RULE IN ('NO ACTION', 'RESTRICT'), 0)"

// The columns of an answer to foreign.
const (
	ofConstraint = iota
	ofOwn
	ofParent
	ofParentColumn
	ofNoRule
	ofOther
)

func (r *reader) readForeign(own, other [3]string, row func(v []string, first bool, p writeset.Part)) {
	last := ""
	q := func(side [3]string, i int) string { return "k." + side[i] }
	query := fmt.Sprintf(foreign, q(own, 2), "CONCAT(k.REFERENCED_TABLE_SCHEMA, '.', k.REFERENCED_TABLE_NAME)", "k.REFERENCED_COLUMN_NAME",
		noRule, fmt.Sprintf(described, "o."), q(other, 0), q(other, 1), q(other, 2), r.is(q(own, 0), q(own, 1)))
	r.query(query, func(v []string) {
		i := r.index(v[ofOwn])
		how := writeset.Unlike
		if i >= 0 {
			how = alike(r.columns[i], columnOf(v[ofOther:ofOther+describedColumns]))
		}
		row(v, v[ofConstraint] != last, r.part(i, how))
		last = v[ofConstraint]
	})
}

// The columns of KEY_COLUMN_USAGE that name the two ends of a foreign key.
var (
	child  = [3]string{"TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME"}
	parent = [3]string{"REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME", "REFERENCED_COLUMN_NAME"}
)

// readReferences reads the table's own foreign keys.
func (r *reader) readReferences() {
	d := &r.definition
	r.readForeign(child, parent, func(v []string, first bool, p writeset.Part) {
		if first {
			d.References = append(d.References, writeset.Reference{Parent: v[ofParent]})
		}
		f := &d.References[len(d.References)-1]
		f.Key, f.Names = append(f.Key, p), append(f.Names, v[ofParentColumn])
	})
}

// readReferenced reads the foreign keys that refer to the table.
func (r *reader) readReferenced() {
	d := &r.definition
	r.readForeign(parent, child, func(v []string, first bool, p writeset.Part) {
		if first {
			d.Referenced = append(d.Referenced, writeset.Referenced{Cascades: v[ofNoRule] != "1"})
		}
		f := &d.Referenced[len(d.Referenced)-1]
		f.Key, f.Names = append(f.Key, p), append(f.Names, v[ofParentColumn])
	})
}
