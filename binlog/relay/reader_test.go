package relay

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/stretchr/testify/require"
)

func TestReadersOfAnySpeedGetEverythingInOrder(t *testing.T) {
	const count = 2000
	r := open(t, Config{Dir: t.TempDir(), SegmentSize: 64 << 10, Memory: 32 << 10}, Deps{})
	require.NoError(t, r.Init(gtid.Set{}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 5 {
		rd, err := r.NewReader(gtid.Set{})
		require.NoError(t, err)
		wg.Go(func() {
			defer rd.Close()
			if i == 4 {
				// It begins when everything else is done, and so reads from disk.
				for !r.Durable().Contains(gtidOf(count)) {
					if _, err := rd.Next(ctx); err != nil {
						t.Error(err)
					}
					rd.Close()
					if rd, err = r.NewReader(gtid.Set{}); err != nil {
						t.Error(err)
					}
				}
			}
			for seq := int64(1); seq <= count; seq++ {
				tx, err := rd.Next(ctx)
				if err != nil || tx.GTID != gtidOf(seq) {
					t.Errorf("reader %d: transaction %d: %v, %v", i, seq, tx, err)
					return
				}
				size := int64(0)
				for e, err := range tx.Body {
					if err != nil {
						t.Error(err)
					}
					size += int64(len(e))
				}
				if size != tx.Size {
					t.Errorf("transaction %d has %d bytes, not %d", seq, size, tx.Size)
				}
			}
		})
	}
	s := newStream(t, true)
	appendAll(t, r, s.begin())
	for i := int64(1); i <= count; i++ {
		size := 100
		if i%100 == 0 {
			size = 3000
		}
		appendAll(t, r, s.transaction(gtidOf(i), size, size))
		if i%3 == 0 {
			require.NoError(t, r.Sync())
			require.LessOrEqual(t, r.Stats().TailBytes, int64(32<<10))
		}
	}
	require.NoError(t, r.Sync())
	wg.Wait()
}

func TestReaderAtTheHeadNeverTouchesTheDisk(t *testing.T) {
	fs := newMemFS(1)
	r := open(t, Config{Dir: "/relay"}, Deps{FS: fs})
	s := newStream(t, true)
	appendAll(t, r, s.begin())
	rd, err := r.NewReader(gtid.Set{})
	require.NoError(t, err)
	defer rd.Close()
	fs.fail = func(op, path string) error {
		if op == "open" || op == "read" {
			return errInjected
		}
		return nil
	}
	for i := int64(1); i <= 100; i++ {
		appendAll(t, r, s.transaction(gtidOf(i), 100))
		require.NoError(t, r.Sync())
		if i%10 == 0 {
			require.Equal(t, sequence(i-9, i), numbers(readOn(t, rd, 10)))
		}
	}
}

func TestNextWaitsForSyncAndEndsWithItsContextOrClose(t *testing.T) {
	r := open(t, Config{Dir: t.TempDir()}, Deps{})
	s := newStream(t, true)
	appendAll(t, r, s.begin(), s.transaction(gtidOf(1), 10))
	type result struct {
		tx  *binlog.Transaction
		err error
	}
	next := func(ctx context.Context, rd *Reader) <-chan result {
		c := make(chan result, 1)
		go func() {
			tx, err := rd.Next(ctx)
			c <- result{tx, err}
		}()
		return c
	}
	newReader := func() *Reader {
		rd, err := r.NewReader(gtid.Set{})
		require.NoError(t, err)
		return rd
	}
	rd := newReader()
	waiting := next(context.Background(), rd)
	require.NoError(t, r.Sync())
	got := <-waiting
	require.NoError(t, got.err)
	require.Equal(t, gtidOf(1), got.tx.GTID)

	ctx, cancel := context.WithCancel(context.Background())
	waiting = next(ctx, rd)
	cancel()
	require.ErrorIs(t, (<-waiting).err, context.Canceled)

	waiting = next(context.Background(), rd)
	require.NoError(t, rd.Close())
	require.NoError(t, rd.Close())
	require.ErrorIs(t, (<-waiting).err, ErrClosed)

	rd = newReader()
	require.Equal(t, []int64{1}, numbers(readOn(t, rd, 1)))
	waiting = next(context.Background(), rd)
	require.NoError(t, r.Close())
	require.ErrorIs(t, (<-waiting).err, ErrClosed)
	require.NoError(t, rd.Close())
}

func TestLargeTransactionIsReadFromDiskAndSeenOnlyWhole(t *testing.T) {
	const memory = 64 << 10
	r := open(t, Config{Dir: t.TempDir(), Memory: memory}, Deps{})
	s := newStream(t, true)
	rd, err := r.NewReader(gtid.Set{})
	require.NoError(t, err)
	defer rd.Close()
	sizes := make([]int, 300)
	for i := range sizes {
		sizes[i] = 1000 + i*20
	}
	small, large := s.transaction(gtidOf(1), 100), s.transaction(gtidOf(2), sizes...)
	appendAll(t, r, s.begin(), small)
	for _, e := range large[:len(large)-1] {
		require.NoError(t, r.Append(e))
		require.Less(t, len(r.writer.open.events), 20, "it is not held")
		require.LessOrEqual(t, cap(r.writer.batch), 2*flushSize)
	}
	require.NoError(t, r.Sync())
	require.Equal(t, []int64{1}, numbers(readOn(t, rd, 1)))
	tx, _, err := rd.step()
	require.NoError(t, err)
	require.Nil(t, tx)
	require.NoError(t, r.Append(large[len(large)-1]))
	tx, _, err = rd.step()
	require.NoError(t, err)
	require.Nil(t, tx)
	require.NoError(t, r.Sync())
	for _, tx := range []*binlog.Transaction{readOn(t, rd, 1)[0], read(t, r, upTo(1), 1)[0]} {
		require.Equal(t, join(large), bytesOf(t, tx))
		require.Equal(t, join(large), bytesOf(t, tx), "a second time")
		for e, err := range tx.Body { // and given up in the middle
			require.NoError(t, err)
			require.True(t, binlog.IsGTID(e))
			break
		}
	}
	require.Less(t, r.Stats().TailBytes, int64(memory/4))
}

func TestReaderGivesWhatItsSetLacks(t *testing.T) {
	r := open(t, Config{Dir: t.TempDir(), SegmentSize: 100 << 10, Memory: 4 << 10}, Deps{})
	require.NoError(t, r.Init(upTo(5)))
	s := newStream(t, true)
	appendAll(t, r, s.begin())
	for i := int64(6); i <= 900; i++ {
		appendAll(t, r, s.transaction(gtidOf(i), 800))
	}
	require.NoError(t, r.Sync())
	require.Greater(t, r.Stats().Segments, 5)

	_, err := r.NewReader(upTo(3))
	var purged *PurgedError
	require.True(t, errors.As(err, &purged))
	require.ErrorIs(t, err, ErrPurged)
	require.Equal(t, upTo(5).Subtract(upTo(3)).String(), purged.Missing.String())

	var has gtid.Set
	has.AddSet(upTo(400))
	has.AddInterval(source, gtid.Interval{First: 500, Last: 899})
	has.Add(gtid.GTID{Source: gtid.Source{UUID: gtid.UUID{1}}, Seq: 77}) // errant
	require.Equal(t, append(sequence(401, 499), 900), numbers(read(t, r, has, 100)))
	rd, err := r.NewReader(upTo(900))
	require.NoError(t, err)
	defer rd.Close()
	tx, wait, err := rd.step()
	require.NoError(t, err)
	require.Nil(t, tx)
	require.NotNil(t, wait)
}

func TestPositionsBeyondFourGigabytes(t *testing.T) {
	const limit = 1 << 32
	cfg := Config{Dir: t.TempDir()}
	r := open(t, cfg, Deps{})
	s := newStream(t, true)
	appendAll(t, r, s.begin())
	s.pos = limit - 500 // behind what could be a huge transaction
	var want []binlog.Position
	for i := int64(1); i <= 6; i++ {
		appendAll(t, r, s.transaction(gtidOf(i), 100))
		want = append(want, s.at())
		require.NoError(t, r.Sync())
		require.Equal(t, s.at(), r.DurableEnd())
		if i == 4 {
			// The leader names offset 4 again, and goes on above 4 GiB.
			require.NoError(t, r.Discard())
			appendAll(t, r, s.begin())
		}
	}
	require.Greater(t, s.pos, uint64(limit))
	for range 2 {
		for i, tx := range read(t, r, gtid.Set{}, 6) {
			require.Equal(t, want[i], tx.End)
		}
		require.Equal(t, s.at(), r.DurableEnd())
		require.NoError(t, r.Close())
		r = open(t, cfg, Deps{})
	}
}

func TestNewSegmentForgetsTheFormerLeadersPosition(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	r := open(t, cfg, Deps{})
	require.NoError(t, r.NewSegment(), "nothing to do in an empty relay")
	s := newStream(t, true)
	appendAll(t, r, s.begin(), s.transaction(gtidOf(1), 10))
	require.NoError(t, r.Sync())
	appendAll(t, r, s.transaction(gtidOf(2), 10)[:2])
	require.Error(t, r.NewSegment(), "inside a transaction")
	require.NoError(t, r.Discard())
	require.Equal(t, uint64(1), uint64(r.Stats().Segments))
	for range 3 {
		require.NoError(t, r.NewSegment())
		require.Equal(t, 2, r.Stats().Segments)
		require.True(t, r.DurableEnd().IsZero())
	}
	require.NoError(t, r.Close())
	r = open(t, cfg, Deps{})
	require.True(t, r.DurableEnd().IsZero(), "%s", r.DurableEnd())
	s.pos = 4
	appendAll(t, r, s.begin(), s.transaction(gtidOf(2), 10))
	require.NoError(t, r.Sync())
	require.Equal(t, s.at(), r.DurableEnd())
	require.Equal(t, 2, r.Stats().Segments)
	require.Equal(t, []int64{1, 2}, numbers(read(t, r, gtid.Set{}, 2)))
}
