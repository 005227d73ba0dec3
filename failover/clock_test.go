package failover

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheCooldownEndsWhateverTheClockDoes(t *testing.T) {
	const length = 10 * time.Minute
	started := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name      string
		done, now time.Time
		left      time.Duration
	}{
		{"just done", started.Add(time.Minute), started.Add(time.Minute), length},
		{"under way", started.Add(-4 * time.Minute), started, 6 * time.Minute},
		{"over", started.Add(-time.Hour), started, -50 * time.Minute},
		{"the clock was set ahead by a day since", started.Add(-24 * time.Hour), started, length - 24*time.Hour},
		{"set back by a day: from this start", started.Add(24 * time.Hour), started, length},
		{"and it comes to its end", started.Add(24 * time.Hour), started.Add(length), 0},
	} {
		require.Equal(t, c.left, cooldown(length, c.done, started, c.now), c.name)
	}
}
