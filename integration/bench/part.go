package main

import (
	"context"
	"slices"
	"time"
)

// A part of the measurement, which may be left out.
type part struct {
	name string
	// plan adds the part's stages to the run.
	plan func(*bench)
}

// parts are all of them, in the order in which they are measured: those that need the same leader follow one another.
func parts() []part {
	return []part{
		{"ingest", (*bench).planIngest},
		{"catchup", (*bench).planCatchUp},
		{"latency", (*bench).planLatency},
		{"commits", (*bench).planCommits},
		{"fanout", (*bench).planFanOut},
		{"memory", (*bench).planMemory},
		{"endpoint", (*bench).planEndpoint},
	}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// add plans a stage.
func (b *bench) add(st *stage, do func(context.Context, *stage) error) {
	b.schedule.stages = append(b.schedule.stages, st)
	b.work = append(b.work, func(ctx context.Context) error { return do(ctx, st) })
}

// measure does all stages of the parts that are asked for.
func (b *bench) measure(ctx context.Context) error {
	b.schedule.budget = b.opts.budget
	defer func() {
		b.loaded.close()
		b.base.close()
	}()
	for _, p := range parts() {
		if slices.Contains(b.opts.parts, p.name) {
			p.plan(b)
		}
	}
	for i, do := range b.work {
		if err := do(ctx); err != nil {
			return err
		}
		b.schedule.stages[i].begun = true
	}
	return nil
}

// Guesses for what hasn't been done yet.
const (
	overhead   = 3 * time.Second // to copy and start servers, and to compare data
	writeGuess = 5 * time.Second
)

// fillGuess is how long the base takes, for the stage that is planned first: it is made once.
func (b *bench) fillGuess() time.Duration {
	if len(b.schedule.stages) > 0 {
		return 0
	}
	return 12 * time.Second
}
