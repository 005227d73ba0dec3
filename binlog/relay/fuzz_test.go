package relay

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/stretchr/testify/require"
)

// seedSegment returns a segment with some groups.
func seedSegment(f *testing.F, checksum bool) []byte {
	fs := newMemFS(1)
	r := New(Config{Dir: "/relay"}, Deps{FS: fs})
	require.NoError(f, r.Open(context.Background()))
	s := newStream(f, checksum)
	appendAll(f, r, s.begin())
	for i := int64(1); i <= 4; i++ {
		appendAll(f, r, s.transaction(gtidOf(i), 20))
		require.NoError(f, r.Sync())
	}
	require.NoError(f, r.Close())
	return fs.names["/relay/relay.000001"].content
}

// reseal makes the checksums of events and sync marks right again, so that a
// change to a segment reaches what stands behind them.
func reseal(b []byte, checksum bool) {
	for off := len(magic); off+binlog.HeaderSize+binlog.ChecksumSize <= len(b); {
		e := binlog.Event(b[off:])
		size := int(e.Size())
		if size < binlog.HeaderSize+binlog.ChecksumSize || size > len(e) {
			return
		}
		e = e[:size]
		if m, ok := parseMark(e, int64(off)); ok {
			binary.LittleEndian.PutUint32(e[binlog.HeaderSize+markCRC:], crc32.Checksum(b[m.synced:off], castagnoli))
		}
		if checksum {
			end := len(e) - binlog.ChecksumSize
			binary.LittleEndian.PutUint32(e[end:], crc32.ChecksumIEEE(e[:end]))
		}
		off += size
	}
}

// Bytes that are wrong although every checksum fits come to an error or to
// transactions, never to a panic.
func FuzzResealedSegment(f *testing.F) {
	seeds := map[bool][]byte{true: seedSegment(f, true), false: seedSegment(f, false)}
	f.Add(uint16(300), []byte{1}, true)
	f.Add(uint16(140), []byte{1, 2, 3}, false)
	f.Fuzz(func(t *testing.T, at uint16, with []byte, checksum bool) {
		b := append([]byte(nil), seeds[checksum]...)
		copy(b[int(at)%len(b):], with)
		reseal(b, checksum)
		openAndRead(t, b, nil, true)
	})
}

// Whatever is in a relay's files, Open and a reader come to an end without a
// panic, and what is given is what Durable says.
func FuzzRecovery(f *testing.F) {
	for _, checksum := range []bool{true, false} {
		b := seedSegment(f, checksum)
		f.Add(b, []byte{}, true)
		f.Add(b, []byte(indexMagic), false)
		f.Add(b[:len(b)/2], []byte{}, true)
	}
	f.Fuzz(func(t *testing.T, segment, index []byte, last bool) { openAndRead(t, segment, index, last) })
}

// openAndRead opens a relay with a segment and its index, as the last one or not.
func openAndRead(t *testing.T, segment, index []byte, last bool) {
	fs := newMemFS(1)
	put := func(path string, content []byte) {
		fs.names[path] = &memNode{content: content, platter: content, dirty: map[int]bool{}}
	}
	put("/relay/relay.000001", append([]byte(nil), segment...))
	put("/relay/relay.000001.index", append([]byte(nil), index...))
	if !last {
		s := &scanner{file: &memFile{fs: fs, node: fs.names["/relay/relay.000001"]}, limit: int64(len(segment))}
		if prev, err := s.header(); err == nil {
			prev.AddSet(upTo(2))
			header, err := encodeHeader(s.format, prev, binlog.Position{})
			require.NoError(t, err)
			put("/relay/relay.000002", header)
		}
	}
	r := New(Config{Dir: "/relay", Memory: 1 << 12}, Deps{FS: fs})
	defer r.Close()
	if r.Open(context.Background()) != nil {
		return
	}
	rd, err := r.NewReader(r.Base())
	require.NoError(t, err)
	defer rd.Close()
	given := r.Base()
	for !given.Equal(r.Durable()) {
		tx, err := rd.Next(context.Background())
		if err != nil {
			return
		}
		require.False(t, given.Contains(tx.GTID))
		given.Add(tx.GTID)
		for range tx.Body {
		}
	}
}

func FuzzParseIndex(f *testing.F) {
	var set gtid.Set
	set.AddSet(upTo(7))
	b, err := index{size: 1000, header: 7, blocks: []block{
		{start: 200, end: 500, at: binlog.Position{File: "binlog.000001", Offset: 4}, set: set, count: 7},
		{start: 543, end: 900, set: set, count: 1},
	}}.encode()
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseIndex(b)
		if err != nil {
			require.ErrorIs(t, err, errIndex)
			return
		}
		again, err := x.encode()
		require.NoError(t, err)
		y, err := parseIndex(again)
		require.NoError(t, err)
		require.Equal(t, len(x.blocks), len(y.blocks))
	})
}
