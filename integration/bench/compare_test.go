package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWorseIsWhatTheSpreadOfTheRoundsDoesNotExplain(t *testing.T) {
	for name, c := range map[string]struct {
		then, now []float64
		most      bool
		worse     bool
	}{
		"the same":                       {[]float64{1, 2, 3}, []float64{1, 2, 3}, false, false},
		"clearly more":                   {[]float64{1.0, 1.1, 1.2}, []float64{1.4, 1.5, 1.6}, false, true},
		"clearly less":                   {[]float64{1.4, 1.5, 1.6}, []float64{1.0, 1.1, 1.2}, false, false},
		"more, with rounds in common":    {[]float64{1.0, 1.1, 1.5}, []float64{1.4, 1.5, 1.6}, false, false},
		"more by less than noise":        {[]float64{1.00, 1.01, 1.02}, []float64{1.03, 1.06, 1.07}, false, false},
		"less of what should be much":    {[]float64{1.4, 1.5, 1.6}, []float64{1.0, 1.1, 1.2}, true, true},
		"more of what should be much":    {[]float64{1.0, 1.1, 1.2}, []float64{1.4, 1.5, 1.6}, true, false},
		"less, with rounds in common":    {[]float64{1.4, 1.5, 1.6}, []float64{1.0, 1.1, 1.4}, true, false},
		"one round each, and much worse": {[]float64{200}, []float64{230}, false, true},
	} {
		now, then := figure{"x", c.now, c.most}, figure{"x", c.then, c.most}
		require.Equal(t, c.worse, now.worse(then), name)
	}
}

func TestALossShowsBesideAnEarlierRun(t *testing.T) {
	earlier, now := example(), example()
	lines, compared := now.regressed(earlier)
	require.Empty(t, lines)
	require.Len(t, now.figures(), compared)
	require.Greater(t, compared, 8)

	for i := range now.CatchUp[0].Contestants[2].Runs {
		now.CatchUp[0].Contestants[2].Runs[i].Seconds *= 2
	}
	now.Commits.Series[1].Runs[0].Rate /= 2
	now.FanOut.Series[2].Runs[0].BatonCPU *= 2
	now.Memory.Runs[0].BatonPeak *= 2
	now.Latency.Series[1].Runs = nil // not measured: nothing to compare
	lines, less := now.regressed(earlier)
	require.Equal(t, compared-1, less)
	require.Equal(t, []string{
		"catching up with 60000 of oltp, baton, 16 sessions: time beside native, defaults: 0.80 (0.60–0.84) was 0.40 (0.30–0.42)",
		"commits of the leader, baton, strict: beside native, semi-sync: 0.75 (0.75–0.75) was 1.50 (1.50–1.50)",
		"CPU of baton with 5 followers beside 1: 3.60 (3.60–3.60) was 1.80 (1.80–1.80)",
		"memory with 5 followers, one 3000 transactions behind, MiB: 400.00 (400.00–400.00) was 200.00 (200.00–200.00)",
	}, lines)

	said, worse := now.comparison(earlier)
	require.True(t, worse)
	require.Contains(t, said, "Beside the run of 2026-01-02 03:04 (revision 0123456789ab):")
	require.NotContains(t, said, "another machine")
	require.Contains(t, said, "4 of them worse")
}

func TestASlowerMachineIsNoLoss(t *testing.T) {
	earlier, now := example(), example()
	for i := range now.CatchUp[0].Contestants {
		for j := range now.CatchUp[0].Contestants[i].Runs {
			r := &now.CatchUp[0].Contestants[i].Runs[j]
			r.Seconds, r.FollowerCPU, r.BatonCPU = 3*r.Seconds, 3*r.FollowerCPU, 3*r.BatonCPU
		}
	}
	lines, _ := now.regressed(earlier)
	require.Empty(t, lines)
	now.Machine.Cores = 8
	said, worse := now.comparison(earlier)
	require.False(t, worse)
	require.Contains(t, said, "it was another machine: 2 cores")
}

func TestALoadOfAnotherSizeIsNotCompared(t *testing.T) {
	now := example()
	_, all := now.regressed(example())
	now.CatchUp[0].Transactions = 10
	_, compared := now.regressed(example())
	require.Equal(t, all-6, compared, "three figures each of two contestants")
}

func TestResultsAreComparedWithoutMeasuringAgain(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, r *Report) string {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return path
	}
	worse := example()
	worse.Memory.Runs[0].BatonPeak *= 2
	was, is := save("was.json", example()), save("is.json", worse)
	var out, progress strings.Builder
	require.Equal(t, exitDone, execute(t.Context(), []string{"-from", was, "-compare", was}, &out, &progress))
	require.Contains(t, out.String(), "0 of them worse")
	require.Equal(t, exitWorse, execute(t.Context(), []string{"-from", is, "-compare", was}, &out, &progress))
	require.Contains(t, out.String(), "worse: memory with 5 followers")
	require.Equal(t, exitFailed, execute(t.Context(), []string{"-from", is, "-compare", "none.json"}, &out, &progress))
	require.Contains(t, progress.String(), "none.json")
}
