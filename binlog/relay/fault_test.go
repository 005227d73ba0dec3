package relay

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/batondb/baton/binlog/gtid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// appendUntilFailure appends small transactions, a Sync each, until one fails,
// and returns how many were durable then.
func appendUntilFailure(t *testing.T, r *Relay, s *stream, from int64) (int64, *WriteError) {
	t.Helper()
	for i := from; ; i++ {
		for _, e := range s.transaction(gtidOf(i), 4000) {
			require.NoError(t, r.Append(e))
		}
		if err := r.Sync(); err != nil {
			var failed *WriteError
			require.True(t, errors.As(err, &failed), "%v", err)
			return i - 1, failed
		}
		require.Less(t, i, int64(10_000), "the disk never fills up")
	}
}

// smallDisk returns the file system and folder of a disk that fills up, and what
// frees it: a real one if this process may mount one.
func smallDisk(t *testing.T) (fs FS, dir string, free func()) {
	t.Helper()
	const size = 1 << 20
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, name("size=%d", 2*size)); err != nil {
		t.Logf("no disk can be mounted here (%v): taking one in memory", err)
		m := newMemFS(1)
		m.room = size
		return m, "/relay", func() { m.room = -1 }
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(mount, unix.MNT_DETACH)) })
	ballast := filepath.Join(mount, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, size), 0o600))
	return osFS{}, filepath.Join(mount, "relay"), func() { require.NoError(t, os.Remove(ballast)) }
}

func TestFullDiskStopsTheWriterOnlyUntilItIsFreed(t *testing.T) {
	fs, dir, free := smallDisk(t)
	r := open(t, Config{Dir: dir, SegmentSize: 200 << 10}, Deps{FS: fs})
	require.NoError(t, r.Init(gtid.Set{}))
	s := newStream(t, true)
	appendAll(t, r, s.begin())
	rd, err := r.NewReader(gtid.Set{})
	require.NoError(t, err)
	defer rd.Close()
	n, failed := appendUntilFailure(t, r, s, 1)
	require.ErrorIs(t, failed, syscall.ENOSPC)
	require.ErrorContains(t, failed, failed.Path+": ")
	require.ErrorContains(t, failed, "nothing new is durable until the relay's disk can be written again")
	require.True(t, upTo(n).Equal(r.Durable()))
	stats := r.Stats()
	require.ErrorIs(t, stats.Failed, syscall.ENOSPC)
	require.False(t, stats.FailedSince.IsZero())

	// Readers get what is held, from memory and from disk.
	require.Equal(t, sequence(1, n), numbers(readOn(t, rd, int(n))))
	require.Equal(t, sequence(1, n), numbers(read(t, r, gtid.Set{}, int(n))))

	// While the disk is full each attempt fails in the same way, leaves nothing behind, and the failure's beginning stays.
	before := r.Stats().Segments
	for range 20 {
		if r.Discard() != nil {
			continue
		}
		appendAll(t, r, s.begin())
		for _, e := range s.transaction(gtidOf(n+1), 300_000) {
			if err = r.Append(e); err != nil {
				break
			}
		}
		if err == nil {
			err = r.Sync()
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	require.LessOrEqual(t, r.Stats().Segments, before+1)
	require.Equal(t, stats.FailedSince, r.Stats().FailedSince)

	free()
	require.NoError(t, r.Discard())
	appendAll(t, r, s.begin(), s.transaction(gtidOf(n+1), 300))
	require.NoError(t, r.Sync())
	require.NoError(t, r.Stats().Failed)
	require.Equal(t, []int64{n + 1}, numbers(readOn(t, rd, 1)))
	require.NoError(t, r.Close())
	r = open(t, Config{Dir: dir}, Deps{FS: fs})
	require.Equal(t, sequence(1, n+1), numbers(read(t, r, gtid.Set{}, int(n+1))))
}

func TestSegmentIsLeftBehindAfterAFailedFsync(t *testing.T) {
	fs := newMemFS(1)
	r := open(t, Config{Dir: "/relay"}, Deps{FS: fs})
	s := newStream(t, true)
	appendAll(t, r, s.begin(), s.transaction(gtidOf(1), 10))
	require.NoError(t, r.Sync())
	end := r.DurableEnd()
	rd, err := r.NewReader(upTo(1))
	require.NoError(t, err)
	defer rd.Close()

	fs.fail = func(op, path string) error {
		if op == "sync" {
			return syscall.EIO
		}
		return nil
	}
	appendAll(t, r, s.transaction(gtidOf(2), 10))
	require.ErrorIs(t, r.Sync(), syscall.EIO)
	var touched []string
	fs.fail = func(op, path string) error {
		if path == r.segmentPath(1) && op != "read" && op != "open" {
			touched = append(touched, op)
		}
		return nil
	}
	require.ErrorIs(t, r.Sync(), syscall.EIO, "a second fsync would not tell that pages were lost")
	require.ErrorIs(t, r.Append(s.f.Event), syscall.EIO)
	require.True(t, upTo(1).Equal(r.Durable()))
	require.True(t, upTo(2).Equal(r.Received()))
	require.Equal(t, end, r.DurableEnd())
	tx, _, err := rd.step()
	require.NoError(t, err)
	require.Nil(t, tx, "nothing is published after a failed fsync")

	require.NoError(t, r.Discard())
	require.True(t, upTo(1).Equal(r.Received()))
	s.pos = end.Offset
	appendAll(t, r, s.begin(), s.transaction(gtidOf(2), 10))
	require.NoError(t, r.Sync())
	require.Equal(t, []string{"truncate"}, touched)
	require.Equal(t, []int64{2}, numbers(readOn(t, rd, 1)))
	require.Equal(t, s.at(), r.DurableEnd())
	require.Equal(t, 2, r.Stats().Segments)
}

func TestStreamThatMakesNoSenseIsRefusedUntilDiscard(t *testing.T) {
	r := open(t, Config{Dir: t.TempDir()}, Deps{})
	s := newStream(t, true)
	require.ErrorIs(t, r.Append(s.transaction(gtidOf(1), 1)[0]), ErrNoFormat)
	require.ErrorIs(t, r.Append(s.f.Event), ErrNoFormat, "until Discard")
	require.NoError(t, r.Discard())
	s.pos = 4
	appendAll(t, r, s.begin(), s.transaction(gtidOf(1), 1))
	const incident = 26
	require.ErrorIs(t, r.Append(s.event(incident, []byte{1, 0, 0})), ErrUnknownEvent)
	require.NoError(t, r.Sync(), "what came before is good")
	require.True(t, upTo(1).Equal(r.Durable()))
	require.NoError(t, r.Discard())

	// A reconnect without transactions leaves no trace in the segment.
	size := r.Stats().Bytes
	for range 10 {
		appendAll(t, r, s.begin(), s.transaction(gtidOf(1), 1), s.transaction(gtidOf(2), 1)[:2])
		require.NoError(t, r.Sync())
		require.NoError(t, r.Discard())
	}
	require.Equal(t, size, r.Stats().Bytes)
	require.Equal(t, uint64(10), r.Stats().Dropped)
}

func TestRelayIsUsableOnlyWhileOpen(t *testing.T) {
	r := New(Config{Dir: t.TempDir()}, Deps{})
	check := func() {
		require.ErrorIs(t, r.Append(newStream(t, true).f.Event), ErrClosed)
		require.ErrorIs(t, r.Sync(), ErrClosed)
		require.ErrorIs(t, r.Discard(), ErrClosed)
		require.ErrorIs(t, r.Init(upTo(1)), ErrClosed)
		require.ErrorIs(t, r.NewSegment(), ErrClosed)
		_, err := r.NewReader(gtid.Set{})
		require.ErrorIs(t, err, ErrClosed)
		_, err = r.Purge(nil)
		require.ErrorIs(t, err, ErrClosed)
	}
	check()
	require.NoError(t, r.Open(context.Background()))
	require.Error(t, r.Open(context.Background()))
	require.NoError(t, r.Close())
	check()
}
