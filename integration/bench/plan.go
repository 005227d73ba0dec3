package main

import (
	"slices"
	"time"
)

// turn is the order of the contestants in a round: forwards in the first, backwards in the next, so that none always
// runs after the same other.
func turn[T any](all []T, round int) []T {
	ordered := slices.Clone(all)
	if round%2 == 0 {
		slices.Reverse(ordered)
	}
	return ordered
}

// expectation tells how long what is still to be done takes, from what has been done.
type expectation struct {
	taken map[string]time.Duration // the longest that a thing of that name took
}

// note remembers that a thing took so long.
func (e *expectation) note(name string, took time.Duration) {
	if e.taken == nil {
		e.taken = map[string]time.Duration{}
	}
	e.taken[name] = max(e.taken[name], took)
}

// of is how long things take; guess is for those that weren't done yet.
func (e *expectation) of(names []string, guess time.Duration) time.Duration {
	var sum time.Duration
	for _, name := range names {
		if took, ok := e.taken[name]; ok {
			sum += took
		} else {
			sum += guess
		}
	}
	return sum
}

// A stage is a part of the run that is repeated round by round.
type stage struct {
	names  []string      // of its things, all of which a round does
	guess  time.Duration // how long an unknown one takes
	before time.Duration // how long it takes to begin the stage
	rounds int
	done   int // rounds
	begun  bool
}

// schedule is the whole run: stages, one after the other.
type schedule struct {
	stages []*stage
	known  expectation
	budget time.Duration
}

// least is how long a stage still takes with rounds in all.
func (s *schedule) least(st *stage, rounds int) time.Duration {
	var need time.Duration
	if !st.begun {
		need = st.before
	}
	return need + time.Duration(max(0, rounds-st.done))*s.known.of(st.names, st.guess)
}

// another tells whether the stage is given another round: its first always, a further one if the stages after it can
// still be given as many within the budget.
func (s *schedule) another(st *stage, elapsed time.Duration) bool {
	if st.done == 0 || st.done >= st.rounds {
		return st.done == 0
	}
	need := s.known.of(st.names, st.guess)
	for _, later := range s.stages[slices.Index(s.stages, st)+1:] {
		need += s.least(later, min(later.rounds, st.done+1))
	}
	return elapsed+need <= s.budget
}

// left is about how long the run still takes; doing are the names that the round under way has done.
func (s *schedule) left(st *stage, doing []string, elapsed time.Duration) time.Duration {
	var need time.Duration
	for _, later := range s.stages[slices.Index(s.stages, st):] {
		need += s.least(later, later.rounds)
	}
	need -= s.known.of(doing, st.guess)
	// Rounds that don't fit aren't begun.
	return max(0, min(need, max(s.budget-elapsed, s.least(st, st.done+1)-s.known.of(doing, st.guess))))
}
