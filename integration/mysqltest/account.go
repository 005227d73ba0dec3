package mysqltest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// User and Password are the account that baton uses on the servers of a test.
const (
	User     = "baton"
	Password = "relay-race"
)

// Privileges is what baton's account is granted, ON *.*. A server knows only some of them: what a version does not
// have is left out.
//
// The static ones let it run whatever DDL and account statements the leader logged; WITH GRANT OPTION, because a GRANT
// is replayed too. Rows need none of them: REPLICATION_APPLIER lets BINLOG write any table.
func Privileges() []string {
	return []string{
		// To read the leader and to look at every instance.
		"REPLICATION SLAVE", "REPLICATION CLIENT", "PROCESS", "SELECT",
		// To apply, with the session context of each transaction, where read_only is ON.
		"REPLICATION_APPLIER", "SESSION_VARIABLES_ADMIN", "CONNECTION_ADMIN",
		// To merge a batch into gtid_purged, set read_only and semi-sync, and persist super_read_only for the next boot.
		"SYSTEM_VARIABLES_ADMIN", "PERSIST_RO_VARIABLES_ADMIN",
		// To replay DDL and what else is logged as a statement.
		"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "CREATE VIEW", "SHOW VIEW",
		"CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE", "EVENT", "TRIGGER", "CREATE TABLESPACE", "CREATE TEMPORARY TABLES",
		"LOCK TABLES", "RELOAD", "CREATE USER", "CREATE ROLE", "DROP ROLE", "ROLE_ADMIN", "XA_RECOVER_ADMIN", "SUPER",
		// To replay views, routines, triggers and events of other definers, and statements on system accounts; the
		// second and third replace the first since 8.2.
		"SET_USER_ID", "SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER", "SYSTEM_USER",
	}
}

// GrantStatement is the GRANT of the Privileges to an account on this server.
func (s *Server) GrantStatement(ctx context.Context, user string) (string, error) {
	known, err := textRows(ctx, s.db, "SHOW PRIVILEGES")
	if err != nil {
		return "", fmt.Errorf("ask %s which privileges it knows: %w", s.Name, err)
	}
	has := func(privilege string) bool {
		return slices.ContainsFunc(known, func(row []string) bool { return strings.EqualFold(row[0], privilege) })
	}
	var granted []string
	for _, privilege := range Privileges() {
		if has(privilege) {
			granted = append(granted, privilege)
		}
	}
	return fmt.Sprintf("GRANT %s ON *.* TO '%s'@'%%' WITH GRANT OPTION", strings.Join(granted, ", "), user), nil
}

// CreateAccount creates an account with the Privileges, without a trace in the binary log, so that servers on which it
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
