package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/batondb/baton/integration/binlogtest"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/stretchr/testify/require"
)

func TestVersions(t *testing.T) {
	for version, ok := range map[string]bool{
		"8.0.36": true, "8.0.11-log": true, "8.4.3-3-Percona": true, "9.7.4-2": true, "10.1.0": true,
		"5.7.44-log": false, "5.5.5-10.11.6-MariaDB-0+deb12u1": false, "10.11.6-MariaDB-log": false,
		"11.4.2-mariadb": false, "": false, "v9": false,
	} {
		err := checkVersion(version)
		if ok {
			require.NoError(t, err, version)
			continue
		}
		var stop *Error
		require.ErrorAs(t, err, &stop, version)
		require.Equal(t, NotMySQL, stop.Reason)
		require.NotEmpty(t, stop.Mend)
	}
}

func TestOwnedSet(t *testing.T) {
	set, err := gtid.ParseSet(ownedSet("3e11fa47-71ca-11e1-9e33-c80aa9429562:4#12:5#13,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:tag:7#9"))
	require.NoError(t, err)
	require.Equal(t, gtid.MustParseSet("3e11fa47-71ca-11e1-9e33-c80aa9429562:4-5,4e11fa47-71ca-11e1-9e33-c80aa9429562:tag:7"), set)
}

func TestServerErrors(t *testing.T) {
	server := func(code uint16, text string) error {
		return fmt.Errorf("somewhere: %w", &mysql.MyError{Code: code, Message: text})
	}
	for _, c := range []struct {
		judge func(error) error
		err   error
		want  Reason
	}{
		{dialError, server(1045, "Access denied"), Credentials},
		{dialError, server(1698, "Access denied"), Credentials},
		{dialError, server(1130, "Host is not allowed"), Credentials},
		{dialError, server(1862, "Your password has expired"), Credentials},
		{dialError, server(3118, "Account is locked"), Credentials},
		{dialError, server(1040, "Too many connections"), ""},
		{dialError, io.EOF, ""},
		{commandError, server(1227, "Access denied; you need"), Privileges},
		{commandError, server(1045, "Access denied"), Privileges},
		{commandError, server(1820, "You must reset your password"), Credentials},
		{commandError, server(1053, "Server shutdown in progress"), ""},
		{streamError, fmt.Errorf("x: %w", binlog.ErrNoGTID), AnonymousTransaction},
		{streamError, binlog.ErrChecksum, ""},
		{binlogError, server(1236, "A slave with the same server_uuid/server_id as this slave has connected to the master"), DuplicateServerID},
		{binlogError, server(1236, "Cannot replicate anonymous transaction when AUTO_POSITION = 1"), AnonymousTransaction},
		{binlogError, server(1236, "could not find next log"), ""},
	} {
		got := c.judge(c.err)
		var stop *Error
		if c.want == "" {
			require.False(t, errors.As(got, &stop), "%v", c.err)
			continue
		}
		require.ErrorAs(t, got, &stop, "%v", c.err)
		require.Equal(t, c.want, stop.Reason)
		require.NotEmpty(t, stop.Problem)
		require.NotEmpty(t, stop.Mend)
		require.ErrorIs(t, got, c.err)
	}
}

func TestReplicaUUIDFollowsTheServerID(t *testing.T) {
	require.Equal(t, "6261746f-6e00-8000-8000-0000ee6b2800", replicaUUID(4_000_000_000).String())
}

func TestAckPacket(t *testing.T) {
	got := ackPacket(binlog.Position{File: "binlog.000007", Offset: 5<<32 + 3})
	require.Equal(t, append([]byte{22, 0, 0, 0, 0xef, 3, 0, 0, 0, 5, 0, 0, 0}, "binlog.000007"...), got)
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	q := newQueue(100)
	event := func(n int) item { return item{event: make(binlog.Event, n)} }
	require.True(t, q.push(event(500)), "a larger one passes when the queue is empty")
	pushed := make(chan bool)
	go func() { pushed <- q.push(event(60)) }()
	select {
	case <-pushed:
		t.Fatal("pushed beyond the bound")
	case <-time.After(20 * time.Millisecond):
	}
	got, ok := q.take(nil)
	require.True(t, ok)
	require.Len(t, got, 1)
	require.True(t, <-pushed)
	require.True(t, q.push(item{ack: binlog.Position{File: "f", Offset: 1}}))

	q.finish()
	got, ok = q.take(got)
	require.True(t, ok)
	require.Len(t, got, 2)
	_, ok = q.take(got)
	require.False(t, ok)

	q = newQueue(10)
	require.True(t, q.push(event(10)))
	go func() { pushed <- q.push(event(10)) }()
	q.abort()
	require.False(t, <-pushed)
}

func TestQueueKeepsTheOrder(t *testing.T) {
	q := newQueue(64)
	const n = 10_000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			e := make(binlog.Event, 4)
			binary.LittleEndian.PutUint32(e, uint32(i))
			q.push(item{event: e})
		}
		q.finish()
	})
	next := uint32(0)
	for buf, ok := q.take(nil); ok; buf, ok = q.take(buf) {
		for _, it := range buf {
			require.Equal(t, next, binary.LittleEndian.Uint32(it.event))
			next++
		}
	}
	require.EqualValues(t, n, next)
	wg.Wait()
}

func event(typ replication.EventType, size, logPos uint32, flags uint16) binlog.Event {
	e := binlog.NewEvent(binlog.Format{}, typ, 0, 1, logPos, flags, make([]byte, size-binlog.HeaderSize))
	return e
}

func rotate(file string, offset uint64, flags uint16) binlog.Event {
	body := binary.LittleEndian.AppendUint64(nil, offset)
	return binlog.NewEvent(binlog.Format{}, replication.ROTATE_EVENT, 0, 1, 0, flags, append(body, file...))
}

func TestTrackerCountsBeyond4GiB(t *testing.T) {
	var tr tracker
	require.NoError(t, tr.rotate(rotate("b.1", 4, binlog.FlagArtificial), binlog.Format{}))
	tr.advance(event(replication.QUERY_EVENT, 100, 0, 0))
	require.Equal(t, uint64(4), tr.pos.Offset, "no place in the file")

	at := uint64(4)
	for range 9 { // 9 events of 1 GiB at the end of one file
		at += 1 << 30
		e := event(replication.WRITE_ROWS_EVENTv2, 30, uint32(at), 0)
		binary.LittleEndian.PutUint32(e[9:], 1<<30)
		tr.advance(e)
		require.Equal(t, at, tr.pos.Offset)
	}
	// An end at a multiple of 4 GiB reads 0.
	gap := 3<<32 - at
	e := event(replication.WRITE_ROWS_EVENTv2, 30, 0, 0)
	binary.LittleEndian.PutUint32(e[9:], uint32(gap))
	tr.advance(e)
	require.Equal(t, uint64(3<<32), tr.pos.Offset)

	require.NoError(t, tr.rotate(rotate("b.2", 4, 0), binlog.Format{}))
	require.Equal(t, binlog.Position{File: "b.2", Offset: 4}, tr.pos)
	require.ErrorIs(t, tr.rotate(rotate("", 4, 0), binlog.Format{}), binlog.ErrMalformed)
}

func TestTrackerTakesHeartbeats(t *testing.T) {
	tr := tracker{pos: binlog.Position{File: "b.1", Offset: 200}}
	v1 := binlog.NewEvent(binlog.Format{}, replication.HEARTBEAT_EVENT, 0, 1, 500, 0, []byte("b.1"))
	require.NoError(t, tr.heartbeat(v1, binlog.Format{}))
	require.Equal(t, uint64(500), tr.pos.Offset)

	v2 := func(offset uint64) binlog.Event {
		body := append([]byte{1, 3}, "b.1"...)
		body = append(body, 2, 9, 0xfe)
		body = binary.LittleEndian.AppendUint64(body, offset)
		return binlog.NewEvent(binlog.Format{}, replication.HEARTBEAT_LOG_EVENT_V2, 0, 1, 0, 0, append(body, 0))
	}
	require.NoError(t, tr.heartbeat(v2(7<<32+5), binlog.Format{}))
	require.Equal(t, uint64(7<<32+5), tr.pos.Offset)
	require.NoError(t, tr.heartbeat(v2(5), binlog.Format{}))
	require.Equal(t, uint64(7<<32+5), tr.pos.Offset, "never back")

	short := binlog.NewEvent(binlog.Format{}, replication.HEARTBEAT_LOG_EVENT_V2, 0, 1, 0, 0, []byte{1, 200, 'x'})
	require.ErrorIs(t, tr.heartbeat(short, binlog.Format{}), binlog.ErrMalformed)
}

// A tapped connection reads from memory.
type tapped struct {
	net.Conn
	io.Reader
}

func (c tapped) Read(b []byte) (int, error)    { return c.Reader.Read(b) }
func (tapped) SetReadDeadline(time.Time) error { return nil }

// wire gives a packetReader these bytes and then the end of the connection.
func wire(content []byte) *packetReader {
	return newPacketReader(tapped{Reader: bytes.NewReader(content)}, time.Minute, time.Minute)
}

func packet(seq byte, payload []byte) []byte {
	n := len(payload)
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, payload...)
}

func TestPacketsContinueAndBeginAnew(t *testing.T) {
	large := bytes.Repeat([]byte{7}, maxPayload)
	content := packet(1, []byte("one"))
	content = append(content, packet(2, large)...)
	content = append(content, packet(3, []byte("end"))...)
	content = append(content, packet(1, []byte("anew"))...)
	content = append(content, packet(3, []byte("wrong"))...)
	p := wire(content)
	got, err := p.read()
	require.NoError(t, err)
	require.Equal(t, "one", string(got))
	got, err = p.read()
	require.NoError(t, err)
	require.True(t, bytes.Equal(got, append(large, "end"...)))
	p.expectRestart()
	got, err = p.read()
	require.NoError(t, err)
	require.Equal(t, "anew", string(got))
	_, err = p.read()
	require.ErrorContains(t, err, "sequence number 3 where 2 belongs")
}

func TestPacketCutShort(t *testing.T) {
	whole := packet(1, []byte("payload"))
	for n := range whole {
		_, err := wire(whole[:n]).read()
		require.Error(t, err)
		require.Equal(t, n > 0, errors.Is(err, io.ErrUnexpectedEOF), "%d bytes", n)
	}
}

func TestStopEndsARead(t *testing.T) {
	server, c := net.Pipe()
	defer server.Close()
	defer c.Close()
	p := newPacketReader(c, time.Hour, time.Hour)
	time.AfterFunc(5*time.Millisecond, func() { p.stop(os.ErrProcessDone) })
	_, err := p.read()
	require.ErrorIs(t, err, os.ErrProcessDone)
	p.stop(io.EOF)
	_, err = p.read()
	require.ErrorIs(t, err, os.ErrProcessDone, "the first cause counts")

	p = newPacketReader(c, time.Millisecond, time.Hour)
	_, err = p.read()
	require.ErrorIs(t, err, errSilent)
}

// A length that was damaged on the way is filled by heartbeats, so that nothing looks silent.
func TestPacketThatDoesNotEnd(t *testing.T) {
	server, c := net.Pipe()
	defer c.Close()
	p := newPacketReader(c, time.Hour, 20*time.Millisecond)
	go func() {
		defer server.Close()
		heartbeat := packet(1, []byte("heartbeat"))
		heartbeat[2] |= 0x40
		for {
			if _, err := server.Write(heartbeat); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := p.read()
	require.ErrorIs(t, err, errUnfinished)
	require.NotErrorIs(t, err, errSilent)
}

func newTestStream(semiSync bool) *stream {
	s := New(Config{ServerID: 1}, Deps{})
	return &stream{source: s, semiSync: semiSync, checksum: true, packets: &packetReader{}, queue: newQueue(1 << 20)}
}

// An event's first byte may be the magic number of the semi-sync header.
func TestSemiSyncHeaderIsNotSniffed(t *testing.T) {
	payload := append([]byte{0}, semiSyncMagic, ackWanted, 'x')
	raw, flagged, err := newTestStream(false).unwrap(payload)
	require.NoError(t, err)
	require.False(t, flagged)
	require.Len(t, raw, 3)
	raw, flagged, err = newTestStream(true).unwrap(payload)
	require.NoError(t, err)
	require.True(t, flagged)
	require.Equal(t, "x", string(raw))
	_, _, err = newTestStream(true).unwrap([]byte{0, 'x', 1, 2})
	require.ErrorIs(t, err, binlog.ErrMalformed)
}

func TestUnknownEventIsNotPassedOver(t *testing.T) {
	st := newTestStream(false)
	st.checksum = false
	var stop *Error
	_, _, err := st.receive(append([]byte{0}, event(99, 40, 100, 0)...), time.Now())
	require.ErrorAs(t, err, &stop)
	require.Equal(t, UnknownEvent, stop.Reason)
	_, ok, err := st.receive(append([]byte{0}, event(99, 40, 100, binlog.FlagIgnorable)...), time.Now())
	require.NoError(t, err)
	require.False(t, ok)
}

func FuzzPackets(f *testing.F) {
	sum := binlog.Format{Checksum: true}
	ok := func(e binlog.Event) []byte { return append([]byte{0}, e...) }
	f.Add(ok(binlog.NewEvent(sum, replication.ROTATE_EVENT, 0, 1, 0, binlog.FlagArtificial, append(make([]byte, 8), "b.1"...))), false)
	f.Add(ok(binlog.NewEvent(sum, replication.HEARTBEAT_LOG_EVENT_V2, 0, 1, 0, 0, []byte{1, 3, 'b', '.', '1', 2, 1, 9, 0})), false)
	f.Add(ok(binlog.NewEvent(sum, replication.QUERY_EVENT, 0, 1, 99, 0, make([]byte, 20))), false)
	f.Add([]byte{0, semiSyncMagic, 1, 9, 9}, true)
	f.Add([]byte{0xff, 0xd4, 4, '#', 'H', 'Y', '0', '0', '0', 'x'}, false)
	_, recorded := binlogtest.Recorded(f)
	for _, e := range recorded {
		f.Add(ok(e), false)
		f.Add(append([]byte{0, semiSyncMagic, 1}, e...), true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, semiSync bool) {
		st := newTestStream(semiSync)
		// The same packet twice: the second meets what the first left behind.
		for range 2 {
			it, ok, err := st.receive(payload, time.Now())
			if err != nil && ok {
				t.Fatal("an item beside an error")
			}
			if ok && it.event == nil && it.ack.IsZero() {
				t.Fatal("an item with nothing in it")
			}
		}
	})
}

func FuzzPacketReader(f *testing.F) {
	f.Add(append(packet(1, []byte("one")), packet(2, nil)...))
	f.Add([]byte{255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, content []byte) {
		p := wire(content)
		for {
			if _, err := p.read(); err != nil {
				return
			}
		}
	})
}

// A leader that never ends an event is not listened to until memory ends.
func TestEventWithoutEnd(t *testing.T) {
	full := bytes.Repeat([]byte{7}, maxPayload)
	p := wire(slices.Concat(packet(1, full), packet(2, full), packet(3, full)))
	p.most = 2 * maxPayload
	_, err := p.read()
	require.ErrorIs(t, err, binlog.ErrMalformed)
	require.EqualValues(t, 4, p.next, "the third packet is too much, and isn't read")
}
