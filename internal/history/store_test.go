package history

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/batondb/baton/internal/logkey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openStore(t *testing.T, cfg Config) *Store {
	t.Helper()
	s := New(cfg, Deps{})
	require.NoError(t, s.Open(t.Context()))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func record(s *Store, from, to int) {
	for i := from; i <= to; i++ {
		s.Record(Event{Kind: FollowerLost, Instance: "db2", Message: fmt.Sprint("event ", i)})
	}
}

func messages(events []Event) []string {
	texts := []string{}
	for _, e := range events {
		texts = append(texts, e.Message)
	}
	return texts
}

func TestEventsOutliveTheStore(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	s.Record(Event{Level: Error, Kind: FollowerStopped, Instance: "db2", GTID: "u:1", Message: "stopped", Mend: "skip it"})
	s.Record(Event{Kind: DaemonStopped, Message: "stopped by an operator"})
	before := s.Recent(10)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second Close")

	s = openStore(t, Config{Dir: dir})
	require.Equal(t, before, s.Recent(10))
	require.Equal(t, []uint64{1, 2}, []uint64{before[0].Seq, before[1].Seq})
	require.Equal(t, Info, before[1].Level)
	require.WithinDuration(t, time.Now(), before[1].Time, time.Hour)
	s.Record(Event{Kind: DaemonStarted, Message: "started"})
	require.Equal(t, uint64(3), s.Recent(1)[0].Seq, "the numbers go on")
}

func TestALineIsOneEventInJSON(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	s.Record(Event{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Kind: SourceLost, Message: "two\nlines <&>"})
	require.NoError(t, s.Close())
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), "\n"))
	require.JSONEq(t, `{"seq":1,"time":"2026-01-02T03:04:05Z","level":"info","kind":"source-lost","message":"two\nlines <&>"}`, string(text))
}

func TestACrashAtAnyByteLeavesWholeEvents(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	record(s, 1, 4)
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(filepath.Join(dir, fileName))
	require.NoError(t, err)

	for end := range len(whole) + 1 {
		crashed := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.Mkdir(crashed, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(crashed, fileName), whole[:end], 0o640))
		lines := strings.Count(string(whole[:end]), "\n")

		s := New(Config{Dir: crashed}, Deps{})
		require.NoError(t, s.Open(t.Context()))
		require.Len(t, s.Recent(10), lines)
		s.Record(Event{Kind: DaemonStarted, Message: "after"})
		require.Equal(t, uint64(lines+1), s.Recent(1)[0].Seq)
		require.NoError(t, s.Close())

		text, err := os.ReadFile(filepath.Join(crashed, fileName))
		require.NoError(t, err)
		require.Equal(t, lines+1, strings.Count(string(text), "\n"))
		for line := range strings.Lines(string(text)) {
			require.True(t, json.Valid([]byte(line)), "cut at %d: %q", end, line)
		}
	}
}

func TestATailOfZeroesIsCut(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	record(s, 1, 2)
	require.NoError(t, s.Close())
	path := filepath.Join(dir, fileName)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(text, make([]byte, 5000)...), 0o640))

	s = openStore(t, Config{Dir: dir})
	require.Len(t, s.Recent(10), 2)
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text, again)
}

func TestDamagedLinesAreLeftOutAndSaid(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	record(s, 1, 3)
	require.NoError(t, s.Close())
	path := filepath.Join(dir, fileName)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(text), "\n")
	damaged := lines[0] + "#" + lines[1] + strings.Repeat("x", maxLine+1) + "\n" + lines[2]
	require.NoError(t, os.WriteFile(path, []byte(damaged), 0o640))

	core, logs := observer.New(zapcore.WarnLevel)
	s = New(Config{Dir: dir}, Deps{Logger: zap.New(core)})
	require.NoError(t, s.Open(t.Context()))
	defer s.Close()
	require.Equal(t, []string{"event 1", "event 3"}, messages(s.Recent(10)))
	require.Equal(t, 1, logs.Len())
	require.EqualValues(t, 2, logs.All()[0].ContextMap()[logkey.Count])
}

func TestTheFilesStayBounded(t *testing.T) {
	dir := t.TempDir()
	const size = 2000
	cfg := Config{Dir: dir, MaxSize: size, Queue: 10000}
	s := openStore(t, cfg)
	record(s, 1, 500)
	require.NoError(t, s.Close())
	for _, name := range []string{fileName, oldFileName} {
		st, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.LessOrEqual(t, st.Size(), int64(size), name)
	}

	s = openStore(t, cfg)
	events := s.Recent(1000)
	require.Greater(t, len(events), 10, "both files are read")
	for i, e := range events {
		require.Equal(t, uint64(500-len(events)+1+i), e.Seq)
	}
}

func TestACrashBetweenTheStepsOfARotationLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	record(s, 1, 5)
	require.NoError(t, s.Close())
	require.NoError(t, os.Rename(filepath.Join(dir, fileName), filepath.Join(dir, oldFileName)))
	s = openStore(t, Config{Dir: dir})
	record(s, 6, 6)
	require.Len(t, s.Recent(10), 6)
	require.Equal(t, uint64(6), s.Recent(1)[0].Seq)
}

func TestEventsWaitForADiskThatFails(t *testing.T) {
	dir := t.TempDir()
	// The rotation that every event needs fails while a folder is in its way.
	obstacle := filepath.Join(dir, oldFileName)
	core, logs := observer.New(zapcore.ErrorLevel)
	s := New(Config{Dir: dir, MaxSize: 1, Queue: 10}, Deps{Logger: zap.New(core)})
	require.NoError(t, s.Open(t.Context()))
	defer s.Close()
	require.NoError(t, os.MkdirAll(filepath.Join(obstacle, "full"), 0o755))
	record(s, 1, 5)
	require.Eventually(t, func() bool { return logs.Len() == 1 }, time.Minute, time.Millisecond, "the failure is said once")
	record(s, 6, 40)
	require.NotZero(t, s.Dropped())
	require.Len(t, s.Recent(100), 40, "what the disk doesn't get is still shown")

	require.NoError(t, os.RemoveAll(obstacle))
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, fileName))
		return err == nil && strings.Contains(string(text), string(EventsDropped))
	}, time.Minute, 10*time.Millisecond)
	last := s.Recent(1)[0]
	require.Contains(t, last.Message, fmt.Sprintf("%d events", s.Dropped()))
	require.NoError(t, s.Close())
}

func TestCloseSaysWhatWasNotWritten(t *testing.T) {
	dir := t.TempDir()
	s := New(Config{Dir: dir, MaxSize: 1}, Deps{})
	require.NoError(t, s.Open(t.Context()))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, oldFileName, "full"), 0o755))
	record(s, 1, 3)
	require.ErrorContains(t, s.Close(), "2 events could not be written")
}

func TestEachEventIsLoggedOnce(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	s := New(Config{Dir: t.TempDir()}, Deps{Logger: zap.New(core)})
	require.NoError(t, s.Open(t.Context()))
	s.Record(Event{Level: Error, Kind: FollowerStopped, Instance: "db2", GTID: "u:1", Message: "stopped", Mend: "skip it"})
	s.Record(Event{Level: Warn, Kind: SourceLost, Message: "lost"})
	require.NoError(t, s.Close())
	s.Record(Event{Kind: DaemonStopped, Message: "after Close"})

	entries := logs.All()
	require.Len(t, entries, 3)
	require.Equal(t, zapcore.ErrorLevel, entries[0].Level)
	require.Equal(t, map[string]any{
		logkey.Kind: "follower-stopped", logkey.Instance: "db2", logkey.GTID: "u:1", logkey.Mend: "skip it",
	}, entries[0].ContextMap())
	require.Equal(t, zapcore.WarnLevel, entries[1].Level)
	require.Equal(t, zapcore.InfoLevel, entries[2].Level)
}

func TestLongTextsAreCut(t *testing.T) {
	s := openStore(t, Config{Dir: t.TempDir()})
	s.Record(Event{Kind: FollowerStopped, Message: strings.Repeat("ä", maxText)})
	text := s.Recent(1)[0].Message
	require.LessOrEqual(t, len(text), maxText+len("…"))
	require.True(t, strings.HasSuffix(text, "ä…"))
	long := Step{HandOver: "failover", Name: "cut", Detail: strings.Repeat("ä", maxText)}
	s.Record(Event{Kind: HandOverStep, Step: &long})
	require.Equal(t, text, s.Recent(1)[0].Step.Detail)
	require.Len(t, long.Detail, 2*maxText, "the recorder's own is left as it is")
}

func TestOpenWithoutTheDirectoryFails(t *testing.T) {
	s := New(Config{Dir: filepath.Join(t.TempDir(), "none")}, Deps{})
	require.ErrorIs(t, s.Open(t.Context()), os.ErrNotExist)
	require.NoError(t, s.Close())
}

func TestFollow(t *testing.T) {
	s := openStore(t, Config{Dir: t.TempDir(), Memory: 5})
	record(s, 1, 3)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan Event, 100)
	ended := make(chan error, 1)
	go func() {
		for e, err := range s.Follow(ctx, 1) {
			if err != nil {
				ended <- err
				return
			}
			seen <- e
		}
	}()
	require.Equal(t, "event 2", (<-seen).Message)
	require.Equal(t, "event 3", (<-seen).Message)
	record(s, 4, 4)
	require.Equal(t, "event 4", (<-seen).Message)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestFollowEndsWithTheStore(t *testing.T) {
	s := openStore(t, Config{Dir: t.TempDir()})
	ended := make(chan error, 1)
	go func() {
		for _, err := range s.Follow(context.Background(), 0) {
			ended <- err
		}
	}()
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, ErrClosed)
}

func TestAFollowerThatIsTooSlowLearnsWhatItMissed(t *testing.T) {
	s := openStore(t, Config{Dir: t.TempDir(), Memory: 5})
	record(s, 1, 20)
	var got []Event
	for e, err := range s.Follow(t.Context(), 3) {
		require.NoError(t, err)
		if got = append(got, e); len(got) == 6 {
			break
		}
	}
	require.Equal(t, EventsDropped, got[0].Kind)
	require.Contains(t, got[0].Message, "12 events")
	require.Equal(t, "event 16", got[1].Message)
	require.Equal(t, "event 20", got[5].Message)
}

func TestFollowAfterANumberFromAnotherHistory(t *testing.T) {
	s := openStore(t, Config{Dir: t.TempDir()})
	record(s, 1, 1)
	seen := make(chan Event)
	go func() {
		for e := range s.Follow(t.Context(), 1000) {
			seen <- e
			return
		}
	}()
	for i := 2; ; i++ { // until the follower listens
		record(s, i, i)
		select {
		case e := <-seen:
			require.NotEqual(t, "event 1", e.Message)
			return
		case <-time.After(time.Millisecond):
		}
	}
}
