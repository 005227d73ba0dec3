package relay

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"
)

// A crashModel drives a relay on a file system that fails and loses power, and
// knows what must be in it.
type crashModel struct {
	t   *rapid.T
	cfg Config
	fs  *memFS
	r   *Relay
	s   *stream

	base   int                 // transactions purged
	sent   []*sentTransaction  // appended, in order; some of the last may be lost
	synced int                 // how many of sent a successful Sync has covered
	epoch  int                 // how many were sent when the relay was opened or another leader came
	faults int                 // of a hundred operations, how many fail
	ready  bool                // a stream has begun
	seen   map[*Reader][]int64 // what each reader gave, by the index in sent
}

type sentTransaction struct {
	g     gtid.GTID
	bytes []byte
	end   binlog.Position
}

// crashGTID numbers out of order, as a leader with many sessions does.
func crashGTID(i int) gtid.GTID { return gtidOf(int64(i^1) + 1) }

func (m *crashModel) open() {
	m.fs.fail = nil
	m.r = New(m.cfg, Deps{FS: m.fs, Logger: zap.NewNop(), Now: nil})
	require.NoError(m.t, m.r.Open(context.Background()))
	m.ready = false
	m.seen = map[*Reader][]int64{}
	m.check()
	m.fs.fail = func(string, string) error {
		if m.fs.rnd.Intn(100) < m.faults {
			return errInjected
		}
		return nil
	}
}

// check reads everything that is there after a start.
func (m *crashModel) check() {
	base := int(m.r.Base().Count())
	require.LessOrEqual(m.t, base, m.base, "more was purged than was asked for")
	m.base = base // a purge may not have been made durable
	count := int(m.r.Durable().Count())
	require.GreaterOrEqual(m.t, count, m.synced, "a synced transaction is gone")
	require.LessOrEqual(m.t, count, len(m.sent), "more is there than was sent")
	rd, err := m.r.NewReader(m.r.Base())
	require.NoError(m.t, err)
	defer rd.Close()
	for i := m.base; i < count; i++ {
		tx, err := rd.Next(context.Background())
		require.NoError(m.t, err)
		m.same(tx, i)
	}
	m.nothingMore(rd)
	m.sent = m.sent[:count]
	m.synced, m.epoch = count, count
}

func (m *crashModel) same(tx *binlog.Transaction, i int) {
	require.Equal(m.t, m.sent[i].g, tx.GTID, "transaction %d", i)
	var b []byte
	for e, err := range tx.Body {
		require.NoError(m.t, err)
		b = append(b, e...)
	}
	require.True(m.t, bytes.Equal(m.sent[i].bytes, b), "bytes of transaction %d", i)
	require.Equal(m.t, m.sent[i].end, tx.End, "end of transaction %d", i)
}

func (m *crashModel) nothingMore(rd *Reader) {
	for {
		tx, wait, err := rd.step()
		require.NoError(m.t, err)
		require.Nil(m.t, tx)
		if wait != nil {
			return
		}
	}
}

// failed recovers from an error as a source does; it tells whether there was one.
func (m *crashModel) failed(err error) bool {
	if err == nil {
		return false
	}
	var we *WriteError
	require.True(m.t, errors.As(err, &we), "%v", err)
	require.Error(m.t, m.r.Append(m.s.f.Event), "nothing is taken before Discard")
	require.Error(m.t, m.r.Stats().Failed)
	m.discard()
	return true
}

func (m *crashModel) discard() {
	for m.r.Discard() != nil {
		if m.fs.rnd.Intn(3) == 0 {
			m.faults = 0
		}
	}
	// Append may have synced by itself.
	count := int(m.r.Durable().Count())
	require.GreaterOrEqual(m.t, count, m.synced)
	m.sent = m.sent[:count]
	m.synced = count
	m.ready = false
}

// begin begins a stream, if none is there, with what the relay lacks, or
// sometimes a transaction earlier.
func (m *crashModel) begin() bool {
	if m.ready {
		return true
	}
	m.s.pos = 4
	if n := len(m.sent); n > 0 {
		if m.sent[n-1].end.File == m.s.file {
			m.s.pos = m.sent[n-1].end.Offset
		}
	}
	for _, e := range m.s.begin() {
		if m.failed(m.r.Append(e)) {
			return false
		}
	}
	m.ready = true
	return true
}

func (m *crashModel) append(size int, parts int) {
	if !m.begin() {
		return
	}
	g := crashGTID(len(m.sent))
	sizes := make([]int, parts)
	for i := range sizes {
		sizes[i] = size
	}
	events := m.s.transaction(g, sizes...)
	// It counts as sent from its last event on, which may make it durable although an error is returned.
	for i, e := range events {
		if i == len(events)-1 {
			m.sent = append(m.sent, &sentTransaction{g, join(events), m.s.at()})
		}
		if m.failed(m.r.Append(e)) {
			return
		}
	}
}

func (m *crashModel) sync() {
	if m.failed(m.r.Sync()) {
		return
	}
	m.synced = len(m.sent)
	require.Equal(m.t, len(m.sent), int(m.r.Durable().Count()))
	if len(m.sent) > m.epoch {
		require.Equal(m.t, m.sent[len(m.sent)-1].end, m.r.DurableEnd())
	}
}

// readSome lets the readers go on.
func (m *crashModel) readSome(n int) {
	for rd, from := range m.seen {
		for range n {
			next := int(from[0])
			if next >= m.synced && next >= int(m.r.Durable().Count()) {
				break
			}
			tx, err := rd.Next(context.Background())
			if errors.Is(err, ErrPurged) {
				require.Less(m.t, next, m.base)
				delete(m.seen, rd)
				break
			}
			if errors.Is(err, errInjected) {
				continue
			}
			require.NoError(m.t, err)
			require.Equal(m.t, m.sent[next].g, tx.GTID)
			require.Equal(m.t, m.sent[next].end, tx.End)
			from[0]++
		}
	}
}

func (m *crashModel) newReader(from int) {
	from = max(m.base, min(from, m.synced))
	var has gtid.Set
	for i := range from {
		has.Add(crashGTID(i))
	}
	has.Add(gtid.GTID{Source: gtid.Source{UUID: gtid.UUID{9}}, Seq: 5}) // errant
	rd, err := m.r.NewReader(has)
	require.NoError(m.t, err)
	m.seen[rd] = []int64{int64(from)}
}

func (m *crashModel) purge(upTo int) {
	var has gtid.Set
	for i := range min(upTo, m.synced) {
		has.Add(crashGTID(i))
	}
	lost, err := m.r.Purge(map[string]gtid.Set{"f": has})
	require.Empty(m.t, lost)
	if err != nil {
		require.ErrorIs(m.t, err, errInjected)
	}
	was := m.base
	m.base = int(m.r.Base().Count())
	require.LessOrEqual(m.t, m.base, max(was, upTo))
}

func (m *crashModel) end() {
	for rd := range m.seen {
		require.NoError(m.t, rd.Close())
	}
	m.seen = nil
}

// step does one thing.
func (m *crashModel) step() {
	switch action := rapid.IntRange(0, 21).Draw(m.t, "action"); action {
	case 0, 1, 2, 3, 4, 5:
		m.append(rapid.IntRange(1, 300).Draw(m.t, "size"), rapid.IntRange(1, 12).Draw(m.t, "events"))
	case 6, 7, 8:
		m.sync()
	case 9: // a stream is cut inside a transaction
		if m.begin() {
			for _, e := range m.s.transaction(crashGTID(len(m.sent)), 200, 1500)[:rapid.IntRange(1, 4).Draw(m.t, "cut")] {
				if m.failed(m.r.Append(e)) {
					return
				}
			}
			m.discard()
		}
	case 10:
		m.discard()
	case 11:
		m.faults = rapid.SampledFrom([]int{0, 0, 10, 40}).Draw(m.t, "faults")
	case 12, 13, 14:
		m.readSome(rapid.IntRange(1, 30).Draw(m.t, "read"))
	case 15:
		m.newReader(rapid.IntRange(0, len(m.sent)).Draw(m.t, "from"))
	case 16:
		m.purge(rapid.IntRange(0, m.synced).Draw(m.t, "applied"))
	case 17:
		m.change()
	case 18:
		failed := m.failed(m.r.NewSegment())
		m.epoch = len(m.sent)
		if !failed {
			m.synced = len(m.sent)
			// Another leader, whose files have other names.
			m.s.file = name("other.%06d", m.fs.rnd.Intn(1_000_000))
			m.discard()
		}
	case 19, 20:
		m.powerOff(rapid.IntRange(1, 8).Draw(m.t, "operations"))
	case 21:
		m.restart(rapid.IntRange(0, 2).Draw(m.t, "end"))
	}
}

// change makes the leader go to another file, perhaps with another format.
func (m *crashModel) change() {
	if !m.begin() {
		return
	}
	events := m.s.rotate(name("binlog.%06d", m.fs.rnd.Intn(1_000_000)))
	if m.fs.rnd.Intn(2) == 0 {
		m.s.f = testFormat(!m.s.f.Checksum)
		events = append(events[:1], m.s.begin()...)
	}
	for _, e := range events {
		if m.failed(m.r.Append(e)) {
			return
		}
	}
}

func (m *crashModel) restart(how int) {
	m.end()
	switch how {
	case 0:
		_ = m.r.Close()
		m.fs = m.fs.kill()
	case 1:
		m.fs = m.fs.kill()
	case 2:
		m.fs = m.fs.crash()
	}
	m.open()
}

// powerOff lets the power go off after some operations on files, in the middle of
// whatever comes then.
func (m *crashModel) powerOff(operations int) {
	if !m.begin() {
		return
	}
	for rd := range m.seen {
		require.NoError(m.t, rd.Close())
	}
	m.fs.failAfter(operations)
	for m.fs.wreck == nil {
		for range m.fs.rnd.Intn(4) + 1 {
			g := crashGTID(len(m.sent))
			events := m.s.transaction(g, m.fs.rnd.Intn(200), m.fs.rnd.Intn(800))
			m.sent = append(m.sent, &sentTransaction{g, join(events), m.s.at()})
			for _, e := range events {
				if m.r.Append(e) != nil {
					break
				}
			}
			if m.fs.wreck != nil {
				break
			}
		}
		if m.r.Sync() == nil {
			m.synced = len(m.sent)
		}
	}
	m.fs = m.fs.wreck
	m.open()
}

func TestSyncedTransactionsSurviveCrashesAndFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &crashModel{
			t:   rt,
			cfg: Config{Dir: "/relay", SegmentSize: 4 << 10, Memory: 16 << 10},
			fs:  newMemFS(rapid.Int64().Draw(rt, "seed")),
			s:   newStream(t, rapid.Bool().Draw(rt, "checksum")),
		}
		m.open()
		for range rapid.IntRange(1, 150).Draw(rt, "steps") {
			m.step()
		}
		m.restart(2)
		m.faults = 0
		m.end()
		require.NoError(rt, m.r.Close())
		require.Zero(rt, m.fs.open, "files are left open")
	})
}
