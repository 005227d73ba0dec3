package mysqltest

import (
	"context"
	"fmt"
	"testing"

	"github.com/batondb/baton/internal/mysql"
)

// User and Password are the account that baton uses on the servers of a test.
const (
	User     = "baton"
	Password = "relay-race"
)

// GrantStatement is the GRANT of what baton's account needs on this server, and of no more, to an account.
func (s *Server) GrantStatement(ctx context.Context, user string) (string, error) {
	var version, comment string
	if err := s.db.QueryRowContext(ctx, "SELECT VERSION(), @@version_comment").Scan(&version, &comment); err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", s.Name, err)
	}
	return mysql.Grant(mysql.ParseVersion(version, comment), fmt.Sprintf("'%s'@'%%'", user)), nil
}

// CreateAccount creates an account with the privileges that baton's needs, without a trace in the binary log, so that servers on which it
// is done one by one still have equal GTID sets.
func (s *Server) CreateAccount(ctx context.Context, user, password string) error {
	grant, err := s.GrantStatement(ctx, user)
	if err != nil {
		return err
	}
	err = s.ExecUnlogged(ctx, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", user, password), grant)
	if err != nil {
		return fmt.Errorf("create account %s on %s: %w", user, s.Name, err)
	}
	return nil
}

// MustCreateAccount creates the account User with Password, or ends the test.
func (s *Server) MustCreateAccount(t testing.TB) {
	t.Helper()
	if err := s.CreateAccount(t.Context(), User, Password); err != nil {
		t.Fatal(err)
	}
}

// ExecUnlogged runs statements as root in one session with sql_log_bin=0: they get no GTIDs.
func (s *Server) ExecUnlogged(ctx context.Context, statements ...string) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer conn.ExecContext(context.WithoutCancel(ctx), "SET SESSION sql_log_bin = 1") // it goes back to the pool
	for _, statement := range append([]string{"SET SESSION sql_log_bin = 0"}, statements...) {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", shorten(statement), err)
		}
	}
	return nil
}
