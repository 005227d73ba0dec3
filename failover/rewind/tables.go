package rewind

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/batondb/baton/internal/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// A table is what the server says of one that errant transactions changed.
type table struct {
	rowimage.TableName
	engine  string
	columns []column
	key     []string // columns of the key by which the server finds a row without comparing it; nil for none
	keyName string
	parents []parentKey
}

type column struct {
	rowimage.Column
	virtual  bool // computed when it is read
	computed bool // virtual or stored: written by nobody
}

// A parentKey is what other tables' foreign keys refer to, and what they do.
type parentKey struct {
	child              rowimage.TableName
	columns            []string
	onDelete, onUpdate bool // changes the child's rows
}

type tables map[rowimage.TableName]*table

// readTables asks the server about all tables that the transactions name.
func (e *Errant) readTables(ctx context.Context, db *sql.DB) (tables, error) {
	all := tables{}
	for _, tx := range e.transactions {
		for ev, err := range plain(tx) {
			if err != nil {
				return nil, err
			}
			if ev.Type() != replication.TABLE_MAP_EVENT {
				continue
			}
			schema, name, err := binlog.TableName(ev)
			if err != nil {
				return nil, err
			}
			n := rowimage.TableName{Schema: schema, Table: name}
			if all[n] != nil {
				continue
			}
			if all[n], err = readTable(ctx, db, n); err != nil {
				return nil, fmt.Errorf("look at the table %s: %w", n, mysql.Classify(err))
			}
		}
	}
	return all, nil
}

// readTable has no engine for a table that isn't there.
func readTable(ctx context.Context, db *sql.DB, n rowimage.TableName) (*table, error) {
	t := &table{TableName: n}
	err := query(ctx, db, func(scan func(...any) error) error { return scan(&t.engine) },
		"SELECT COALESCE(ENGINE, '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", n.Schema, n.Table)
	if err != nil {
		return nil, err
	}
	err = query(ctx, db, func(scan func(...any) error) error {
		var c column
		var extra string
		err := scan(&c.Name, &c.DataType, &c.TypeText, &c.Charset, &extra)
		c.virtual = strings.Contains(extra, "VIRTUAL GENERATED")
		c.computed = c.virtual || strings.Contains(extra, "STORED GENERATED")
		t.columns = append(t.columns, c)
		return err
	}, "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COALESCE(CHARACTER_SET_NAME, ''), COALESCE(EXTRA, '') "+
		"FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION", n.Schema, n.Table)
	if err != nil {
		return nil, err
	}
	if err := t.readKey(ctx, db); err != nil {
		return nil, err
	}
	return t, t.readParentKeys(ctx, db)
}

// readKey finds the primary key, or else the first unique one that can hold no
// NULL.
func (t *table) readKey(ctx context.Context, db *sql.DB) error {
	type key struct {
		name    string
		columns []string
		unfit   bool
	}
	var keys []key
	err := query(ctx, db, func(scan func(...any) error) error {
		var name, nullable string
		var column sql.NullString
		if err := scan(&name, &column, &nullable); err != nil {
			return err
		}
		if len(keys) == 0 || keys[len(keys)-1].name != name {
			keys = append(keys, key{name: name})
		}
		k := &keys[len(keys)-1]
		k.columns = append(k.columns, column.String)
		k.unfit = k.unfit || !column.Valid || nullable == "YES"
		return nil
	}, "SELECT INDEX_NAME, COLUMN_NAME, NULLABLE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? "+
		"AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX", t.Schema, t.Table)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(keys, func(k key) bool { return !k.unfit }); i >= 0 {
		t.key, t.keyName = keys[i].columns, keys[i].name
	}
	return nil
}

func (t *table) readParentKeys(ctx context.Context, db *sql.DB) error {
	var last string
	return query(ctx, db, func(scan func(...any) error) error {
		var constraint, column, onDelete, onUpdate string
		var child rowimage.TableName
		if err := scan(&constraint, &child.Schema, &child.Table, &column, &onDelete, &onUpdate); err != nil {
			return err
		}
		changes := func(rule string) bool { return rule == "CASCADE" || rule == "SET NULL" || rule == "SET DEFAULT" }
		if id := child.Schema + "\x00" + constraint; id != last {
			last = id
			t.parents = append(t.parents, parentKey{child: child, onDelete: changes(onDelete), onUpdate: changes(onUpdate)})
		}
		k := &t.parents[len(t.parents)-1]
		k.columns = append(k.columns, column)
		return nil
	}, "SELECT k.CONSTRAINT_NAME, k.TABLE_SCHEMA, k.TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE "+
		"FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r "+
		"ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME "+
		"WHERE k.REFERENCED_TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME = ? "+
		"ORDER BY k.TABLE_SCHEMA, k.CONSTRAINT_NAME, k.ORDINAL_POSITION", t.Schema, t.Table)
}

// query calls row for each row of the result.
func query(ctx context.Context, db mysql.Querier, row func(scan func(...any) error) error, text string, args ...any) error {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// same is the condition that the columns of two tables, named by their aliases,
// hold the same to the byte, whatever the collation says. Virtual columns are
// left out: they follow from the others.
func (t *table) same(a, b string) string {
	var all []string
	for _, c := range t.columns {
		if c.virtual {
			continue
		}
		x, y := a+"."+rowimage.QuoteName(c.Name), b+"."+rowimage.QuoteName(c.Name)
		switch form := c.Exact(); form {
		case "":
			all = append(all, x+" <=> "+y)
		default:
			all = append(all, fmt.Sprintf(form, x)+" <=> "+fmt.Sprintf(form, y))
		}
	}
	return strings.Join(all, " AND ")
}

// index is the position of a column, -1 if it isn't there.
func (t *table) index(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(c.Name, name) })
}
