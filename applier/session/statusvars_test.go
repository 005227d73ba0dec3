package session

import (
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

func TestStatusVarsAreReadWhole(t *testing.T) {
	v, err := parseStatusVars([]byte{
		varFlags2, 0, 0x40, 0, 0x04,
		varSQLMode, 1, 2, 0, 0, 0, 0, 0, 0,
		varCatalog, 3, 's', 't', 'd',
		varAutoIncrement, 2, 0, 1, 0,
		varCharset, 255, 0, 45, 0, 8, 0,
		varTimeZone, 6, '+', '0', '5', ':', '3', '0',
		varTimeNames, 4, 0,
		varDatabaseCharset, 8, 0,
		varTablesUpdated, 1, 0, 0, 0, 0, 0, 0, 0,
		varInvoker, 1, 'u', 2, 'h', 'h',
		varUpdatedDatabases, 2, 'a', 0, 'b', 0,
		varMicroseconds, 0x40, 0xe2, 0x01,
		varExplicitDefaults, 1,
		varDDLXid, 9, 0, 0, 0, 0, 0, 0, 0,
		varUTF8Collation, 255, 0,
		varRequireKey, 0,
		varTableEncryption, 1,
		varUpdatedDatabases, manyDatabases,
	})
	require.NoError(t, err)
	require.EqualValues(t, 0x04004000, v.flags2)
	require.EqualValues(t, 0x0201, v.sqlMode)
	require.EqualValues(t, 2, v.increment)
	require.EqualValues(t, 1, v.offset)
	require.Equal(t, []uint16{255, 45, 8}, v.charsets)
	require.Equal(t, "+05:30", string(v.timeZone))
	require.EqualValues(t, 4, v.timeNames)
	require.Equal(t, "`u`@`hh`", v.invoker.String())
	require.EqualValues(t, 8, v.databaseCharset)
	require.EqualValues(t, 123456, v.micros)
	require.EqualValues(t, 1, *v.explicitDefaults)
	require.EqualValues(t, 255, v.utf8Collation)
	require.EqualValues(t, 0, *v.requireKey)
	require.EqualValues(t, 1, *v.tableEncryption)
	require.Equal(t, 0, off(v.flags2, optionNoForeignKeyChecks))
	require.Equal(t, 1, off(v.flags2, optionRelaxedUniqueChecks))
}

func TestStatusVarsThatAreNotKnownAreRefused(t *testing.T) {
	_, err := parseStatusVars([]byte{200, 1, 2, 3})
	require.ErrorIs(t, err, errUnsupported)
	for _, cut := range [][]byte{{varSQLMode, 1}, {varTimeZone, 5, 'a'}, {varUpdatedDatabases, 1, 'x'}, {varUpdatedDatabases}, {varInvoker, 1, 'u'}} {
		_, err := parseStatusVars(cut)
		require.ErrorIs(t, err, binlog.ErrMalformed, "%v", cut)
	}
	_, err = parseStatusVars([]byte{varTimeZone, 5, 'a', '\'', ',', ' ', '\''})
	require.ErrorIs(t, err, binlog.ErrMalformed, "a time zone that would be more than one in SQL")
}

func FuzzStatusVars(f *testing.F) {
	f.Add([]byte{varFlags2, 0, 0, 0, 0, varTimeZone, 1, 'x', varUpdatedDatabases, 1, 'a', 0})
	format, events := binlogtest.Unwrapped(f)
	for _, e := range events {
		if e.Type() == replication.QUERY_EVENT {
			q, err := binlog.ParseQuery(e, format)
			require.NoError(f, err)
			f.Add(q.StatusVars)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseStatusVars(b)
		if err == nil {
			w := &writer{Session: &Session{}}
			w.packet.reset(false)
			w.setContext(v)
			require.NotEmpty(t, w.packet.buf)
		}
	})
}

func TestFirstWords(t *testing.T) {
	for statement, want := range map[string]string{
		"BEGIN":                             "BEGIN",
		"  /* c */ create  TABLE t (a INT)": "CREATE TABLE",
		"XA START X'61',X'',1":              "XA START",
		"/* open":                           "",
		"/*!50000 CREATE */ TABLE":          "",
		"SAVEPOINT `a`":                     "SAVEPOINT",
		"":                                  "",
	} {
		require.Equal(t, want, firstWords([]byte(statement)), statement)
	}
}
