package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheCommandLine(t *testing.T) {
	var out strings.Builder
	o, err := parse(nil, &out)
	require.NoError(t, err)
	require.Equal(t, options{transactions: 22000, threads: 16, rounds: 3, loads: usualLoads(),
		parts: partNames(), rate: 300, seconds: 4, budget: 20 * time.Minute,
		baton: "bin/baton", command: "make bench"}, o)

	o, err = parse([]string{"-quick", "-seconds", "5", "-write", "-dir", "/tmp/x", "-baton", "/tmp/b", "-loads", "oltp,ddl", "-every"}, &out)
	require.NoError(t, err)
	require.Equal(t, options{transactions: 3000, threads: 16, rounds: 1, loads: []string{"oltp", "ddl"}, every: true,
		parts: partNames(), rate: 300, seconds: 5, budget: 20 * time.Minute, dir: "/tmp/x",
		baton: "/tmp/b", write: "docs", command: `make bench BENCH_FLAGS="-every -loads oltp,ddl -quick -seconds 5 -write"`}, o)

	o, err = parse([]string{"-from", "a.json", "-compare", "b.json"}, &out)
	require.NoError(t, err)
	require.Equal(t, []string{"a.json", "b.json", "make bench"}, []string{o.from, o.compare, o.command})

	o, err = parse([]string{"-only", "defaults|^baton"}, &out)
	require.NoError(t, err)
	require.Equal(t, `make bench BENCH_FLAGS="-only 'defaults|^baton'"`, o.command)
	require.Empty(t, out.String())
}

func TestMistakesOnTheCommandLineAreNamed(t *testing.T) {
	for _, c := range []struct {
		args []string
		said string
	}{
		{[]string{"now"}, `bench takes flags only, not "now"`},
		{[]string{"-rounds", "0"}, "-rounds is from 1 to 100, not 0"},
		{[]string{"-transactions", "-1"}, "-transactions is from 1 to 10000000, not -1"},
		{[]string{"-rate", "5001"}, "-rate is from 1 to 5000, not 5001"},
		{[]string{"-loads", "oltp,blob"}, `-loads takes oltp, insert, hot, wide, large, tables, bulk, ddl, clock, not "blob"`},
		{[]string{"-parts", ""}, "-parts is empty"},
		{[]string{"-budget", "0s"}, "-budget is more than 0, not 0s"},
		{[]string{"-only", "mariadb"}, `no contestant's name matches -only "mariadb"`},
		{[]string{"-only", "(baton"}, "-only: error parsing regexp"},
		{[]string{"-speed"}, "flag provided but not defined: -speed"},
	} {
		var out strings.Builder
		_, err := parse(c.args, &out)
		require.Error(t, err)
		require.Contains(t, out.String(), c.said)
	}
}

func TestContestantsAreToldApart(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range contestants("") {
		require.False(t, seen[c.name], c.name)
		seen[c.name] = true
	}
	for _, name := range []string{nativeDefault, batonRelaxed, batonBatches} {
		require.True(t, seen[name], name)
	}
	require.Len(t, contestants("^baton"), 4)
}

// Goals are about contestants by name.
func TestGoalsAreAboutContestantsThatThereAre(t *testing.T) {
	require.Len(t, guards("^"+nativeSemiSync+"$"), 1)
	require.Len(t, guards("^"+batonStrict+"$"), 1)
	require.Len(t, fans("^"+batonRelaxed+"$"), 2)
	for _, c := range contestants(nativeDefault + "|" + batonRelaxed) {
		require.True(t, c.always && c.head, c.name)
	}
}

// Else rounds would be left out before anything is slow.
func TestAWholeRunIsPlannedWithinItsBudget(t *testing.T) {
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	b := newBench(o, io.Discard)
	b.schedule.budget = 10 * o.budget
	for _, p := range parts() {
		p.plan(b)
	}
	require.LessOrEqual(t, b.schedule.left(b.schedule.stages[0], nil, 0), o.budget)
}
