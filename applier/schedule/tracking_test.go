package schedule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// The scripts in testdata/tracking know one command, with a Tracking of its own:
//
//	track sessions=N    a line: WINDOWS clock=N [rows=N] [busy] [learning] [distrust]: so many
//	                    windows in which the clock lets N transactions run side by side, and the
//	                    rows, while they are looked at, N; busy: no session is without work;
//	                    learning: the tables aren't known; distrust: at the end the rows are
//	                    found to be wrong. Prints what it goes by after
//	                    which window, where that changes.
func TestTrackingScripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/tracking/choice", func(t *testing.T, d *datadriven.TestData) string {
		require.Equal(t, "track", d.Cmd)
		var sessions int
		d.ScanArgs(t, "sessions", &sessions)
		var out strings.Builder
		var tracking Tracking
		window, sequence, was := 0, int64(0), false
		for line := range strings.Lines(d.Input) {
			words := strings.Fields(line)
			windows, clock, rows, starved, learning, distrust := 0, int64(1), int64(0), true, false, false
			_, err := fmt.Sscan(words[0], &windows)
			require.NoError(t, err, line)
			for _, word := range words[1:] {
				switch {
				case word == "busy":
					starved = false
				case word == "learning":
					learning = true
				case word == "distrust":
					distrust = true
				case strings.HasPrefix(word, "rows="):
					_, err = fmt.Sscanf(word, "rows=%d", &rows)
				default:
					_, err = fmt.Sscanf(word, "clock=%d", &clock)
				}
				require.NoError(t, err, line)
			}
			for range windows {
				for range trackingWindow {
					sequence++
					leader := Transaction{LastCommitted: (sequence - 1) / clock * clock, SequenceNumber: sequence}
					used := leader
					if tracking.ByRows() && rows > 0 {
						used.LastCommitted = (sequence - 1) / rows * rows
					}
					tracking.Next(leader, used, Moment{Sessions: sessions, Starved: starved, Learning: learning})
				}
				window++
				if is := tracking.ByRows(); is != was {
					fmt.Fprintf(&out, "%d: %s\n", window, map[bool]string{true: "rows", false: "clock"}[is])
					was = is
				}
			}
			if distrust {
				tracking.Distrust()
				was = tracking.ByRows()
				fmt.Fprintf(&out, "%d: distrusted\n", window)
			}
		}
		if out.Len() == 0 {
			return "no change\n"
		}
		return out.String()
	})
}

// What follows a barrier, or another file's clock, comes after all before it.
func TestBreadthCountsWhatFollowsOneAnother(t *testing.T) {
	var b breadth
	for i, c := range []struct {
		tx    Transaction
		depth int
	}{
		{Transaction{LastCommitted: 0, SequenceNumber: 1}, 1},
		{Transaction{LastCommitted: 0, SequenceNumber: 2}, 1},
		{Transaction{LastCommitted: 1, SequenceNumber: 3}, 2},
		{Transaction{LastCommitted: 0, SequenceNumber: 4}, 2},
		{Transaction{LastCommitted: 3, SequenceNumber: 5}, 3},
		{Transaction{LastCommitted: 4, SequenceNumber: 6, Barrier: true}, 4},
		{Transaction{LastCommitted: 0, SequenceNumber: 7}, 5},
		{Transaction{LastCommitted: 6, SequenceNumber: 8}, 5},
		{Transaction{LastCommitted: 0, SequenceNumber: 1}, 6},
		{Transaction{LastCommitted: 1, SequenceNumber: 2}, 7},
	} {
		b.push(c.tx)
		require.Equal(t, c.depth, b.depth, "transaction %d", i)
	}
	require.Equal(t, 100*10/7, b.percent())
}
