package main

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func goalNamed(t *testing.T, r *Report, id string) goal {
	t.Helper()
	for _, g := range r.goals() {
		if g.id == id {
			return g
		}
	}
	require.Failf(t, "no such goal", "%s", id)
	return goal{}
}

func TestAGoalIsReachedOrSaysByHowMuchNot(t *testing.T) {
	setRuns := func(name string, run Run) func(*Report) {
		return func(r *Report) {
			for i, c := range r.CatchUp[0].Contestants {
				if c.Name == name {
					r.CatchUp[0].Contestants[i].Runs = []Run{run}
				}
			}
		}
	}
	for _, c := range []struct {
		id       string
		change   func(*Report)
		measured string
		verdict  string
	}{
		{"catch-up", nil, "1.50 × and 2.50 × (baton, 16 sessions)", "not reached: 50 % of the first, 50 % of the second"},
		{"catch-up", setRuns(batonRelaxed, Run{Seconds: 10}), "3.00 × and 5.00 × (baton, 16 sessions)", "reached"},
		{"catch-up", setRuns("native, tuned", Run{Seconds: 60}), "2.50 × and 2.50 × (baton, 16 sessions)", "not reached: 83 % of the first, 50 % of the second"},
		{"cpu", nil, "25.0 s (baton, 16 sessions) beside 45.0 s (native, tuned) and 75.0 s (defaults)", "reached"},
		{"cpu", setRuns(batonRelaxed, Run{Seconds: 10, FollowerCPU: 80, BatonCPU: 10}), "90.0 s (baton, 16 sessions) beside 45.0 s (native, tuned) and 75.0 s (defaults)", "not reached: 2.00 times as much"},
		{"head", nil, "6.0 ms beside 12.0 ms, from sending the transaction", "reached"},
		{"head", func(r *Report) {
			r.Latency.Series[1].Runs, r.Latency.Series[0].Runs = r.Latency.Series[0].Runs, r.Latency.Series[1].Runs
		}, "12.0 ms beside 6.0 ms, from sending the transaction", "not reached: 2.00 times as long"},
		{"commits", nil, "1500 transactions/s beside 1000", "reached"},
		{"commits", func(r *Report) { r.Commits.Series[1].Runs[0].Rate = 800 }, "800 transactions/s beside 1000", "not reached: 80 % of it"},
		{"followers", nil, "20.0 % more in baton each, from 1 to 5 followers; the leader uses 1.00 times what it does with one", "not reached: 10.0 percent points more in baton"},
		{"followers", func(r *Report) { r.FanOut.Series[2].Runs[0].BatonCPU = 0.7 }, "10.0 % more in baton each, from 1 to 5 followers; the leader uses 1.00 times what it does with one", "reached"},
		{"followers", func(r *Report) { r.FanOut.Series[2].Runs[0].BatonCPU, r.FanOut.Series[2].Runs[0].LeaderCPU = 0.5, 3 },
			"0.0 % more in baton each, from 1 to 5 followers; the leader uses 1.50 times what it does with one", "not reached: 50 % more on the leader"},
		{"memory", nil, "200 MiB at most", "reached"},
		{"memory", func(r *Report) { r.Memory.Runs[0].BatonPeak = 300 << 20 }, "300 MiB at most", "not reached: 44 MiB more"},
	} {
		r := example()
		if c.change != nil {
			c.change(r)
		}
		g := goalNamed(t, r, c.id)
		require.Equal(t, []string{c.measured, c.verdict}, []string{g.Measured, g.verdict()}, c.id)
	}
}

func TestWhatWasNotMeasuredIsNoGoalMissed(t *testing.T) {
	r := &Report{}
	require.Empty(t, r.missed())
	require.Len(t, r.goals(), 6)
	for _, g := range r.goals() {
		require.Empty(t, g.Measured, g.id)
	}
}

func TestEachGoalHasAReasonForWhereItIsNotReached(t *testing.T) {
	var ids []string
	for _, g := range (&Report{}).goals() {
		why, err := g.Why()
		require.NoError(t, err)
		require.NotEmpty(t, why, g.id)
		ids = append(ids, g.id+".md")
	}
	files, err := fs.ReadDir(whyFiles, "why")
	require.NoError(t, err)
	for _, file := range files {
		require.Contains(t, ids, file.Name(), "a reason for no goal")
	}
}

// A reason stands beside the verdict that was computed, and is not there to contradict it.
func TestOnlyMissedGoalsAreExplained(t *testing.T) {
	r := example()
	text, err := r.markdown()
	require.NoError(t, err)
	for _, g := range r.goals() {
		why, err := g.Why()
		require.NoError(t, err)
		require.Equal(t, !g.Reached, strings.Contains(text, why), g.id)
	}
}
