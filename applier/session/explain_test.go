package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/batondb/baton/applier/session"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"
)

// A refusal is a transaction that a follower refuses, and how it is mended.
type refusal struct {
	name   string
	before []string // run on the leader, and applied
	drift  []string // on the follower
	run    []string // on the leader, in one session
	code   uint16
	row    string // is in what is said of the row
	table  string
	cure   []string // on the follower
}

// What a follower refuses is told with the row, by its key and without what else
// is in it.
func TestRefusedRowIsNamed(t *testing.T) {
	refuse(t, []refusal{
		{
			name: "a row is gone", before: []string{"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(20))",
				"INSERT INTO d.t VALUES (1, 'secret'), (2, 'secret'), (3, 'secret')"},
			drift: []string{"DELETE FROM d.t WHERE id = 2"}, run: []string{"UPDATE d.t SET v = 'hidden'"},
			code: mysql.ER_KEY_NOT_FOUND, row: "row (id=2) of d.t isn't there", table: "d.t", cure: []string{"INSERT INTO d.t VALUES (2, 'secret')"},
		},
		{
			name: "in the third statement of a transaction, of another table than the first", before: []string{"CREATE TABLE d.u (id INT PRIMARY KEY, v INT)", "INSERT INTO d.u VALUES (1, 0), (2, 0)"},
			drift: []string{"DELETE FROM d.u WHERE id = 2"},
			run:   []string{"BEGIN", "INSERT INTO d.t VALUES (50, 'x')", "UPDATE d.t SET v = 'y' WHERE id = 50", "DELETE FROM d.u", "DELETE FROM d.t WHERE id = 50", "COMMIT"},
			code:  mysql.ER_KEY_NOT_FOUND, row: "row (id=2) of d.u isn't there", table: "d.u", cure: []string{"INSERT INTO d.u VALUES (2, 0)"},
		},
		{
			name: "keys that a statement moves", before: []string{"CREATE TABLE d.m (id INT PRIMARY KEY)", "INSERT INTO d.m VALUES (1), (2), (3), (4)"},
			drift: []string{"DELETE FROM d.m WHERE id = 1"}, run: []string{"UPDATE d.m SET id = id + 1 ORDER BY id DESC"},
			code: mysql.ER_KEY_NOT_FOUND, row: "row (id=1) of d.m isn't there", table: "d.m", cure: []string{"INSERT INTO d.m VALUES (1)"},
		},
		{
			name: "a key of many types", before: []string{
				"CREATE TABLE d.k (a BIGINT UNSIGNED, b CHAR(5) CHARACTER SET utf8mb4, c BINARY(4), d DECIMAL(10,2), e TIMESTAMP(3), f ENUM('x','y'), g DATETIME, h BIT(9), i TIME(2), j VARCHAR(300) CHARACTER SET latin1, PRIMARY KEY (a,b,c,d,e,f,g,h,i,j))",
				"INSERT INTO d.k VALUES (18446744073709551615, 'ä ', x'0100', -1.50, '2026-01-02 03:04:05.678', 'y', '2026-01-02 03:04:05', b'100000001', '-10:11:12.34', 'é'), " +
					"(1, 'b', x'01', 1, '2026-07-02 03:04:05.678', 'x', '2026-01-02 03:04:05', 1, '10:11:12.34', REPEAT('long', 50))"},
			drift: []string{"DELETE FROM d.k WHERE a = 1"}, run: []string{"SET time_zone='+07:00'", "DELETE FROM d.k ORDER BY a DESC"},
			code: mysql.ER_KEY_NOT_FOUND, row: "row (a=1, b='b', c=", table: "d.k",
			cure: []string{"INSERT INTO d.k VALUES (1, 'b', x'01', 1, '2026-07-02 03:04:05.678', 'x', '2026-01-02 03:04:05', 1, '10:11:12.34', REPEAT('long', 50))"},
		},
		{
			name: "no primary key but a unique one", before: []string{"CREATE TABLE d.q (a INT, b INT NOT NULL UNIQUE)", "INSERT INTO d.q VALUES (1, 1), (2, 2)"},
			drift: []string{"DELETE FROM d.q WHERE b = 2"}, run: []string{"DELETE FROM d.q"},
			code: mysql.ER_KEY_NOT_FOUND, row: "row (b=2) of d.q isn't there", table: "d.q", cure: []string{"INSERT INTO d.q VALUES (2, 2)"},
		},
		{
			name: "no key, one of the row's columns differs", before: []string{"CREATE TABLE d.n (a INT, b DECIMAL(8,2), c VARCHAR(9), f FLOAT)",
				"INSERT INTO d.n VALUES (1, 10.5, 'x', 0.1), (1, 10.5, 'x', 0.1), (2, NULL, 'y', 0.2)"},
			drift: []string{"UPDATE d.n SET c = 'z' WHERE a = 2"}, run: []string{"UPDATE d.n SET a = a + 10"},
			code: mysql.ER_KEY_NOT_FOUND, row: "d.n, which has no primary key, lacks the row that is number 3 of the statement; the row most like it differs in c", table: "d.n",
			cure: []string{"UPDATE d.n SET c = 'y' WHERE a = 2"},
		},
		{
			name: "no key, one of two equal rows is gone", before: []string{"INSERT INTO d.n VALUES (7, 7, '7', 7), (7, 7, '7', 7)"},
			drift: []string{"DELETE FROM d.n WHERE a = 7 LIMIT 1"}, run: []string{"DELETE FROM d.n WHERE a = 7"},
			code: mysql.ER_KEY_NOT_FOUND, row: "lacks the row that is number 2 of the statement", table: "d.n", cure: []string{"INSERT INTO d.n VALUES (7, 7, '7', 7)"},
		},
		{
			name: "a row too many", drift: []string{"INSERT INTO d.t VALUES (8, 'mine')"}, run: []string{"INSERT INTO d.t VALUES (7, 'a'), (8, 'b'), (9, 'c')"},
			code: mysql.ER_DUP_ENTRY, row: "row (id=8) of d.t is there already", table: "d.t", cure: []string{"DELETE FROM d.t WHERE id = 8"},
		},
		{
			name: "the value of another unique key", before: []string{"CREATE TABLE d.e (id INT PRIMARY KEY, mail VARCHAR(50) UNIQUE)", "INSERT INTO d.e VALUES (1, NULL), (2, NULL)"},
			drift: []string{"INSERT INTO d.e VALUES (99, 'a@b')"}, run: []string{"UPDATE d.e SET mail = IF(id = 2, 'a@b', NULL)"},
			code: mysql.ER_DUP_ENTRY, row: "row (id=2) of d.e would be the second with these values in the key mail", table: "d.e", cure: []string{"DELETE FROM d.e WHERE id = 99"},
		},
		{
			name: "incomplete images", before: []string{"CREATE TABLE d.i (id INT PRIMARY KEY, v VARCHAR(9), w INT)", "INSERT INTO d.i VALUES (1, 'v', 1), (2, 'w', 1)"},
			drift: []string{"DELETE FROM d.i WHERE id = 2"}, run: []string{"SET binlog_row_image=MINIMAL", "UPDATE d.i SET v = 'x'"},
			code: mysql.ER_KEY_NOT_FOUND, row: "row (id=2) of d.i isn't there", table: "d.i", cure: []string{"INSERT INTO d.i VALUES (2, 'w', 1)"},
		},
		{
			name: "a compressed transaction", before: []string{"CREATE TABLE `d`.`od``d` (`i``d` INT PRIMARY KEY)", "INSERT INTO `d`.`od``d` VALUES (1), (2)"},
			drift: []string{"DELETE FROM `d`.`od``d` WHERE `i``d` = 2"}, run: []string{"SET binlog_transaction_compression=ON", "DELETE FROM `d`.`od``d`"},
			code: mysql.ER_KEY_NOT_FOUND, row: "row (i`d=2) of d.od`d isn't there", table: "d.od`d", cure: []string{"INSERT INTO `d`.`od``d` VALUES (2)"},
		},
	})
}

// Where the leader's storage engine looks after foreign keys, the follower's does.
func TestRefusedForeignKeyIsNamed(t *testing.T) {
	refuse(t, []refusal{
		{
			name: "a parent is gone", before: []string{"CREATE DATABASE d", "CREATE TABLE d.parent (id INT PRIMARY KEY)", "CREATE TABLE d.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES d.parent (id))",
				"INSERT INTO d.parent VALUES (1), (2)"},
			drift: []string{"DELETE FROM d.parent WHERE id = 2"}, run: []string{"INSERT INTO d.child VALUES (5, 1), (6, NULL), (7, 2)"},
			code: mysql.ER_NO_REFERENCED_ROW_2, row: "row (id=7) of d.child refers to a row of d.parent that isn't there", table: "d.child", cure: []string{"INSERT INTO d.parent VALUES (2)"},
		},
		{
			name: "a child too many", drift: []string{"INSERT INTO d.child VALUES (70, 1)"}, before: []string{"DELETE FROM d.child", "INSERT INTO d.parent VALUES (0)"}, run: []string{"DELETE FROM d.parent"},
			code: mysql.ER_ROW_IS_REFERENCED_2, row: "rows of d.child refer to row (id=1) of d.parent", table: "d.parent", cure: []string{"DELETE FROM d.child"},
		},
	}, mysqltest.Setting("innodb_native_foreign_keys", "ON"))
}

func refuse(t *testing.T, cases []refusal, opts ...mysqltest.Option) {
	leader, follower := pair(t, opts...)
	s := open(t, follower)
	done := 0
	// apply applies what is new and returns the first error.
	apply := func() error {
		for _, tx := range binlogtest.Read(t, leader)[done:] {
			if err := s.Apply(t.Context(), tx); err != nil {
				return err
			}
			done++
		}
		return nil
	}
	for _, c := range cases {
		runAll(t, leader, c.before)
		require.NoError(t, apply(), c.name)
		require.NoError(t, follower.ExecUnlogged(t.Context(), append([]string{"SET foreign_key_checks=0"}, c.drift...)...), c.name)
		runAll(t, leader, c.run)
		err := apply()
		var e *session.Error
		require.True(t, errors.As(err, &e), "%s: %v", c.name, err)
		require.Equal(t, session.Refused, e.Kind, c.name)
		require.Equal(t, c.code, e.Code(), "%s: %v", c.name, e)
		require.True(t, strings.Contains(e.Row, c.row), "%s: wanted %q: %v", c.name, c.row, e)
		require.Equal(t, []string{c.table}, e.Tables, c.name)
		require.Contains(t, e.Error(), e.Row)
		require.NotContains(t, e.Error(), "secret")
		require.NotEmpty(t, e.Mend, c.name)

		require.NoError(t, follower.ExecUnlogged(t.Context(), c.cure...), c.name)
		require.NoError(t, apply(), c.name)
	}
	mysqltest.AssertSameData(t, leader, follower)
}
