package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFidelityNamesItsTests holds the manual's page on fidelity against the tests: each line of its tables names one that
// there is, and each file of the corpus is named.
func TestFidelityNamesItsTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/fidelity.md")
	require.NoError(t, err)
	tests := testNames(t, "../..")
	named := map[string]bool{}
	name := regexp.MustCompile("`(Test\\w+|\\w+\\.sql)`")
	lines := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.Contains(line, "| test |") {
			continue
		}
		lines++
		cells := strings.Split(strings.TrimSpace(line), "|")
		found := name.FindAllStringSubmatch(cells[len(cells)-2], -1)
		require.NotEmpty(t, found, "no test is named in: %s", line)
		for _, match := range found {
			require.True(t, tests[match[1]], "there is no %s, which this names: %s", match[1], line)
			named[match[1]] = true
		}
	}
	require.Greater(t, lines, 20, "the tables aren't recognized any more")
	for test := range tests {
		if strings.HasSuffix(test, ".sql") {
			require.True(t, named[test], "docs/fidelity.md doesn't say what %s shows", test)
		}
	}
}

// testNames is all tests of the repository, and the files of the corpus.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		for _, match := range function.FindAllStringSubmatch(string(content), -1) {
			names[match[1]] = true
		}
		return err
	})
	require.NoError(t, err)
	files, err := filepath.Glob("testdata/*.sql")
	require.NoError(t, err)
	for _, file := range files {
		names[filepath.Base(file)] = true
	}
	return names
}
