package keys

import (
	"fmt"
	"strings"
	"testing"

	"github.com/batondb/baton/applier/writeset"
	"github.com/batondb/baton/binlog/rowimage"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"
)

// printable is a row for each character of printable ASCII, in one column c.
const printable = "WITH RECURSIVE n AS (SELECT 32 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 126), " +
	"a AS (SELECT CAST(CONVERT(CHAR(i) USING ascii) AS CHAR CHARACTER SET %[1]s) COLLATE %[2]s AS c, LOWER(CONVERT(CHAR(i) USING ascii)) COLLATE ascii_bin AS same FROM n) "

// Under the collations that are folded every character of printable ASCII has a
// weight, which no other has but the same letter in the other case, and which it
// keeps beside any other: so texts of other such characters are other texts.
func TestFoldedCollationsTellASCIIApart(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Relaxed())
	for _, collation := range folded {
		charset := s.Value(t, "SELECT CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME = ?", collation)
		if charset == "" {
			require.True(t, strings.HasPrefix(collation, "utf8_"), "%s is a collation", collation)
			continue // the name of utf8mb3's on MySQL 8.0
		}
		with := fmt.Sprintf(printable, charset, collation)
		equal := s.Rows(t, with+"SELECT x.c, y.c FROM a x JOIN a y ON x.c = y.c WHERE x.same <> y.same")
		require.Empty(t, equal, "%s: equal characters", collation)
		ignored := s.Rows(t, with+"SELECT x.c FROM a x WHERE CONCAT('a', x.c, 'b') = 'ab'")
		require.Empty(t, ignored, "%s: characters without weight", collation)
		if strings.Contains(collation, "_0900_as_") {
			continue // it tells apart whatever utf8mb4_0900_ai_ci does; its weights come in levels
		}
		joined := s.Rows(t, with+"SELECT x.c, y.c FROM a x, a y WHERE x.c <> ' ' AND y.c <> ' ' AND "+
			"HEX(WEIGHT_STRING(CONCAT(x.c, y.c))) <> CONCAT(HEX(WEIGHT_STRING(x.c)), HEX(WEIGHT_STRING(y.c)))")
		require.Empty(t, joined, "%s: characters that are another one together", collation)
	}
}

// What is read of a table's keys, and which of them of what can be compared.
func TestKeysAreRead(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.Relaxed())
	s.MustExec(t, "CREATE DATABASE d CHARACTER SET utf8mb4",
		"CREATE TABLE d.p (id INT UNSIGNED PRIMARY KEY, c VARCHAR(9) COLLATE latin1_swedish_ci, e ENUM('a'), UNIQUE c (c), UNIQUE u (e, c), UNIQUE ex ((id + 1)), UNIQUE pre (c(2)))",
		"CREATE TABLE d.k (a TIME(2) NOT NULL, b DECIMAL(7,3) NOT NULL, r INT UNSIGNED, c VARCHAR(20) COLLATE latin1_swedish_ci, g INT AS (r + 1) UNIQUE, UNIQUE (a, b), "+
			"FOREIGN KEY (r) REFERENCES d.p (id), CONSTRAINT sets FOREIGN KEY (c) REFERENCES d.p (c) ON DELETE SET NULL)",
		"CREATE TABLE d.m (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE VIEW d.v AS SELECT * FROM d.p")
	ask := func(query string, row func([]string)) error {
		for _, r := range s.Rows(t, query) {
			row(r)
		}
		return nil
	}
	read := func(table string) *reader {
		r := &reader{ask: ask, schema: literal("d"), table: literal(table)}
		r.definition.Identity = -1
		r.readColumns()
		r.readUnique()
		r.readReferences()
		r.readReferenced()
		require.NoError(t, r.err)
		return r
	}
	id := writeset.Part{Column: 0, Compared: writeset.Exact, NotNull: true}
	c := writeset.Part{Column: 1, Compared: writeset.Folded}
	p := read("p").definition
	require.Equal(t, []writeset.Key{{id}, {c}, {{Column: -1}}, {{Column: 1}}, {{Column: 2}, c}}, p.Unique)
	require.Equal(t, 0, p.Identity)
	require.Equal(t, []writeset.Referenced{{Key: writeset.Key{{Column: 0, Compared: writeset.Exact, NotNull: true}}, Names: []string{"id"}},
		{Key: writeset.Key{c}, Names: []string{"c"}, Cascades: true}}, p.Referenced)
	k := read("k").definition
	require.Equal(t, []writeset.Key{{{Column: 0, Compared: writeset.Exact, NotNull: true}, {Column: 1, Compared: writeset.Exact, NotNull: true}},
		{{Column: -1}}}, k.Unique)
	require.Equal(t, 0, k.Identity)
	require.Equal(t, []writeset.Reference{{Key: writeset.Key{{Column: 2, Compared: writeset.Exact}}, Parent: "d.p", Names: []string{"id"}},
		{Key: writeset.Key{{Column: 3, Compared: writeset.Folded}}, Parent: "d.p", Names: []string{"c"}}}, k.References)
	for _, table := range []string{"m", "v", "none"} {
		read, err := Read(ask, rowimage.TableName{Schema: "d", Table: table})
		require.NoError(t, err)
		require.Nil(t, read, table)
	}
}

// A column holds the leader's values as they are only where it has the leader's
// type.
func TestColumnsHoldTheirOwnTypes(t *testing.T) {
	for _, c := range []struct {
		column column
		typ    byte
		meta   uint16
		holds  bool
	}{
		{column{dataType: "int"}, mysql.MYSQL_TYPE_LONG, 0, true},
		{column{dataType: "int"}, mysql.MYSQL_TYPE_LONGLONG, 0, false},
		{column{dataType: "tinyint"}, mysql.MYSQL_TYPE_SHORT, 0, false},
		{column{dataType: "datetime", precision: 3}, mysql.MYSQL_TYPE_DATETIME2, 3, true},
		{column{dataType: "datetime", precision: 0}, mysql.MYSQL_TYPE_DATETIME2, 3, false},
		{column{dataType: "timestamp", precision: 0}, mysql.MYSQL_TYPE_DATETIME2, 0, false},
		{column{dataType: "decimal", precision: 7, scale: 3}, mysql.MYSQL_TYPE_NEWDECIMAL, 7<<8 | 3, true},
		{column{dataType: "decimal", precision: 7, scale: 2}, mysql.MYSQL_TYPE_NEWDECIMAL, 7<<8 | 3, false},
		{column{dataType: "bit", precision: 9}, mysql.MYSQL_TYPE_BIT, 1<<8 | 1, true},
		{column{dataType: "bit", precision: 8}, mysql.MYSQL_TYPE_BIT, 1<<8 | 1, false},
		{column{dataType: "varchar", octets: 40}, mysql.MYSQL_TYPE_VARCHAR, 40, true},
		{column{dataType: "varchar", octets: 39}, mysql.MYSQL_TYPE_VARCHAR, 40, false},
		{column{dataType: "char", octets: 1020}, mysql.MYSQL_TYPE_STRING, 0xcefc, true}, // CHAR(255) of four bytes each
		{column{dataType: "char", octets: 1019}, mysql.MYSQL_TYPE_STRING, 0xcefc, false},
		{column{dataType: "varchar", octets: 40}, mysql.MYSQL_TYPE_LONG, 0, false},
		{column{dataType: "binary", octets: 4}, mysql.MYSQL_TYPE_STRING, 0xf701, false}, // ENUM
	} {
		require.Equal(t, c.holds, c.column.holds(c.typ, c.meta), "%+v", c)
	}
}
