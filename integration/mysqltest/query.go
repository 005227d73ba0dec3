package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"
)

// MustExec runs statements as root and ends the test if one fails.
func (s *Server) MustExec(t testing.TB, statements ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it may be called from a Cleanup
	for _, statement := range statements {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %s: %v", s.Name, shorten(statement), err)
		}
	}
}

// Value is the first column of the query's first row, as text: NULL is "NULL", and "" if there is no row.
func (s *Server) Value(t testing.TB, query string, args ...any) string {
	t.Helper()
	rows := s.Rows(t, query, args...)
	if len(rows) == 0 || len(rows[0]) == 0 {
		return ""
	}
	return rows[0][0]
}

// Rows is the query's result as text, NULL as "NULL"; it ends the test if the query fails.
func (s *Server) Rows(t testing.TB, query string, args ...any) [][]string {
	t.Helper()
	rows, err := textRows(context.WithoutCancel(t.Context()), s.db, query, args...)
	if err != nil {
		t.Fatalf("%s: %s: %v", s.Name, shorten(query), err)
	}
	return rows
}

// UUID is the server_uuid.
func (s *Server) UUID(t testing.TB) string {
	t.Helper()
	return s.Value(t, "SELECT @@GLOBAL.server_uuid")
}

// GTIDExecuted is gtid_executed, on one line.
func (s *Server) GTIDExecuted(t testing.TB) string {
	t.Helper()
	return s.Value(t, "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')")
}

// WaitGTID waits until the server has executed the whole set, and ends the test if that takes longer than the timeout.
// The server may be down or restarted meanwhile.
func WaitGTID(t testing.TB, s *Server, set string, timeout time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	missing, last := "everything", error(nil)
	for {
		err := s.db.QueryRowContext(ctx, "SELECT GTID_SUBTRACT(?, @@GLOBAL.gtid_executed)", set).Scan(&missing)
		if err == nil && missing == "" {
			return
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s still lacks %s of %s after %s (last error: %v)", s.Name, missing, set, timeout, last)
		case <-time.After(pollInterval):
		}
	}
}

// querier is a *sql.DB or a *sql.Conn.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func textRows(ctx context.Context, db querier, query string, args ...any) ([][]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var result [][]string
	for rows.Next() {
		row := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		text := make([]string, len(columns))
		for i, value := range row {
			text[i] = value.String
			if !value.Valid {
				text[i] = "NULL"
			}
		}
		result = append(result, text)
	}
	return result, rows.Err()
}

func shorten(statement string) string {
	const most = 200
	if len(statement) <= most {
		return statement
	}
	return fmt.Sprintf("%s… (%d bytes)", statement[:most], len(statement))
}
