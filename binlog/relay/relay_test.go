package relay

import (
	"context"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/stretchr/testify/require"
)

func TestGivesBackWhatWasSynced(t *testing.T) {
	for _, checksum := range []bool{true, false} {
		t.Run(name("checksum=%v", checksum), func(t *testing.T) {
			cfg := Config{Dir: t.TempDir(), SegmentSize: 4 << 10, Memory: 16 << 10}
			r := open(t, cfg, Deps{})
			require.True(t, r.Empty())
			require.NoError(t, r.Init(upTo(10)))
			require.ErrorIs(t, r.Init(upTo(10)), ErrNotEmpty)
			s := newStream(t, checksum)
			appendAll(t, r, s.begin())
			want := map[int64][]byte{}
			early, err := r.NewReader(upTo(10))
			require.NoError(t, err)
			defer early.Close()
			var ends []binlog.Position
			for i := int64(11); i <= 200; i++ {
				if i%50 == 0 {
					appendAll(t, r, s.rotate(name("binlog.%06d", i)))
				}
				size := 100
				if i%30 == 0 {
					size = 5000
				}
				events := s.transaction(gtidOf(i), size, 20)
				want[i] = join(events)
				ends = append(ends, s.at())
				appendAll(t, r, events)
				if i%7 == 0 {
					require.NoError(t, r.Sync())
					require.Equal(t, s.at(), r.DurableEnd())
				}
			}
			require.NoError(t, r.Sync())
			check := func(r *Relay, all []*binlog.Transaction) {
				require.Equal(t, sequence(11, 200), numbers(all))
				for i, tx := range all {
					require.Equal(t, want[tx.GTID.Seq], bytesOf(t, tx))
					require.Equal(t, ends[i], tx.End)
					require.Equal(t, int64(len(want[tx.GTID.Seq])), tx.Size)
				}
				require.Equal(t, upTo(200).String(), r.Durable().String())
				require.Equal(t, upTo(10).String(), r.Base().String())
				require.Equal(t, s.at(), r.DurableEnd())
			}
			check(r, readOn(t, early, 190))
			check(r, read(t, r, upTo(10), 190))
			require.Equal(t, sequence(151, 200), numbers(read(t, r, upTo(150), 50)))
			require.NoError(t, r.Close())
			require.NoError(t, r.Close())

			r = open(t, cfg, Deps{})
			require.False(t, r.Empty())
			check(r, read(t, r, upTo(10), 190))
			_, err = early.Next(context.Background())
			require.ErrorIs(t, err, ErrClosed)
		})
	}
}
