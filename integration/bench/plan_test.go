package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestContestantsTakeTurns(t *testing.T) {
	all := []string{"a", "b", "c"}
	require.Equal(t, []string{"a", "b", "c"}, turn(all, 1))
	require.Equal(t, []string{"c", "b", "a"}, turn(all, 2))
	require.Equal(t, []string{"a", "b", "c"}, turn(all, 3))
	require.Equal(t, []string{"a", "b", "c"}, all)
}

func TestWhatWasDoneTellsHowLongItTakes(t *testing.T) {
	var e expectation
	require.Equal(t, 20*time.Second, e.of([]string{"x", "y"}, 10*time.Second))
	e.note("x", 3*time.Second)
	e.note("x", 2*time.Second)
	require.Equal(t, 13*time.Second, e.of([]string{"x", "y"}, 10*time.Second))
}

func TestRoundsFollowTheBudget(t *testing.T) {
	first := &stage{names: []string{"a", "b"}, guess: 10 * time.Second, rounds: 3}
	load := &stage{before: 20 * time.Second}
	last := &stage{names: []string{"c"}, guess: 5 * time.Second, rounds: 2}
	s := schedule{stages: []*stage{first, load, last}, budget: 90 * time.Second}

	require.True(t, s.another(first, time.Hour), "a first round is begun whatever the budget")
	first.done, first.begun = 1, true
	require.True(t, s.another(first, 40*time.Second), "20 s for the round, 30 s for two rounds of what follows")
	require.False(t, s.another(first, 41*time.Second))
	first.done = 2
	require.True(t, s.another(first, 40*time.Second), "what follows has no third round")
	first.done = 1

	s.known.note("a", 20*time.Second)
	require.False(t, s.another(first, 40*time.Second), "a round takes longer than was guessed")
	require.True(t, s.another(first, 30*time.Second))

	load.begun = true
	require.True(t, s.another(first, 50*time.Second), "the load is written")
	first.done = 3
	require.False(t, s.another(first, 0), "all rounds are done")

	last.done = 1
	require.True(t, s.another(last, 85*time.Second))
	require.False(t, s.another(last, 86*time.Second))
}

func TestTheTimeLeftCountsWhatIsToCome(t *testing.T) {
	first := &stage{names: []string{"a", "b"}, guess: 10 * time.Second, rounds: 2}
	last := &stage{names: []string{"c"}, guess: 5 * time.Second, before: time.Second, rounds: 1}
	s := schedule{stages: []*stage{first, last}, budget: time.Hour}
	require.Equal(t, 46*time.Second, s.left(first, nil, 0))
	s.known.note("a", 4*time.Second)
	require.Equal(t, 30*time.Second, s.left(first, []string{"a"}, 4*time.Second))
	first.done = 2
	require.Equal(t, 6*time.Second, s.left(last, nil, time.Minute))
	s.budget = 10 * time.Second
	first.done = 0
	require.Equal(t, 14*time.Second, s.left(first, nil, 5*time.Second), "the round under way is finished, no further one begun")
}
