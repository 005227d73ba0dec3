package relay

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// formatHex is the Format_description_event of a MySQL 9.7.4.
const formatHex = "f45e046b0f070000007b0000007f00000000000400392e372e342d32000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000013000d0008000000000400040000006300041a08000000000000020000000a0a0a2a2a001234000a280000013f93b5b1"

var source = gtid.Source{UUID: gtid.UUID{0x11, 0x22, 15: 0x33}}

func gtidOf(seq int64) gtid.GTID { return gtid.GTID{Source: source, Seq: seq} }

// upTo is the set of the first n transactions.
func upTo(n int64) (s gtid.Set) {
	s.AddInterval(source, gtid.Interval{First: 1, Last: n})
	return s
}

func formatOf(t testing.TB, checksum bool) binlog.Format {
	t.Helper()
	f := testFormat(checksum)
	require.Equal(t, checksum, f.Checksum)
	require.Equal(t, "9.7.4-2", f.ServerVersion)
	return f
}

func testFormat(checksum bool) binlog.Format {
	raw, err := hex.DecodeString(formatHex)
	if err != nil {
		panic(err)
	}
	if !checksum {
		end := len(raw) - binlog.ChecksumSize
		raw[end-1] = 0
		binary.LittleEndian.PutUint32(raw[end:], crc32.ChecksumIEEE(raw[:end]))
	}
	f, err := binlog.ParseFormat(raw)
	if err != nil {
		panic(err)
	}
	return f
}

// A stream makes the events that a leader would send.
type stream struct {
	f    binlog.Format
	file string
	pos  uint64
}

func newStream(t testing.TB, checksum bool) *stream {
	return &stream{f: formatOf(t, checksum), file: "binlog.000001", pos: 4}
}

func (s *stream) event(typ binlog.EventType, body []byte) binlog.Event {
	size := uint64(binlog.HeaderSize + len(body))
	if s.f.Checksum {
		size += binlog.ChecksumSize
	}
	s.pos += size
	return binlog.NewEvent(s.f, typ, 1_700_000_000, 7, uint32(s.pos), 0, body)
}

// begin is what a stream begins with.
func (s *stream) begin() []binlog.Event {
	return []binlog.Event{encodeRotate(s.f, binlog.Position{File: s.file, Offset: 4}), s.f.Event}
}

// rotate is what stands between two files.
func (s *stream) rotate(file string) []binlog.Event {
	real := s.event(replication.ROTATE_EVENT, append(binary.LittleEndian.AppendUint64(nil, 4), file...))
	s.file, s.pos = file, 4
	return append([]binlog.Event{real}, s.begin()...)
}

func (s *stream) gtid(g gtid.GTID, length int) binlog.Event {
	body := append([]byte{1}, g.Source.UUID[:]...)
	body = binary.LittleEndian.AppendUint64(body, uint64(g.Seq))
	body = append(body, replication.LogicalTimestampTypeCode)
	body = binary.LittleEndian.AppendUint64(body, uint64(g.Seq-1))
	body = binary.LittleEndian.AppendUint64(body, uint64(g.Seq))
	const micros = 1_700_000_000_000_000
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], micros)
	body = append(body, at[:7]...)
	body = append(body, 254)
	body = binary.LittleEndian.AppendUint64(body, uint64(length))
	body = binary.LittleEndian.AppendUint32(body, 90704)
	return s.event(replication.GTID_EVENT, body)
}

// filler returns n bytes that differ with the GTID and the place.
func filler(g gtid.GTID, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte((int(g.Seq)*7+i*(1+i>>10))%26)
	}
	return b
}

// transaction makes one with a Rows_query_event of each of the given sizes.
func (s *stream) transaction(g gtid.GTID, sizes ...int) []binlog.Event {
	events := []binlog.Event{s.gtid(g, 0), s.query("BEGIN")}
	for _, n := range sizes {
		events = append(events, s.event(replication.ROWS_QUERY_EVENT, append([]byte{0}, filler(g, n)...)))
	}
	return append(events, s.event(replication.XID_EVENT, binary.LittleEndian.AppendUint64(nil, uint64(g.Seq))))
}

func (s *stream) query(statement string) binlog.Event {
	body := make([]byte, 13, 14+len(statement))
	return s.event(replication.QUERY_EVENT, append(append(body, 0), statement...))
}

// at is the leader's position now.
func (s *stream) at() binlog.Position { return binlog.Position{File: s.file, Offset: s.pos} }

func open(t testing.TB, cfg Config, deps Deps) *Relay {
	t.Helper()
	r := New(cfg, deps)
	if deps.Logger == nil {
		r.log = zaptest.NewLogger(t)
	}
	require.NoError(t, r.Open(context.Background()))
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func appendAll(t testing.TB, r *Relay, events ...[]binlog.Event) {
	t.Helper()
	for _, group := range events {
		for _, e := range group {
			require.NoError(t, r.Append(e))
		}
	}
}

// read returns the bytes of n transactions behind from.
func read(t testing.TB, r *Relay, from gtid.Set, n int) []*binlog.Transaction {
	t.Helper()
	rd, err := r.NewReader(from)
	require.NoError(t, err)
	defer rd.Close()
	return readOn(t, rd, n)
}

func readOn(t testing.TB, rd *Reader, n int) (all []*binlog.Transaction) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range n {
		tx, err := rd.Next(ctx)
		require.NoError(t, err)
		all = append(all, tx)
	}
	return all
}

func bytesOf(t testing.TB, tx *binlog.Transaction) []byte {
	t.Helper()
	var b []byte
	for e, err := range tx.Body {
		require.NoError(t, err)
		b = append(b, e...)
	}
	return b
}

func join(events []binlog.Event) (b []byte) {
	for _, e := range events {
		b = append(b, e...)
	}
	return b
}

func numbers(all []*binlog.Transaction) (n []int64) {
	for _, tx := range all {
		n = append(n, tx.GTID.Seq)
	}
	return n
}

func sequence(from, to int64) (n []int64) {
	for i := from; i <= to; i++ {
		n = append(n, i)
	}
	return n
}

func name(format string, args ...any) string { return fmt.Sprintf(format, args...) }
