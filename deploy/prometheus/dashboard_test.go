package prometheus

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/batondb/baton/integration/mysqltest"
)

const (
	dashboardFile = "../grafana/baton.json"
	gridColumns   = 24 // of Grafana's dashboards
)

type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr string }
	Panels  []panel // of a row that is folded
}

// panels reads the dashboard, those in folded rows included.
func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	var dashboard struct{ Panels []panel }
	require.NoError(t, json.Unmarshal(text, &dashboard))
	all := dashboard.Panels
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].Panels...)
	}
	require.NotEmpty(t, all)
	return all
}

// Grafana loads a dashboard whose queries don't parse, and shows an error in the panel only.
func TestPromtoolParsesTheDashboard(t *testing.T) {
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	// What Grafana puts in for its variables.
	given := strings.NewReplacer("$cluster", "shop", "$__rate_interval", "1m")
	var rules []rule
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			require.NotEmpty(t, target.Expr, p.Title)
			expr := given.Replace(target.Expr)
			require.NotContains(t, expr, "$", "%s: a variable that the test doesn't know", p.Title)
			rules = append(rules, rule{Record: "dashboard", Expr: expr})
		}
	}
	require.NotEmpty(t, rules)
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	found, err := mysqltest.FindWith(t.Context(), "promtool")
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), found.Promtool, "check", "rules", "--lint=none", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "SUCCESS")
}

func TestNoPanelHidesAnother(t *testing.T) {
	all := panels(t)
	for i, p := range all {
		at := p.GridPos
		require.Positive(t, at.W*at.H, p.Title)
		require.LessOrEqual(t, at.X+at.W, gridColumns, p.Title)
		for _, q := range all[i+1:] {
			require.NotEqual(t, p.ID, q.ID, "%s and %s", p.Title, q.Title)
			to := q.GridPos
			apart := at.X+at.W <= to.X || to.X+to.W <= at.X || at.Y+at.H <= to.Y || to.Y+to.H <= at.Y
			require.True(t, apart, "%s and %s overlap", p.Title, q.Title)
		}
	}
}
