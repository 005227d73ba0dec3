package mysql_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/batondb/baton/internal/mysql"
	"github.com/stretchr/testify/require"
)

// runSQL runs the statements of a finding as root.
func runSQL(t *testing.T, s *mysqltest.Server, statements string) {
	t.Helper()
	for statement := range strings.SplitSeq(statements, "; ") {
		s.MustExec(t, statement)
	}
}

// A need is what an account can't do without one privilege: prepare and tidy
// are run as root, do as the account.
type need struct {
	prepare, tidy []string
	do            string
	fails         bool // for another reason than a privilege
}

// needs has a statement of baton's own, or of a leader's that it replays, for
// each privilege. What can't be shown by one statement is shown elsewhere: the
// dump (REPLICATION SLAVE) in binlog/source, BINLOG in applier/session.
func needs() map[string]need {
	drop := []string{"DROP TABLE t.x", "DROP TABLE t.y"}
	return map[string]need{
		"REPLICATION SLAVE":               {do: "SHOW REPLICAS"},
		"REPLICATION CLIENT":              {do: "SHOW REPLICA STATUS"},
		"REPLICATION_APPLIER":             {do: "BINLOG 'AAAA'", fails: true},
		"TRANSACTION_GTID_TAG":            {do: "SET gtid_next = 'AUTOMATIC:tag'"},
		"CREATE_SPATIAL_REFERENCE_SYSTEM": {do: "DROP SPATIAL REFERENCE SYSTEM IF EXISTS 990000"},
		"CONNECTION_ADMIN":                {prepare: []string{"SET GLOBAL read_only = ON"}, do: "INSERT INTO t.a VALUES (1, 1) ON DUPLICATE KEY UPDATE n = 1", tidy: []string{"SET GLOBAL read_only = OFF"}},
		"SYSTEM_VARIABLES_ADMIN":          {do: "SET GLOBAL read_only = OFF"},
		"PERSIST_RO_VARIABLES_ADMIN":      {do: "SET PERSIST_ONLY super_read_only = ON", tidy: []string{"RESET PERSIST"}},
		"SELECT":                          {do: "CREATE TABLE t.x LIKE t.a", tidy: drop},
		"INSERT":                          {prepare: []string{"CREATE TABLE t.x (id INT)"}, do: "RENAME TABLE t.x TO t.y", tidy: drop},
		"UPDATE":                          {do: "UPDATE t.a SET n = 2"},
		"DELETE":                          {do: "DELETE FROM t.a"},
		"CREATE":                          {do: "CREATE TABLE t.x (id INT)", tidy: drop},
		"DROP":                            {prepare: []string{"CREATE TABLE t.x (id INT)"}, do: "TRUNCATE TABLE t.x", tidy: drop},
		"ALTER":                           {do: "ALTER TABLE t.a COMMENT = 'x'"},
		"INDEX":                           {do: "CREATE INDEX i ON t.a (n)", tidy: []string{"ALTER TABLE t.a DROP INDEX i"}},
		"REFERENCES":                      {do: "CREATE TABLE t.x (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES t.a (id))", tidy: drop},
		"PROCESS":                         {do: "SELECT COUNT(*) FROM information_schema.INNODB_TRX"},
		"CREATE VIEW":                     {do: "CREATE DEFINER=someone@localhost VIEW t.v AS SELECT * FROM t.a", tidy: []string{"DROP VIEW t.v"}},
		"CREATE ROUTINE":                  {do: "CREATE DEFINER=someone@localhost FUNCTION t.f() RETURNS INT RETURN 1", tidy: []string{"DROP FUNCTION t.f"}},
		"ALTER ROUTINE":                   {prepare: []string{"CREATE PROCEDURE t.p() SELECT 1"}, do: "DROP PROCEDURE t.p", tidy: []string{"DROP PROCEDURE t.p"}},
		"EVENT":                           {do: "CREATE DEFINER=someone@localhost EVENT t.e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1", tidy: []string{"DROP EVENT t.e"}},
		"TRIGGER":                         {do: "CREATE DEFINER=someone@localhost TRIGGER t.g BEFORE INSERT ON t.a FOR EACH ROW SET @x = 1", tidy: []string{"DROP TRIGGER t.g"}},
		"SET_USER_ID":                     {do: "CREATE DEFINER=someone@localhost VIEW t.v AS SELECT * FROM t.a", tidy: []string{"DROP VIEW t.v"}},
		"SET_ANY_DEFINER":                 {do: "CREATE DEFINER=someone@localhost VIEW t.v AS SELECT * FROM t.a", tidy: []string{"DROP VIEW t.v"}},
		"ALLOW_NONEXISTENT_DEFINER":       {do: "CREATE DEFINER=gone@localhost VIEW t.v AS SELECT * FROM t.a", tidy: []string{"DROP VIEW t.v"}},
		"CREATE TABLESPACE":               {do: "CREATE TABLESPACE s ADD DATAFILE 's.ibd'", tidy: []string{"DROP TABLESPACE s"}},
		"RELOAD":                          {do: "FLUSH PRIVILEGES"},
		"XA_RECOVER_ADMIN":                {do: "XA RECOVER"},
		"CREATE USER":                     {do: "CREATE ROLE x", tidy: []string{"DROP ROLE x"}},
		"ROLE_ADMIN":                      {do: "GRANT r TO someone@localhost", tidy: []string{"REVOKE r FROM someone@localhost"}},
		"SYSTEM_USER":                     {do: "ALTER USER boss@localhost COMMENT 'x'"},
		"EXECUTE":                         {do: "GRANT EXECUTE ON t.* TO someone@localhost"},
		"SHOW VIEW":                       {do: "GRANT SHOW VIEW ON t.* TO someone@localhost"},
		"LOCK TABLES":                     {do: "GRANT LOCK TABLES ON t.* TO someone@localhost"},
		"CREATE TEMPORARY TABLES":         {do: "GRANT ALL ON t.* TO someone@localhost"},
		"GRANT OPTION":                    {do: "GRANT SELECT ON t.* TO someone@localhost"},
	}
}

func TestTheGrantIsEnoughAndNoLessIs(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Name("db1"), mysqltest.Relaxed(), mysqltest.Setting("log_bin_trust_function_creators", "ON"))
	s.MustExec(t, "CREATE DATABASE t", "CREATE TABLE t.a (id INT PRIMARY KEY, n INT)", "CREATE ROLE r", "CREATE USER someone@localhost",
		"CREATE USER boss@localhost", "GRANT SYSTEM_USER ON *.* TO boss@localhost", "CREATE USER p IDENTIFIED BY 'pass'")
	version := mysql.ParseVersion(s.Value(t, "SELECT VERSION()"), "")
	target := targetOf(s)
	target.User, target.Password = "p", config.NewSecret("pass")
	full := mysql.Grant(version, "p")
	needs := needs()
	attempt := func(n need, without string) error {
		s.MustExec(t, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM p", full)
		if without != "" {
			s.MustExec(t, "REVOKE "+without+" ON *.* FROM p")
		}
		s.MustExec(t, n.prepare...)
		db, err := target.Open()
		require.NoError(t, err)
		defer db.Close()
		db.SetMaxIdleConns(0)
		err = run(db, n.do)
		for _, statement := range n.tidy {
			_, _ = s.DB().Exec(statement) // it fails where do has failed
		}
		return err
	}
	for _, p := range mysql.Privileges(version) {
		n, known := needs[p.Name]
		require.True(t, known, "%s is granted and nothing shows why", p.Name)
		err := attempt(n, "")
		if n.fails {
			require.NotEqual(t, mysql.PrivilegeMissing, mysql.Classify(err).Kind, "with all: %s: %v", n.do, err)
		} else {
			require.NoError(t, err, "with all: %s", n.do)
		}
		require.Error(t, attempt(n, p.Name), "without %s: %s", p.Name, n.do)
		found := checkPrivileges(t, target)
		require.Equal(t, onlyThat(p.Name, "`p`@`%`"), found.SQL, "it names exactly what is missing")
		want := mysql.Warn
		if p.Required {
			want = mysql.Error
		}
		require.Equal(t, want, found.Level, "without %s", p.Name)
		require.Contains(t, found.Message, p.Name)
		s.MustExec(t, found.SQL)
		require.Equal(t, mysql.OK, checkPrivileges(t, target).Level, "with it again")
	}

	// A dynamic privilege has a GRANT OPTION of its own.
	s.MustExec(t, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM p", full, "REVOKE XA_RECOVER_ADMIN ON *.* FROM p", "GRANT XA_RECOVER_ADMIN ON *.* TO p")
	found := checkPrivileges(t, target)
	require.Equal(t, "GRANT XA_RECOVER_ADMIN ON *.* TO `p`@`%` WITH GRANT OPTION", found.SQL)
	s.MustExec(t, found.SQL)
	require.Equal(t, mysql.OK, checkPrivileges(t, target).Level)

	s.MustExec(t, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM p")
	found = checkPrivileges(t, target)
	require.Equal(t, mysql.Error, found.Level)
	s.MustExec(t, found.SQL)
	require.Equal(t, mysql.OK, checkPrivileges(t, target).Level, found.Message)
}

// checkPrivileges is what `baton check` says about the account of a target.
func checkPrivileges(t *testing.T, target mysql.Target) mysql.Finding {
	t.Helper()
	members := surveyAll(t.Context(), []mysql.Target{target}, target.Name, false)
	return find(t, mysql.Examine(mysql.Cluster{Members: members}), target.Name, mysql.SubjectPrivileges)
}

// onlyThat is the statement that grants one privilege. GRANT OPTION goes with
// USAGE; a dynamic privilege has one of its own.
func onlyThat(privilege, account string) string {
	switch {
	case privilege == "GRANT OPTION":
		return "GRANT USAGE ON *.* TO " + account + " WITH GRANT OPTION"
	case strings.Contains(privilege, "_"):
		return "GRANT " + privilege + " ON *.* TO " + account + " WITH GRANT OPTION"
	}
	return "GRANT " + privilege + " ON *.* TO " + account
}

// run executes a statement, reading the rows it may have.
func run(db *sql.DB, statement string) error {
	rows, err := db.Query(statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
