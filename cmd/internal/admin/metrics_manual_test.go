package admin

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/internal/history"
)

var update = flag.Bool("update", false, "rewrite the table of metrics in the manual")

const (
	metricsManual = "../../../docs/metrics.md"
	rules         = "../../../deploy/prometheus/baton.rules.yml"
	rulesTest     = "../../../deploy/prometheus/baton.rules.test.yml"
	dashboard     = "../../../deploy/grafana/baton.json"
)

// measured is a Measured with a value of everything.
func measured() *Measured {
	m := NewMeasured("shop")
	m.Synced(2 * time.Millisecond)
	m.Acknowledged(3 * time.Millisecond)
	m.Applied("db2")(4*time.Millisecond, 5*time.Millisecond)
	m.Probed("db2", time.Millisecond, nil)
	m.HandedOver("failover", 2.5, 1.5)
	m.Recorded(history.Event{Kind: history.DaemonStarted, Level: history.Info})
	return m
}

// families are all of baton's metrics, each with at least one value.
func families(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	status := exampleStatus(t)
	status.Instances[1].LagSeconds = new(1.5)
	status.LastHandOver.UnwritableSeconds = new(1.5)
	s := &Server{deps: Deps{Cluster: &fakeCluster{status: status}, Events: history.New(history.Config{}, history.Deps{}), Measured: measured()}}
	gathered, err := s.registry().Gather()
	require.NoError(t, err)
	all := map[string]*dto.MetricFamily{}
	for _, f := range gathered {
		if strings.HasPrefix(f.GetName(), "baton_") {
			all[f.GetName()] = f
		}
	}
	return all
}

// described are the names of baton's metrics, whether or not they have a value.
func described(t *testing.T) []string {
	t.Helper()
	out := make(chan *prometheus.Desc)
	go func() {
		defer close(out)
		exampleCollector(t).Describe(out)
		measured().Describe(out)
	}()
	var names []string
	for desc := range out {
		name := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(desc.String())
		require.NotNil(t, name, desc)
		names = append(names, name[1])
	}
	return names
}

// TestMetricsManualIsComplete compares the manual's table with the registry. To rewrite it:
//
//	go test ./cmd/internal/admin -run MetricsManual -update
func TestMetricsManualIsComplete(t *testing.T) {
	const begin, end = "<!-- metrics: generated, see TestMetricsManualIsComplete -->\n", "<!-- metrics: end -->"
	all := families(t)
	for _, name := range described(t) {
		require.Contains(t, all, name, "exampleStatus holds no value for it")
	}
	text, err := os.ReadFile(metricsManual)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + metricsTable(all) + end + after
	if *update {
		require.NoError(t, os.WriteFile(metricsManual, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "stale: go test ./cmd/internal/admin -run MetricsManual -update")
}

func metricsTable(families map[string]*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | is |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			if l.GetName() != "cluster" {
				labels = append(labels, "`"+l.GetName()+"`")
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	return b.String()
}

// TestMetricsThatAreWatchedExist looks for every metric that the alert rules, the dashboard and the manual name.
func TestMetricsThatAreWatchedExist(t *testing.T) {
	all := families(t)
	for _, file := range []string{rules, rulesTest, dashboard, metricsManual, "../../../docs/operations.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		names := regexp.MustCompile(`\bbaton_[a-z_]+`).FindAllString(string(text), -1)
		require.NotEmpty(t, names, file)
		for _, name := range names {
			if f := all[strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")]; f != nil && f.GetType() == dto.MetricType_HISTOGRAM {
				continue
			}
			require.Contains(t, all, name, "%s names it", file)
		}
	}
}
