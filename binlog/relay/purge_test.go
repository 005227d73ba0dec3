package relay

import (
	"context"
	"errors"
	"iter"
	"os"
	"testing"
	"time"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/stretchr/testify/require"
)

// purgeable makes a relay of many segments whose clock stands.
func purgeable(t *testing.T, cfg Config) (r *Relay, now *time.Time) {
	t.Helper()
	at := time.Now()
	now = &at
	cfg.Dir, cfg.SegmentSize = t.TempDir(), 1<<10
	r = open(t, cfg, Deps{Now: func() time.Time { return *now }})
	require.NoError(t, r.Init(gtid.Set{}))
	s := newStream(t, true)
	appendAll(t, r, s.begin())
	for i := int64(1); i <= 100; i++ {
		appendAll(t, r, s.transaction(gtidOf(i), 100))
		require.NoError(t, r.Sync())
	}
	require.Greater(t, r.Stats().Segments, 15)
	return r, now
}

func purge(t *testing.T, r *Relay, applied map[string]gtid.Set) []string {
	t.Helper()
	lost, err := r.Purge(applied)
	require.NoError(t, err)
	return lost
}

func TestPurgeWaitsForEveryFollowerAndForRetention(t *testing.T) {
	r, now := purgeable(t, Config{Retention: time.Hour})
	all := r.Stats().Segments
	var has gtid.Set
	for i, seg := range r.Segments() {
		require.True(t, has.Equal(seg.Before))
		require.Equal(t, i == all-1, seg.Current)
		has.AddSet(seg.GTIDs)
	}
	require.True(t, upTo(100).Equal(has))
	applied := map[string]gtid.Set{"db2": upTo(100), "db3": upTo(60)}
	require.Empty(t, purge(t, r, applied))
	require.Equal(t, all, r.Stats().Segments, "too young")

	*now = now.Add(time.Hour)
	require.Empty(t, purge(t, r, nil))
	require.Equal(t, all, r.Stats().Segments, "no follower is known")

	require.Empty(t, purge(t, r, applied))
	base := r.Base().Count()
	require.LessOrEqual(t, base, int64(60))
	require.Greater(t, base, int64(50))
	require.NoFileExists(t, r.segmentPath(1))
	require.NoFileExists(t, indexPath(r.segmentPath(1)))
	_, err := r.NewReader(upTo(base - 1))
	require.ErrorIs(t, err, ErrPurged)
	require.Equal(t, sequence(base+1, 100), numbers(read(t, r, upTo(base), 100-int(base))))

	applied["db3"] = upTo(100)
	require.Empty(t, purge(t, r, applied))
	require.Equal(t, 1, r.Stats().Segments, "the newest stays")
	require.True(t, upTo(100).Equal(r.Durable()))

	// The rest of a purge that was cut short is taken away by the next Open.
	require.NoError(t, r.Close())
	require.NoError(t, os.WriteFile(indexPath(r.segmentPath(1)), []byte("x"), 0o600))
	again := open(t, r.cfg, Deps{})
	require.NoFileExists(t, indexPath(r.segmentPath(1)))
	require.True(t, upTo(100).Equal(again.Durable()))
	require.True(t, r.Base().Equal(again.Base()))
}

func TestMaxSizeTakesWhatIsNeededAndNamesWhoNeededIt(t *testing.T) {
	r, _ := purgeable(t, Config{Retention: time.Hour, MaxSize: 5 << 10, Memory: 1 << 10})
	slow, err := r.NewReader(gtid.Set{})
	require.NoError(t, err)
	defer slow.Close()
	require.Equal(t, []int64{1}, numbers(readOn(t, slow, 1)))
	applied := map[string]gtid.Set{"db2": upTo(100), "db4": upTo(20), "db3": upTo(40)}
	require.Equal(t, []string{"db3", "db4"}, purge(t, r, applied))
	require.LessOrEqual(t, r.Stats().Bytes, int64(5<<10))
	require.Empty(t, purge(t, r, applied))

	// The reader ends the segment that it has open, then says what it misses.
	last := int64(1)
	for {
		tx, err := slow.Next(context.Background())
		if err != nil {
			var purged *PurgedError
			require.True(t, errors.As(err, &purged), "%v", err)
			require.Equal(t, r.Base().Subtract(upTo(last)).String(), purged.Missing.String())
			break
		}
		last++
		require.Equal(t, last, tx.GTID.Seq)
	}
	require.Less(t, last, int64(20))
}

func TestBodyOfALargeTransactionSaysThatItsSegmentIsGone(t *testing.T) {
	r := open(t, Config{Dir: t.TempDir(), SegmentSize: 1 << 10, Memory: 8 << 10}, Deps{})
	r.SetLimits(1, time.Hour)
	s := newStream(t, true)
	appendAll(t, r, s.begin(), s.transaction(gtidOf(1), 100), s.transaction(gtidOf(2), 5000), s.transaction(gtidOf(3), 1))
	require.NoError(t, r.Sync())
	rd, err := r.NewReader(gtid.Set{})
	require.NoError(t, err)
	defer rd.Close()
	late, err := r.NewReader(gtid.Set{})
	require.NoError(t, err)
	defer late.Close()
	large := readOn(t, rd, 2)[1]
	next, stop := iter.Pull2(large.Body)
	defer stop()
	_, err, _ = next()
	require.NoError(t, err)
	require.Equal(t, []string{"db2"}, purge(t, r, map[string]gtid.Set{"db2": {}}))
	require.Equal(t, 1, r.Stats().Segments)

	// What has begun to be read stays readable.
	for _, err, ok := next(); ok; _, err, ok = next() {
		require.NoError(t, err)
	}
	for _, err := range large.Body {
		var purged *PurgedError
		require.True(t, errors.As(err, &purged), "%v", err)
		require.Equal(t, gtidOf(2).String(), purged.Missing.String())
		require.EqualError(t, purged, "relay no longer holds "+gtidOf(2).String()+": copy the data from another instance first")
	}

	// A reader that comes to the file of a segment that has gone since.
	late.relay.mu.Lock()
	late.relay.tail.floor = place{9, 9}
	late.relay.mu.Unlock()
	_, err = late.Next(context.Background())
	require.ErrorIs(t, err, ErrPurged)
}
