package binlogtest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/mysqltest"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

var record = flag.Bool("record", false, "record the binlog anew that fuzzing begins with")

// statements are run in one session, to have all types of events and values.
var statements = []string{
	"CREATE DATABASE d",
	"CREATE TABLE d.numbers (id BIGINT UNSIGNED PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT UNSIGNED, " +
		"e DECIMAL(30,10), f FLOAT, g DOUBLE, h BIT(13), i BOOL, j YEAR)",
	"CREATE TABLE d.times (id INT PRIMARY KEY, a DATE, b TIME(6), c DATETIME(3), d TIMESTAMP(6) NULL, e TIMESTAMP NULL, f TIME, g DATETIME)",
	"CREATE TABLE d.texts (id VARCHAR(20) PRIMARY KEY, a CHAR(30) CHARACTER SET utf8mb4, b VARCHAR(400), c TEXT, d MEDIUMBLOB, " +
		"e BINARY(4), f VARBINARY(20), g ENUM('x','y''z'), h SET('a','b','c'), i LONGTEXT CHARACTER SET utf16, j TINYBLOB)",
	"CREATE TABLE d.others (id INT PRIMARY KEY, a JSON, b POINT SRID 4326, c GEOMETRY, d VECTOR(3), e INT AS (id + 1) STORED, f INT INVISIBLE DEFAULT 7)",
	"CREATE TABLE d.plain (a INT, b INT)",
	"INSERT INTO d.numbers VALUES (1, -1, 2, -3, 4, '-12345678901234567890.0123456789', 0.1, 0.2, b'1010101010101', TRUE, 2026), " +
		"(18446744073709551615, NULL, NULL, NULL, 4294967295, NULL, NULL, NULL, NULL, NULL, 0)",
	"INSERT INTO d.times VALUES (1, '2026-01-02', '-12:13:14.000015', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05', '838:59:59', '1000-01-01')",
	"INSERT INTO d.texts VALUES ('k', 'ä', REPEAT('b', 300), 'c', x'00ff', x'01', x'02', \"y'z\", 'a,c', 'Ω', '')",
	`INSERT INTO d.others (id, a, b, c, d) VALUES (1, '{"a": [1, -2, 3.5, "x", null, true, {"b": {}}], "t": "2026", "long": "` + "0123456789012345678901234567890123456789" + `"}', ` +
		"ST_GeomFromText('POINT(1 2)', 4326), ST_GeomFromText('LINESTRING(0 0,1 1)'), TO_VECTOR('[1,2,3]'))",
	"INSERT INTO d.others (id, a) VALUES (2, JSON_ARRAY(CAST('2026-01-02 03:04:05.6' AS DATETIME(1)), CAST(1.5 AS DECIMAL(5,2)), CAST('12:13:14' AS TIME), 1e300, 18446744073709551615))",
	"UPDATE d.numbers SET a = a + 1",
	"UPDATE d.texts SET c = 'cc', g = 'x'",
	"SET SESSION binlog_row_value_options=PARTIAL_JSON",
	`UPDATE d.others SET a = JSON_REMOVE(JSON_SET(a, '$.a[0]', '{"x": 1}'), '$.t') WHERE id = 1`,
	"SET SESSION binlog_row_value_options=''",
	"SET SESSION binlog_row_image=MINIMAL",
	"UPDATE d.texts SET b = 'b'",
	"UPDATE d.times SET a = '2026-02-03'",
	"SET SESSION binlog_row_image=FULL",
	"DELETE FROM d.times",
	"SET SESSION binlog_rows_query_log_events=ON",
	"BEGIN", "INSERT INTO d.plain VALUES (1, 2), (1, 2)", "SAVEPOINT a", "DELETE FROM d.plain LIMIT 1", "ROLLBACK TO a", "INSERT INTO d.plain VALUES (3, NULL)", "COMMIT",
	"SET SESSION binlog_rows_query_log_events=OFF",
	"SET SESSION binlog_transaction_compression=ON",
	"BEGIN", "INSERT INTO d.plain SELECT 5, 6 FROM d.numbers", "UPDATE d.plain SET b = 8", "COMMIT",
	"SET SESSION binlog_transaction_compression=OFF",
	"XA START 'x', 'y', 3", "INSERT INTO d.plain VALUES (7, 7)", "XA END 'x', 'y', 3", "XA PREPARE 'x', 'y', 3", "XA COMMIT 'x', 'y', 3",
	"XA START 'z'", "INSERT INTO d.plain VALUES (8, 8)", "XA END 'z'", "XA COMMIT 'z' ONE PHASE",
	"SET SESSION gtid_next='AUTOMATIC:tag'", "INSERT INTO d.plain VALUES (9, 9)", "SET SESSION gtid_next='AUTOMATIC'",
	"CREATE TABLE d.made SELECT * FROM d.plain",
	"SET time_zone='+05:30', sql_mode='ANSI', auto_increment_increment=3, lc_time_names='de_DE', foreign_key_checks=0",
	"CREATE TABLE d.dated (a TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6))",
	"CREATE USER u@localhost IDENTIFIED BY 'secret'",
	"SET SESSION binlog_format=STATEMENT",
	"SET @v = 5",
	"INSERT INTO d.plain VALUES (@v, 1)",
	"INSERT INTO d.plain VALUES (FLOOR(RAND() * 10), LAST_INSERT_ID())",
	"SET SESSION binlog_format=ROW",
	"DROP TABLE d.plain, d.made",
}

// TestRecordedHoldsEachTypeOfEvent also makes the recording, if it is asked to.
func TestRecordedHoldsEachTypeOfEvent(t *testing.T) {
	if *record {
		s := mysqltest.Start(t)
		conn, err := s.DB().Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), "SET GLOBAL binlog_row_metadata=FULL")
		require.NoError(t, err)
		for _, statement := range statements {
			_, err := conn.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		row := s.Rows(t, "SHOW BINARY LOGS")
		require.Len(t, row, 1)
		raw, err := os.ReadFile(filepath.Join(s.DataDir, row[0][0]))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("testdata/recorded.binlog", raw, 0o644))
		recording = raw
	}
	format, events := Recorded(t)
	held := map[binlog.EventType]bool{}
	for _, e := range events {
		require.NoError(t, e.VerifyChecksum(format))
		held[e.Type()] = true
	}
	_, unwrapped := Unwrapped(t)
	require.Greater(t, len(unwrapped), len(events), "with those inside a compressed transaction")
	for _, typ := range []binlog.EventType{
		replication.FORMAT_DESCRIPTION_EVENT, replication.PREVIOUS_GTIDS_EVENT, replication.GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT,
		replication.QUERY_EVENT, replication.XID_EVENT, replication.XA_PREPARE_LOG_EVENT, replication.TABLE_MAP_EVENT,
		replication.WRITE_ROWS_EVENTv2, replication.UPDATE_ROWS_EVENTv2, replication.DELETE_ROWS_EVENTv2, replication.PARTIAL_UPDATE_ROWS_EVENT,
		replication.ROWS_QUERY_EVENT, replication.TRANSACTION_PAYLOAD_EVENT, replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT,
	} {
		require.True(t, held[typ], "%s", typ)
	}
}
