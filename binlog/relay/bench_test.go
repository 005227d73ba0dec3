package relay

import (
	"context"
	"testing"

	"github.com/batondb/baton/binlog"
	"github.com/batondb/baton/binlog/gtid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// benchTransactions are as large as sysbench oltp_write_only's: 1.7 kB each.
func benchTransactions(b *testing.B, s *stream, n int) (all [][]binlog.Event, size int64) {
	for i := range n {
		all = append(all, s.transaction(gtidOf(int64(i+1)), 300, 300, 300, 300))
	}
	return all, int64(len(join(all[0])))
}

func benchRelay(b *testing.B, cfg Config) (*Relay, *stream) {
	cfg.Dir = b.TempDir()
	r := open(b, cfg, Deps{Logger: zap.NewNop()})
	require.NoError(b, r.Init(gtid.Set{}))
	s := newStream(b, true)
	appendAll(b, r, s.begin())
	return r, s
}

// How fast transactions become durable, so many with one fsync.
func BenchmarkAppendSync(b *testing.B) {
	for _, group := range []int{1, 10, 100} {
		b.Run(name("group=%d", group), func(b *testing.B) {
			r, s := benchRelay(b, Config{})
			all, size := benchTransactions(b, s, b.N)
			b.SetBytes(size)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range all {
				for _, e := range all[i] {
					if err := r.Append(e); err != nil {
						b.Fatal(err)
					}
				}
				if i%group == group-1 {
					if err := r.Sync(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	const count = 20_000
	for what, memory := range map[string]int64{"tail": 1 << 30, "disk": 1 << 20} {
		b.Run(what, func(b *testing.B) {
			r, s := benchRelay(b, Config{Memory: memory})
			all, size := benchTransactions(b, s, count)
			appendAll(b, r, all...)
			require.NoError(b, r.Sync())
			b.SetBytes(size)
			b.ReportAllocs()
			var rd *Reader
			for i := 0; b.Loop(); i++ {
				if i%(count/2) == 0 {
					if rd != nil {
						require.NoError(b, rd.Close())
					}
					var err error
					rd, err = r.NewReader(gtid.Set{})
					require.NoError(b, err)
				}
				if _, err := rd.Next(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, rd.Close())
		})
	}
}

// How long a start takes that reads a whole segment of 100 MB.
func BenchmarkOpen(b *testing.B) {
	r, s := benchRelay(b, Config{})
	all, size := benchTransactions(b, s, 60_000)
	appendAll(b, r, all...)
	require.NoError(b, r.Sync())
	require.NoError(b, r.Close())
	b.SetBytes(size * int64(len(all)))
	for b.Loop() {
		again := New(r.cfg, Deps{})
		require.NoError(b, again.Open(context.Background()))
		require.NoError(b, again.Close())
	}
}
