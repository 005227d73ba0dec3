package binlog_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// Whatever the bytes are, reading them ends with a value or an error.
func FuzzReaders(f *testing.F) {
	f.Add([]byte(formatEvent("9.7.4", 1, 1)))
	_, recorded := binlogtest.Recorded(f)
	for _, e := range recorded {
		f.Add([]byte(e))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := binlog.CheckEvent(raw)
		if err != nil {
			return
		}
		for _, format := range []binlog.Format{{}, withChecksum} {
			_ = e.VerifyChecksum(format)
			_, _ = binlog.ParseFormat(e)
			_, _ = binlog.ParseQuery(e, format)
			_, _ = binlog.ParseGTID(e, format)
			_, _, _ = binlog.TableName(e)
			_, _ = binlog.TableColumns(e)
			_, _ = binlog.RowsFlags(e)
			var g binlog.Grouper
			_, _ = g.Next(e, format)
			for _, err := range binlog.Unwrap(e, format) {
				if err != nil {
					break
				}
			}
		}
	})
}

// FuzzPayload compresses what was fuzzed, so that what is inside is reached.
func FuzzPayload(f *testing.F) {
	_, recorded := binlogtest.Unwrapped(f)
	f.Add(bytes.Join([][]byte{recorded[2], recorded[3]}, nil))
	f.Fuzz(func(t *testing.T, inside []byte) {
		total := 0
		for e, err := range binlog.Unwrap(payload(t, inside, uint64(len(inside))), binlog.Format{}) {
			if err != nil {
				require.ErrorIs(t, err, binlog.ErrMalformed)
				return
			}
			total += len(e)
		}
		require.Equal(t, len(inside), total)
	})
}

// payload is a Transaction_payload_event with some bytes compressed, that says
// that they are as many as stated.
func payload(t testing.TB, inside []byte, stated uint64) binlog.Event {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer w.Close()
	number := func(n uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0xfe}, n) }
	body := append([]byte{2, 1, 0, 3, 9}, number(stated)...)
	return binlog.NewEvent(binlog.Format{}, replication.TRANSACTION_PAYLOAD_EVENT, 0, 1, 0, 0, w.EncodeAll(inside, append(body, 0)))
}

func TestPayloadThatIsABomb(t *testing.T) {
	event := plain(replication.XID_EVENT)
	many := bytes.Repeat(event, 1000)
	read := func(e binlog.Event) (n int, err error) {
		for _, err = range binlog.Unwrap(e, binlog.Format{}) {
			if err == nil {
				n++
			}
		}
		return n, err
	}
	n, err := read(payload(t, many, uint64(len(many))))
	require.NoError(t, err)
	require.Equal(t, 1000, n)
	_, err = read(payload(t, many, uint64(len(event)*3)))
	require.ErrorIs(t, err, binlog.ErrMalformed, "it is larger than it says")
	_, err = read(payload(t, payload(t, event, uint64(len(event))), 1<<20))
	require.ErrorIs(t, err, binlog.ErrMalformed, "a payload in a payload, which may go on without end")

	// An event that says that it has a gigabyte takes the memory of what is there.
	huge := append(binlog.Event(nil), event...)
	binary.LittleEndian.PutUint32(huge[9:], 1<<30)
	// A frame whose window is half a gigabyte (zstd's format, Window_Descriptor).
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 19 << 3, 1, 0, 0}
	wide := binlog.NewEvent(binlog.Format{}, replication.TRANSACTION_PAYLOAD_EVENT, 0, 1, 0, 0, append([]byte{2, 1, 0, 0}, window...))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, e := range []binlog.Event{payload(t, huge, 1<<30), wide} {
		_, err = read(e)
		require.ErrorIs(t, err, binlog.ErrMalformed)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20))
}
