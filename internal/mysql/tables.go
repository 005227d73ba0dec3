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
	// Events are those that are DISABLE ON REPLICA, as native replication leaves
	// them on a replica: no scheduler runs them, whoever leads.
	Events TableList
}

// A TableList is a number of tables, or of events, and the first few names.
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
	if all.Events, err = inspectEvents(ctx, db); err != nil {
		return Tables{}, fmt.Errorf("read the events: %w", Classify(err))
	}
	return all, nil
}

// inspectEvents reads those that wait for somebody to enable them. Their state is
// SLAVESIDE_DISABLED in 8.0, REPLICA_SIDE_DISABLED in 8.4.
func inspectEvents(ctx context.Context, db *sql.DB) (events TableList, err error) {
	rows, err := db.QueryContext(ctx, `
SELECT EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS
WHERE STATUS IN ('SLAVESIDE_DISABLED', 'REPLICA_SIDE_DISABLED') ORDER BY EVENT_SCHEMA, EVENT_NAME`)
	if err != nil {
		return events, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var schema, event string
		if err := rows.Scan(&schema, &event); err != nil {
			return events, err
		}
		events.add(quoteName(schema) + "." + quoteName(event))
	}
	return events, rows.Err()
}
