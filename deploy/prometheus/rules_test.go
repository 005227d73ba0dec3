package prometheus

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/batondb/baton/integration/mysqltest"
)

const (
	rulesFile = "baton.rules.yml"
	testsFile = "baton.rules.test.yml"
	manual    = "../../docs/operations.md"
)

func TestPromtoolAcceptsTheRulesAndTheyFire(t *testing.T) {
	found, err := mysqltest.FindWith(t.Context(), "promtool")
	require.NoError(t, err)
	for _, args := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", testsFile}} {
		out, err := exec.CommandContext(t.Context(), found.Promtool, args...).CombinedOutput()
		require.NoError(t, err, "promtool %s:\n%s", strings.Join(args, " "), out)
		require.Contains(t, string(out), "SUCCESS")
	}
}

// Each alert has a test that has it fire, and a page of the manual that says what it means and what to type.
func TestEachAlertIsTestedAndExplained(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations struct{ Summary, Runbook string }
				Labels      struct{ Severity string }
			}
		}
	}
	text, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &file))
	tests, err := os.ReadFile(testsFile)
	require.NoError(t, err)
	pages, err := os.ReadFile(manual)
	require.NoError(t, err)
	alerts := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			alerts++
			require.Contains(t, []string{"critical", "warning"}, rule.Labels.Severity, rule.Alert)
			require.NotEmpty(t, rule.Annotations.Summary, rule.Alert)
			require.Contains(t, string(tests), `ALERTS{alertname="`+rule.Alert+`",alertstate="firing"`, "no test has it fire")
			require.Equal(t, "docs/operations.md#"+strings.ToLower(rule.Alert), rule.Annotations.Runbook)
			page := regexp.MustCompile(`(?m)^### ` + rule.Alert + `\n\n(?s:(.+?))\n(?:#|\z)`).FindSubmatch(pages)
			require.NotNil(t, page, "%s has no page in %s", rule.Alert, manual)
			require.Contains(t, string(page[1]), "`", "%s: what is to be typed?", rule.Alert)
		}
	}
	require.NotZero(t, alerts)
}
