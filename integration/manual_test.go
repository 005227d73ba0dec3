package integration_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/config"
	"github.com/batondb/baton/internal/mysql"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the manual")

// statesPattern finds the states of an instance in the code.
const statesPattern = `(?m)^\t(?:Streaming|CatchingUp|Paused|Stopped|Unreachable|Quarantined|NeedsSeed) += "([a-z-]+)"`

const configurationManual = "../docs/configuration.md"

// TestConfigurationManualIsComplete compares the manual's table of keys with the parser's. To rewrite it:
//
//	go test ./integration -run ConfigurationManual -update
func TestConfigurationManualIsComplete(t *testing.T) {
	const begin, end = "<!-- settings: generated, see TestConfigurationManualIsComplete -->\n", "<!-- settings: end -->"
	text, err := os.ReadFile(configurationManual)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + settingsTable(config.Settings()) + end + after
	if *update {
		require.NoError(t, os.WriteFile(configurationManual, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "stale: go test ./integration -run ConfigurationManual -update")
}

func settingsTable(settings []config.Setting) string {
	var b strings.Builder
	b.WriteString("| key | value | default | reload | meaning |\n|---|---|---|---|---|\n")
	for _, s := range settings {
		// A vertical bar would end the cell.
		value := strings.ReplaceAll(s.Range, " | ", ", ")
		switch {
		case s.Kind == "one of":
		case value == "":
			value = s.Kind
		default:
			value = s.Kind + ", " + value
		}
		given := "–"
		switch {
		case s.Required:
			given = "*required*"
		case strings.Contains(s.Default, " "):
			given = s.Default
		case s.Default != "":
			given = "`" + s.Default + "`"
		}
		reload := "no"
		if s.Reload {
			reload = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Key, value, given, reload, strings.ReplaceAll(s.Meaning, "|", `\|`))
	}
	return b.String()
}

func TestManualNamesTheGrants(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	manual := strings.Join(strings.Fields(string(text)), " ")
	for _, v := range []mysql.Version{
		{Major: 8, Minor: 0, Patch: 36, Flavour: mysql.MySQL},
		{Major: 8, Minor: 4, Patch: 5, Flavour: mysql.MySQL},
		{Major: 9, Minor: 7, Patch: 4, Flavour: mysql.MySQL},
	} {
		require.Contains(t, manual, mysql.Grant(v, "'baton'@'10.0.0.%'")+";", "for version %d.%d", v.Major, v.Minor)
	}
	begin, err := os.ReadFile("../docs/getting-started.md")
	require.NoError(t, err)
	require.Contains(t, strings.Join(strings.Fields(string(begin)), " "),
		mysql.Grant(mysql.Version{Major: 9, Minor: 7, Patch: 4, Flavour: mysql.MySQL}, "'baton'@'10.0.0.%'")+";")
}

// TestManualNamesWhatOperatorsMeet holds the names that stand in the code against the manual, where each must be in
// backticks.
func TestManualNamesWhatOperatorsMeet(t *testing.T) {
	for _, c := range []struct{ what, source, pattern, manual string }{
		{"kinds of events", "../internal/history/event.go", `Kind += "([a-z-]+)"`, "../docs/operations.md"},
		{"subjects of baton check", "../internal/mysql/finding.go", `Subject\w+ += "([a-z-]+)"`, "../docs/operations.md"},
		{"states of an instance", "../cmd/internal/admin/status.go", statesPattern, "../docs/operations.md"},
		{"fields of the status", "../cmd/internal/admin/status.go", `json:"([a-z_]+)"`, "../docs/operations.md"},
		{"keys of the log", "../internal/logkey/logkey.go", `= "([a-z_]+)"`, "../docs/operations.md"},
		{"verbs", "../cmd/baton/*.go", `Use: +"(run|check|status|pause|resume|skip|relay|events|version|switchover|failover|rejoin)\b`, "../docs/operations.md"},
	} {
		t.Run(c.what, func(t *testing.T) {
			manual, err := os.ReadFile(c.manual)
			require.NoError(t, err)
			names := namesIn(t, c.source, regexp.MustCompile(c.pattern))
			require.NotEmpty(t, names, "the pattern finds nothing any more")
			var missing []string
			for _, name := range names {
				named := regexp.MustCompile("`(?:baton |[a-z_.\\[\\]]+\\.)?" + regexp.QuoteMeta(name) + "[` .\\[]")
				if !named.Match(manual) {
					missing = append(missing, name)
				}
			}
			require.Empty(t, missing, "add what these are, in backticks, to %s", c.manual)
		})
	}
}

func TestEveryStateHasItsSection(t *testing.T) {
	manual, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	states := namesIn(t, "../cmd/internal/admin/status.go", regexp.MustCompile(statesPattern))
	require.Len(t, states, 7)
	for _, state := range states {
		_, section, found := strings.Cut(string(manual), "\n### `"+state+"`\n")
		require.True(t, found, "%s: say what it means and what to type", state)
		section, _, _ = strings.Cut(section, "\n##")
		require.Greater(t, len(strings.Fields(section)), 10, "%s: say what it means and what to type", state)
	}
}

func namesIn(t *testing.T, glob string, pattern *regexp.Regexp) []string {
	t.Helper()
	files, err := filepath.Glob(glob)
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range pattern.FindAllStringSubmatch(string(text), -1) {
			names = append(names, match[1])
		}
	}
	return names
}

func TestManualLinksLeadSomewhere(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, file := range append(files, "../README.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(match[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			require.True(t, exists(target), "%s: %s", file, match[1])
			if anchor != "" {
				require.Contains(t, anchorsOf(t, target), anchor, "%s: %s", file, match[1])
			}
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// anchorsOf returns the headings of a file as links name them.
func anchorsOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var anchors []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		plain := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(match[1]), "")
		anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
	}
	return anchors
}
