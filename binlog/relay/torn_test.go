package relay

import (
	"bytes"
	"context"
	"errors"
	"math/rand"
	"os"
	"testing"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/stretchr/testify/require"
)

// written makes a relay with a segment of several groups and returns the
// segment's bytes, and where each transaction and each group ends in it.
// Unless closed it is left as a process that was killed leaves it.
func written(t *testing.T, checksum, closed bool) (whole []byte, ends, groups []int) {
	t.Helper()
	cfg := Config{Dir: t.TempDir()}
	r := open(t, cfg, Deps{})
	require.NoError(t, r.Init(gtid.Set{}))
	s := newStream(t, checksum)
	appendAll(t, r, s.begin())
	for i := int64(1); i <= 6; i++ {
		appendAll(t, r, s.transaction(gtidOf(i), 30))
		ends = append(ends, int(r.writer.logical()))
		if i%2 == 0 {
			require.NoError(t, r.Sync())
			groups = append(groups, int(r.writer.written))
		}
	}
	if closed {
		require.NoError(t, r.Close())
	}
	whole, err := os.ReadFile(r.segmentPath(1))
	require.NoError(t, err)
	return whole, ends, groups
}

// reopened opens a relay whose only segment has the given bytes, and returns how
// many transactions there are; these are whole, the first ones, and can be read.
func reopened(t *testing.T, segment []byte) (int64, error) {
	t.Helper()
	fs := newMemFS(1)
	put := func(path string, content []byte) *memNode {
		fs.names[path] = &memNode{content: bytes.Clone(content), platter: bytes.Clone(content), dirty: map[int]bool{}}
		return fs.names[path]
	}
	put("/relay/"+baseName, nil)
	file := put("/relay/relay.000001", segment)
	r := New(Config{Dir: "/relay"}, Deps{FS: fs})
	if err := r.Open(context.Background()); err != nil {
		require.Equal(t, segment, file.content, "a damaged segment is left as it was found")
		require.Zero(t, fs.open)
		return 0, err
	}
	defer r.Close()
	n := r.Durable().Count()
	require.True(t, upTo(n).Equal(r.Durable()), "%s", r.Durable())
	require.Equal(t, sequence(1, n), numbers(read(t, r, gtid.Set{}, int(n))))

	// It goes on behind the cut.
	s := newStream(t, true)
	s.f = formatOf(t, n == 0 || r.lastSegment().format.Checksum)
	appendAll(t, r, s.begin(), s.transaction(gtidOf(n+1), 10))
	require.NoError(t, r.Sync())
	require.Equal(t, sequence(1, n+1), numbers(read(t, r, gtid.Set{}, int(n+1))))
	return n, nil
}

// wholeBefore returns how many of ends are not beyond a place.
func wholeBefore(ends []int, at int) (n int64) {
	for _, end := range ends {
		if end <= at {
			n++
		}
	}
	return n
}

func TestTornTailIsCutAtEveryByte(t *testing.T) {
	for _, checksum := range []bool{true, false} {
		t.Run(name("checksum=%v", checksum), func(t *testing.T) {
			whole, ends, groups := written(t, checksum, false)
			require.Len(t, whole, groups[2])
			for cut := range len(whole) + 1 {
				want := wholeBefore(ends, cut)
				if !checksum {
					// Only a sync mark tells that a group without checksums is whole.
					want = 2 * wholeBefore(groups, cut)
				}
				n, err := reopened(t, whole[:cut])
				require.NoError(t, err, "cut at %d", cut)
				require.Equal(t, want, n, "cut at %d", cut)
			}
		})
	}
}

func TestGarbageBehindTheLastTransactionIsCut(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for _, checksum := range []bool{true, false} {
		whole, ends, groups := written(t, checksum, false)
		for _, size := range []int{1, 18, 19, 100, 5000, 300_000} {
			garbage := make([]byte, size)
			for _, fill := range []func(){func() {}, func() { rnd.Read(garbage) }, func() { copy(garbage, whole[groups[0]:]) }} {
				fill()
				n, err := reopened(t, append(whole[:len(whole):len(whole)], garbage...))
				require.NoError(t, err)
				require.GreaterOrEqual(t, n, int64(len(ends)))
			}
		}
	}
}

// Where a bit is wrong decides: in what a later mark says had been fsynced, that
// is damage; in the last group, it is a torn tail.
func TestFlippedBitIsDamageUnlessInTheLastGroup(t *testing.T) {
	for _, closed := range []bool{false, true} {
		for _, checksum := range []bool{true, false} {
			t.Run(name("closed=%v,checksum=%v", closed, checksum), func(t *testing.T) {
				whole, ends, groups := written(t, checksum, closed)
				synced := groups[1]
				if closed {
					synced = groups[2]
				}
				for at := range whole {
					for _, bit := range []byte{1, 8, 0x80} {
						b := append([]byte(nil), whole...)
						b[at] ^= bit
						n, err := reopened(t, b)
						if at < synced {
							var damage *DamageError
							require.True(t, errors.As(err, &damage), "flipped at %d: %v", at, err)
							require.LessOrEqual(t, damage.Offset, int64(at))
							continue
						}
						require.NoError(t, err, "flipped at %d", at)
						require.GreaterOrEqual(t, n, wholeBefore(ends, synced), "flipped at %d", at)
					}
				}
			})
		}
	}
}

// A power loss may keep the end of the last group and lose its beginning.
func TestHoleInTheLastGroupIsATornTail(t *testing.T) {
	for _, checksum := range []bool{true, false} {
		whole, ends, groups := written(t, checksum, false)
		for at := groups[1]; at < len(whole)-1; at++ {
			b := append([]byte(nil), whole...)
			clear(b[at : at+(len(b)-at)/2])
			n, err := reopened(t, b)
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, wholeBefore(ends, groups[1]))
		}
	}
}

func TestSealedSegmentMustHoldWhatTheNextSaysCameBefore(t *testing.T) {
	fill := func(t *testing.T) (Config, *Relay) {
		cfg := Config{Dir: t.TempDir(), SegmentSize: 1 << 10}
		r := open(t, cfg, Deps{})
		s := newStream(t, true)
		appendAll(t, r, s.begin())
		for i := int64(1); i <= 30; i++ {
			appendAll(t, r, s.transaction(gtidOf(i), 50))
			require.NoError(t, r.Sync())
		}
		require.NoError(t, r.Close())
		require.Greater(t, r.Stats().Segments, 3)
		return cfg, r
	}
	change := func(t *testing.T, path string, how func([]byte) []byte) {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, how(b), 0o600))
	}
	reopen := func(cfg Config) error {
		r := New(cfg, Deps{})
		defer r.Close()
		return r.Open(context.Background())
	}
	cases := map[string]struct {
		do      func(t *testing.T, r *Relay)
		damaged bool
	}{
		"untouched":     {func(*testing.T, *Relay) {}, false},
		"index missing": {func(t *testing.T, r *Relay) { require.NoError(t, os.Remove(indexPath(r.segmentPath(2)))) }, false},
		"index short": {func(t *testing.T, r *Relay) {
			change(t, indexPath(r.segmentPath(2)), func(b []byte) []byte { return b[:30] })
		}, false},
		"index empty": {func(t *testing.T, r *Relay) {
			change(t, indexPath(r.segmentPath(2)), func(b []byte) []byte { return nil })
		}, false},
		"index flipped": {func(t *testing.T, r *Relay) {
			change(t, indexPath(r.segmentPath(2)), func(b []byte) []byte { b[40] ^= 4; return b })
		}, false},
		"index of another": {func(t *testing.T, r *Relay) {
			require.NoError(t, os.Rename(indexPath(r.segmentPath(1)), indexPath(r.segmentPath(2))))
		}, false},
		"segment missing": {func(t *testing.T, r *Relay) { require.NoError(t, os.Remove(r.segmentPath(2))) }, true},
		"segment empty":   {func(t *testing.T, r *Relay) { change(t, r.segmentPath(2), func(b []byte) []byte { return nil }) }, true},
		"segment short":   {func(t *testing.T, r *Relay) { change(t, r.segmentPath(2), func(b []byte) []byte { return b[:700] }) }, true},
		"segment with more": {func(t *testing.T, r *Relay) {
			change(t, r.segmentPath(2), func(b []byte) []byte { return append(b, b[600:]...) })
		}, false},
		"flipped, without index": {func(t *testing.T, r *Relay) {
			require.NoError(t, os.Remove(indexPath(r.segmentPath(2))))
			change(t, r.segmentPath(2), func(b []byte) []byte { b[700] ^= 1; return b })
		}, true},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			cfg, old := fill(t)
			c.do(t, old)
			err := reopen(cfg)
			if c.damaged {
				var damage *DamageError
				require.True(t, errors.As(err, &damage), "%v", err)
				require.Contains(t, damage.Segment, "relay.00000")
				return
			}
			require.NoError(t, err)
			r := open(t, cfg, Deps{})
			require.Equal(t, sequence(1, 30), numbers(read(t, r, gtid.Set{}, 30)))
			for n := range r.Stats().Segments - 1 {
				require.FileExists(t, indexPath(r.segmentPath(uint64(n+1))))
			}
		})
	}
}

func TestReaderReportsDamageAndSkipsNothing(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), SegmentSize: 2 << 10}
	r := open(t, cfg, Deps{})
	s := newStream(t, true)
	appendAll(t, r, s.begin())
	for i := int64(1); i <= 30; i++ {
		appendAll(t, r, s.transaction(gtidOf(i), 50))
		require.NoError(t, r.Sync())
	}
	require.NoError(t, r.Close())
	path := r.segmentPath(2)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[1500] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))

	r = open(t, cfg, Deps{})
	rd, err := r.NewReader(gtid.Set{})
	require.NoError(t, err)
	defer rd.Close()
	var got []int64
	for {
		tx, err := rd.Next(context.Background())
		if err != nil {
			var damage *DamageError
			require.True(t, errors.As(err, &damage), "%v", err)
			require.Equal(t, path, damage.Segment)
			require.LessOrEqual(t, damage.Offset, int64(1500))
			_, again := rd.Next(context.Background())
			require.Equal(t, err, again)
			break
		}
		got = append(got, tx.GTID.Seq)
	}
	require.Equal(t, sequence(1, int64(len(got))), got)
	require.Less(t, len(got), 30)
}
