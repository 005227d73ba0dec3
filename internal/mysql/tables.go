package mysql

import (
	"context"
	"database/sql"
	"fmt"
)

// namedTables is how many tables of a kind are named; all are counted.
const namedTables = 5

// Tables are those of a server that replication has trouble with.
type Tables struct {
	NoKey            TableList // without a primary key or a unique key of NOT NULL columns
	NonTransactional TableList // of an engine without transactions
}

// A TableList is a number of tables and the first few names.
type TableList struct {
	Count int
	Names []string // `schema`.`table`, sorted, at most five
}

func (l *TableList) add(name string) {
	l.Count++
	if len(l.Names) < namedTables {
		l.Names = append(l.Names, name)
	}
}

// InspectTables reads the definitions of all tables that the account may see,
// which takes seconds where there are very many. Errors wrap a [*Fault].
func InspectTables(ctx context.Context, db *sql.DB) (Tables, error) {
	// A column is marked PRI for a primary key, and where there is none for the
	// first unique key that can't be NULL: what a row can be found by.
	rows, err := db.QueryContext(ctx, `
SELECT t.TABLE_SCHEMA, t.TABLE_NAME,
       NOT EXISTS (SELECT 1 FROM information_schema.COLUMNS c
                   WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME AND c.COLUMN_KEY = 'PRI'),
       COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'
FROM information_schema.TABLES t
LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_TYPE = 'BASE TABLE'
  AND t.TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')
ORDER BY t.TABLE_SCHEMA, t.TABLE_NAME`)
	if err != nil {
		return Tables{}, fmt.Errorf("read the tables' definitions: %w", Classify(err))
	}
	defer func() { _ = rows.Close() }()
	var all Tables
	for rows.Next() {
		var schema, table string
		var noKey, nonTransactional bool
		if err := rows.Scan(&schema, &table, &noKey, &nonTransactional); err != nil {
			return Tables{}, fmt.Errorf("read the tables' definitions: %w", Classify(err))
		}
		name := quoteName(schema) + "." + quoteName(table)
		if noKey {
			all.NoKey.add(name)
		}
		if nonTransactional {
			all.NonTransactional.add(name)
		}
	}
	if err := rows.Err(); err != nil {
		return Tables{}, fmt.Errorf("read the tables' definitions: %w", Classify(err))
	}
	return all, nil
}
