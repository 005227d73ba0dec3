package binlog_test

import (
	"encoding/binary"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

var withChecksum = binlog.Format{Checksum: true}

// formatEvent makes a Format_description_event of a server of that version.
func formatEvent(version string, algorithm byte, created uint32) binlog.Event {
	body := make([]byte, 2+50+4+1)
	binary.LittleEndian.PutUint16(body, 4)
	copy(body[2:], version)
	binary.LittleEndian.PutUint32(body[52:], created)
	body[56] = binlog.HeaderSize
	body = append(body, 1, 2, 3, algorithm) // some post-header lengths
	return binlog.NewEvent(withChecksum, replication.FORMAT_DESCRIPTION_EVENT, 7, 1, 0, 0, body)
}

func query(statement string) binlog.Event {
	body := make([]byte, 13)
	body[8] = 1
	body = append(append(body, 'd', 0), statement...)
	return binlog.NewEvent(withChecksum, replication.QUERY_EVENT, 0, 1, 0, 0, body)
}

func plain(t binlog.EventType) binlog.Event {
	return binlog.NewEvent(withChecksum, t, 0, 1, 0, 0, make([]byte, 8))
}

func TestEventKeepsWhatItWasMadeOf(t *testing.T) {
	e := binlog.NewEvent(withChecksum, replication.XID_EVENT, 11, 22, 33, binlog.FlagIgnorable, []byte("12345678"))
	checked, err := binlog.CheckEvent(e)
	require.NoError(t, err)
	require.NoError(t, checked.VerifyChecksum(withChecksum))
	require.EqualValues(t, 11, e.Timestamp())
	require.EqualValues(t, 22, e.ServerID())
	require.EqualValues(t, 33, e.LogPos())
	require.Equal(t, replication.XID_EVENT, e.Type())
	require.Equal(t, binlog.FlagIgnorable, e.Flags())
	body, err := e.Body(withChecksum)
	require.NoError(t, err)
	require.Equal(t, "12345678", string(body))

	for i := range e {
		damaged := append(binlog.Event{}, e...)
		damaged[i] ^= 1
		require.ErrorIs(t, damaged.VerifyChecksum(withChecksum), binlog.ErrChecksum, "byte %d", i)
	}
	_, err = binlog.CheckEvent(e[:len(e)-1])
	require.ErrorIs(t, err, binlog.ErrMalformed)

	bare := binlog.Event(e.AppendWithoutChecksum(nil, withChecksum))
	_, err = binlog.CheckEvent(bare)
	require.NoError(t, err)
	require.Len(t, bare, len(e)-binlog.ChecksumSize)
}

func TestFormatSaysHowToReadWhatFollows(t *testing.T) {
	f, err := binlog.ParseFormat(formatEvent("9.7.4", 1, 100))
	require.NoError(t, err)
	require.True(t, f.Checksum)
	require.Equal(t, "9.7.4", f.ServerVersion)

	later, err := binlog.ParseFormat(formatEvent("9.7.4", 1, 200))
	require.NoError(t, err)
	require.True(t, f.SameAs(later), "only the time differs")
	other, err := binlog.ParseFormat(formatEvent("9.7.5", 1, 100))
	require.NoError(t, err)
	require.False(t, f.SameAs(other))
	require.False(t, f.SameAs(binlog.Format{}))

	bare, err := binlog.ParseFormat(f.WithoutChecksum().Event)
	require.NoError(t, err)
	require.False(t, bare.Checksum)
	require.False(t, f.SameAs(bare))

	_, err = binlog.ParseFormat(formatEvent("9.7.4", 9, 100))
	require.ErrorIs(t, err, binlog.ErrMalformed)
	_, err = binlog.ParseFormat(plain(replication.XID_EVENT))
	require.ErrorIs(t, err, binlog.ErrMalformed)

	open := append(binlog.Event{}, f.Event...)
	open[17] |= 1
	_, err = binlog.ParseFormat(open)
	require.NoError(t, err, "the flag of an open file is no part of the checksum")
}

func TestGrouperFindsTheEndOfEachKindOfTransaction(t *testing.T) {
	gtid, tagged := plain(replication.GTID_EVENT), plain(replication.GTID_TAGGED_LOG_EVENT)
	rows, maps, xid := plain(replication.WRITE_ROWS_EVENTv2), plain(replication.TABLE_MAP_EVENT), plain(replication.XID_EVENT)
	cases := map[string][]binlog.Event{
		"rows":                   {gtid, query("BEGIN"), maps, rows, xid},
		"tagged":                 {tagged, query("BEGIN"), maps, rows, xid},
		"ended by COMMIT":        {gtid, query("BEGIN"), maps, rows, query("COMMIT")},
		"ended by ROLLBACK":      {gtid, query("BEGIN"), maps, rows, query("ROLLBACK")},
		"savepoints":             {gtid, query("BEGIN"), query("SAVEPOINT `a`"), rows, query("ROLLBACK TO `a`"), xid},
		"DDL":                    {gtid, query("CREATE TABLE t (a INT)")},
		"DDL with a variable":    {gtid, plain(replication.USER_VAR_EVENT), query("CREATE TABLE t (a INT)")},
		"CREATE TABLE … SELECT":  {gtid, query("BEGIN"), query("CREATE TABLE `t` (a INT) START TRANSACTION"), maps, rows, xid},
		"XA":                     {gtid, query("XA START X'61',X'',1"), maps, rows, query("XA END X'61',X'',1"), plain(replication.XA_PREPARE_LOG_EVENT)},
		"XA COMMIT":              {gtid, query("XA COMMIT X'61',X'',1")},
		"compressed":             {gtid, plain(replication.TRANSACTION_PAYLOAD_EVENT)},
		"incident":               {gtid, plain(replication.INCIDENT_EVENT)},
		"with a heartbeat in it": {gtid, query("BEGIN"), plain(replication.HEARTBEAT_LOG_EVENT_V2), maps, rows, xid},
	}
	for name, events := range cases {
		t.Run(name, func(t *testing.T) {
			var g binlog.Grouper
			for i, e := range events {
				part, err := g.Next(e, withChecksum)
				require.NoError(t, err)
				switch {
				case i == 0:
					require.Equal(t, binlog.First, part)
				case i == len(events)-1:
					require.Equal(t, binlog.Last, part)
				case e.Type() == replication.HEARTBEAT_LOG_EVENT_V2:
					require.Equal(t, binlog.Outside, part)
				default:
					require.Equal(t, binlog.Middle, part)
				}
				require.Equal(t, part != binlog.Last, g.Open())
			}
		})
	}
}

func TestGrouperRefusesWhatNoLeaderWithGTIDsWrites(t *testing.T) {
	gtid := plain(replication.GTID_EVENT)
	for name, events := range map[string][]binlog.Event{
		"anonymous":                   {plain(replication.ANONYMOUS_GTID_EVENT)},
		"no GTID":                     {query("BEGIN")},
		"a GTID in a transaction":     {gtid, query("BEGIN"), gtid},
		"a rotation in a transaction": {gtid, query("BEGIN"), plain(replication.ROTATE_EVENT)},
	} {
		t.Run(name, func(t *testing.T) {
			var g binlog.Grouper
			for _, e := range events[:len(events)-1] {
				_, err := g.Next(e, withChecksum)
				require.NoError(t, err)
			}
			_, err := g.Next(events[len(events)-1], withChecksum)
			require.Error(t, err)
		})
	}
}

// The names are read for every statement and follower: they alone are allocated.
func TestTheNamesOfATableCostNothingElse(t *testing.T) {
	body := append(make([]byte, 8), "\x04shop\x00\x06orders\x00"...)
	e := append(plain(replication.TABLE_MAP_EVENT)[:binlog.HeaderSize:binlog.HeaderSize], body...)
	schema, table, err := binlog.TableName(e)
	require.NoError(t, err)
	require.Equal(t, []string{"shop", "orders"}, []string{schema, table})
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _, _ = binlog.TableName(e) }), 2.0)
	for n := range body {
		_, _, err := binlog.TableName(e[:binlog.HeaderSize+n])
		require.ErrorIs(t, err, binlog.ErrMalformed, n)
	}
}

func TestStatementsAreShownWithoutSecrets(t *testing.T) {
	for statement, want := range map[string]string{
		"CREATE USER 'u'@'%' IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$hash'": "CREATE USER 'u'@'%' IDENTIFIED [hidden]",
		"alter user u identified by 'x' REQUIRE SSL":                                   "alter user u identified [hidden]",
		"SET PASSWORD FOR u = 'x'":                                                     "SET PASSWORD [hidden]",
		"CREATE TABLE t (\n\tidentified INT)":                                          "CREATE TABLE t ( identified INT)",
		"INSERT INTO t VALUES ('password')":                                            "INSERT INTO t VALUES ('password')",
	} {
		require.Equal(t, want, binlog.Readable([]byte(statement), 200))
	}
	require.Equal(t, "SELECT…", binlog.Readable([]byte("SELECT 1"), 6))
}
