package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// step is a statement of a file, or a directive: a line that begins with "--!".
type step struct {
	file string
	line int
	// directive is the first word of a directive, "" for a statement, and text what follows it, or the statement.
	directive, text string
}

func (s step) String() string {
	text := s.text
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return fmt.Sprintf("%s:%d: %s%s", s.file, s.line, s.directive, " "+text)
}

// directives are what a file may say beside SQL. Those marked "next" are about the next statement.
var directives = map[string]string{
	"connection": "goes on in the session of that name, which is opened if need be: NAME [USER PASSWORD]",
	"end":        "closes the session of that name",
	"check":      "compares all servers",
	"error":      "next: it has to fail on the leader with that error number",
	"gives":      "next: the first value of its result has to be that text",
	"until":      "next: it is run until the first value of its result is that text",
	"repeat":     "next: it is run that often",
	"restart":    "leader, follower or daemon: it is stopped in order and started again; [NAME=VALUE …] are added to a server's options",
	"kill":       "leader or follower: it is killed and started again",
	"stops":      "baton's followers stop at a transaction, with an error that holds that text, and are told to skip it",
	"followers":  "runs that statement, unlogged, on baton's followers and the native replica",
	"native":     "stops NUMBER: the native replica stops before the next check with that error; differs TEXT: it differs, as the comparison puts it; same: no longer",
	"differs":    "baton's followers differ from here on, as the comparison puts it; without a text, no longer",
	"images":     "differ: the row images in the follower's binlog differ from the leader's in this file, for the reason given",
	"delimiter":  "ends statements from here on",
}

// readScript reads a file.
func readScript(path string) ([]step, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseScript(path, string(content))
}

func parseScript(file, content string) ([]step, error) {
	var steps []step
	delimiter := ";"
	var statement strings.Builder
	began := 0
	for i, line := range strings.Split(content, "\n") {
		trimmed := strings.TrimSpace(line)
		if statement.Len() == 0 {
			if rest, ok := strings.CutPrefix(trimmed, "--!"); ok {
				word, text, _ := strings.Cut(strings.TrimSpace(rest), " ")
				if directives[word] == "" {
					return nil, fmt.Errorf("%s:%d: unknown directive %q", file, i+1, word)
				}
				text = strings.TrimSpace(text)
				if word == "delimiter" {
					delimiter = text
					continue
				}
				steps = append(steps, step{file, i + 1, word, text})
				continue
			}
			if trimmed == "" || strings.HasPrefix(trimmed, "-- ") || trimmed == "--" {
				continue
			}
			began = i + 1
		} else {
			statement.WriteByte('\n')
		}
		if text, ok := strings.CutSuffix(strings.TrimRight(line, " \t"), delimiter); ok {
			statement.WriteString(text)
			steps = append(steps, step{file, began, "", statement.String()})
			statement.Reset()
			continue
		}
		statement.WriteString(line)
	}
	if statement.Len() > 0 {
		return nil, fmt.Errorf("%s:%d: a statement without its %q", file, began, delimiter)
	}
	return steps, nil
}

func TestScriptsAreReadLineByLine(t *testing.T) {
	steps, err := parseScript("f", "-- why\nSELECT 1;\n\n--! error 1062\nINSERT INTO t\n  VALUES ('-- no comment');\n--! delimiter //\nBEGIN\n  x;\nEND//\n--! check\n")
	require.NoError(t, err)
	require.Equal(t, []step{
		{"f", 2, "", "SELECT 1"}, {"f", 4, "error", "1062"}, {"f", 5, "", "INSERT INTO t\n  VALUES ('-- no comment')"},
		{"f", 8, "", "BEGIN\n  x;\nEND"}, {"f", 11, "check", ""},
	}, steps)
	_, err = parseScript("f", "--! chekc")
	require.ErrorContains(t, err, `f:1: unknown directive "chekc"`)
	_, err = parseScript("f", "SELECT 1;\nSELECT 2")
	require.ErrorContains(t, err, "f:2: a statement without its")
}
