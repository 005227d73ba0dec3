package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in the file.
type Problem struct {
	// Line counts from 1. For a key that is missing it is the line of the
	// mapping that lacks it.
	Line int
	// Key is the key's path, "instances[1].address" with items counted from 0;
	// empty where the file is no YAML.
	Key string
	// Message is what is wrong, a semicolon, and the mend.
	Message string
}

// Error is all that is wrong with a file.
type Error struct {
	File     string
	Problems []Problem // by line, never empty
}

// Error returns a line a problem: file:line: key: what is wrong; the mend.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		key := p.Key
		if key != "" {
			key += ": "
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s%s", e.File, p.Line, key, p.Message))
	}
	return strings.Join(lines, "\n")
}

// findings collects problems and knows the line of every key of the file.
type findings struct {
	problems []Problem
	lines    map[string]int
	bad      map[string]bool // keys with a problem: one is enough for each
}

func newFindings() *findings {
	return &findings{lines: map[string]int{"": 1}, bad: map[string]bool{}}
}

// given says whether the file has the key with a value, right or wrong.
func (f *findings) given(key string) bool { return f.lines[key] != 0 }

// sound says whether nothing is wrong with any of the keys, so that comparing
// them makes sense.
func (f *findings) sound(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return f.bad[k] })
}

// add reports a problem at the key's line or, where the file lacks the key, at
// that of the nearest mapping around it.
func (f *findings) add(key, format string, args ...any) {
	line := 0
	for around := key; line == 0; around = parent(around) {
		line = f.lines[around]
	}
	f.addAt(line, key, format, args...)
}

func (f *findings) addAt(line int, key, format string, args ...any) {
	f.bad[key] = true
	f.problems = append(f.problems, Problem{Line: line, Key: key, Message: fmt.Sprintf(format, args...)})
}

// err returns the problems in the order of their lines, nil if there are none.
func (f *findings) err(file string) error {
	if len(f.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(f.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Error{File: file, Problems: f.problems}
}

// parent cuts the last step off a key: "a.b[2]" → "a.b" → "a" → "".
func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}
