package admin

import (
	"errors"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/internal/history"
)

func exampleCollector(t *testing.T) *collector {
	s := exampleStatus(t)
	return newCollector(func() Status { return s }, func() uint64 { return 0 }, Build{Version: "1.0.0", Revision: "abc", Go: "go1.26"})
}

func TestMetricsFollowTheConventions(t *testing.T) {
	problems, err := testutil.CollectAndLint(exampleCollector(t))
	require.NoError(t, err)
	require.Empty(t, problems)
	problems, err = testutil.CollectAndLint(measured())
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestWhatIsMeasuredIsCounted(t *testing.T) {
	m := measured()
	m.Synced(time.Second)
	m.Probed("db2", time.Second, errors.New("refused"))
	m.Applied("db2")(time.Second, -1)
	m.Recorded(history.Event{Kind: history.DaemonStarted, Level: history.Info})
	require.Equal(t, map[string]float64{
		"baton_relay_fsync_duration_seconds": 2, "baton_source_acknowledgement_latency_seconds": 1,
		"baton_follower_apply_duration_seconds": 2, "baton_follower_commit_latency_seconds": 1, // an age below 0 is unknown
		"baton_probe_duration_seconds": 1, "baton_probe_failures_total": 1, // what wasn't answered took no time to answer
		"baton_hand_over_duration_seconds": 1, "baton_hand_over_unwritable_seconds": 1, "baton_events_total": 2,
	}, countsOf(t, m))
	m.Forget("db2")
	require.NotContains(t, countsOf(t, m), "baton_follower_apply_duration_seconds")
	require.NotContains(t, countsOf(t, m), "baton_probe_failures_total")
	require.Contains(t, countsOf(t, m), "baton_relay_fsync_duration_seconds")
}

// An alert on the first event of a kind needs its counter to be there before, at zero.
func TestEveryKindOfEventIsCountedFromZero(t *testing.T) {
	declared := regexp.MustCompile(`Kind += "([a-z-]+)"`)
	source, err := os.ReadFile("../../../internal/history/event.go")
	require.NoError(t, err)
	want := map[string]bool{}
	for _, match := range declared.FindAllStringSubmatch(string(source), -1) {
		for _, level := range history.Levels() {
			want[match[1]+" "+string(level)] = true
		}
	}
	require.NotEmpty(t, want, "the pattern finds nothing any more")
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(NewMeasured("shop")))
	gathered, err := r.Gather()
	require.NoError(t, err)
	got := map[string]bool{}
	for _, f := range gathered {
		if f.GetName() != "baton_events_total" {
			continue
		}
		for _, metric := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range metric.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			got[labels["kind"]+" "+labels["level"]] = true
			require.Zero(t, metric.GetCounter().GetValue())
		}
	}
	require.Equal(t, want, got)
}

// countsOf are the observations of each histogram and the values of each counter.
func countsOf(t *testing.T, m *Measured) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(m))
	gathered, err := r.Gather()
	require.NoError(t, err)
	counts := map[string]float64{}
	for _, f := range gathered {
		for _, metric := range f.GetMetric() {
			counts[f.GetName()] += float64(metric.GetHistogram().GetSampleCount()) + metric.GetCounter().GetValue()
		}
	}
	return counts
}

func TestMetricsSayWhatTheStatusSays(t *testing.T) {
	text := scrape(t)
	for _, line := range []string{
		`baton_build_info{cluster="shop",go_version="go1.26",revision="abc",version="1.0.0"} 1`,
		`baton_events_dropped_total{cluster="shop"} 0`,
		`baton_epoch{cluster="shop"} 3`,
		`baton_durability_protected{cluster="shop",mode="balanced"} 1`,
		`baton_leader_health{cluster="shop",health="suspect"} 1`,
		`baton_leader_health{cluster="shop",health="alive"} 0`,
		`baton_failover_candidates{cluster="shop"} 0`,
		`baton_failover_blocked{cluster="shop"} 1`,
		`baton_failover_paused{cluster="shop"} 1`,
		`baton_failover_would_lose_transactions{cluster="shop"} 2`,
		`baton_hand_over_under_way{cluster="shop"} 1`,
		`baton_last_hand_over_timestamp_seconds{cluster="shop",kind="failover"} 1.767319445e+09`,
		`baton_last_hand_over_duration_seconds{cluster="shop",kind="failover"} 2.5`,
		`baton_source_connected{cluster="shop"} 1`,
		`baton_source_stopped{cluster="shop"} 0`,
		`baton_source_connects_total{cluster="shop"} 2`,
		`baton_source_acknowledgements_total{cluster="shop"} 70`,
		`baton_relay_size_bytes{cluster="shop"} 1.073741824e+09`,
		`baton_relay_segments{cluster="shop"} 4`,
		`baton_relay_undurable_transactions{cluster="shop"} 2`,
		`baton_instance_info{address="10.0.0.1:3306",cluster="shop",name="db1",role="leader",version="9.7.4"} 1`,
		`baton_instance_state{cluster="shop",name="db2",role="follower",state="stopped"} 1`,
		`baton_instance_state{cluster="shop",name="db2",role="follower",state="streaming"} 0`,
		`baton_instance_errant_transactions{cluster="shop",name="db2"} 2`,
		`baton_follower_behind_transactions{cluster="shop",name="db2"} 54`,
		`baton_follower_batch_mode{cluster="shop",name="db2"} 0`,
		`baton_endpoint_holding{cluster="shop",endpoint="127.0.0.1:6446",route="leader"} 0`,
		`baton_endpoint_held{cluster="shop",endpoint="127.0.0.1:6447",route="followers"} 1`,
		`baton_endpoint_held_total{cluster="shop",endpoint="127.0.0.1:6446",route="leader"} 3`,
		`baton_endpoint_connections{cluster="shop",endpoint="127.0.0.1:6446",name="db1",route="leader"} 12`,
		`baton_endpoint_connections_total{cluster="shop",endpoint="127.0.0.1:6446",name="db1",route="leader"} 40`,
		`baton_endpoint_refused_total{cluster="shop",endpoint="127.0.0.1:6447",reason="no-follower",route="followers"} 2`,
		`baton_follower_transactions_total{cluster="shop",name="db2"} 44`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

func scrape(t *testing.T) string {
	t.Helper()
	s, _, _ := startServer(t, &fakeCluster{status: exampleStatus(t)}, nil)
	r := overTCP(t, s, http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, r.status)
	return r.body
}

func TestWhatIsUnknownIsNoMetric(t *testing.T) {
	text := scrape(t)
	require.NotContains(t, text, "baton_follower_lag_seconds{", "db2's lag is not known")
	require.NotContains(t, text, `baton_follower_behind_transactions{cluster="shop",name="db1"}`, "a leader is behind nobody")
	require.NotContains(t, text, "baton_last_hand_over_unwritable_seconds{")
	require.Contains(t, text, "go_goroutines")
	require.Contains(t, text, "process_resident_memory_bytes")
}

func TestAnEmptyStatusCanBeScraped(t *testing.T) {
	s, _, _ := startServer(t, &fakeCluster{}, nil)
	r := overTCP(t, s, http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, r.status)
	require.NotContains(t, r.body, "baton_leader_health{", "no verdict is known")
	require.NotContains(t, r.body, "baton_last_hand_over_")
}
