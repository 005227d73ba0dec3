package integration_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/batondb/baton/integration/mysqltest"
)

// metric is the value of a series; a series that isn't there is -1.
func (b *baton) metric(series string) float64 {
	b.t.Helper()
	text, err := b.get("/metrics")
	require.NoError(b.t, err)
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		return -1
	}
	value, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(b.t, err)
	return value
}

// What no status holds is measured where it happens, and each thing is counted once.
func TestMetricsCountWhatHappens(t *testing.T) {
	t.Parallel()
	c := mysqltest.StartCluster(t, 1, mysqltest.Relaxed())
	b := startBaton(t, c.Servers())
	b.waitStatus("commits are protected", func(s state) bool { return s.Durability.State == "protected" })
	w := newWorkload(t, c.Leader, 9)
	w.write(t, 30)
	converged(t, b, w, c.Leader, c.Followers...)
	for _, m := range []struct{ counts, alike string }{
		{`baton_relay_fsync_duration_seconds_count{cluster="shop"}`, ""},
		{`baton_source_acknowledgement_latency_seconds_count{cluster="shop"}`, `baton_source_acknowledgements_total{cluster="shop"}`},
		{`baton_follower_apply_duration_seconds_count{cluster="shop",name="db2"}`, `baton_follower_transactions_total{cluster="shop",name="db2"}`},
		{`baton_follower_commit_latency_seconds_count{cluster="shop",name="db2"}`, `baton_follower_transactions_total{cluster="shop",name="db2"}`},
		{`baton_probe_duration_seconds_count{cluster="shop",name="db1"}`, ""},
		{`baton_events_total{cluster="shop",kind="follower-started",level="info"}`, ""},
	} {
		b.wait(m.counts, func() (bool, string) {
			is, other := b.metric(m.counts), 1.0
			if m.alike != "" {
				// Heartbeats are acknowledged and applied at any time: two scrapes may differ.
				if other = b.metric(m.alike); is > other {
					return false, fmt.Sprintf("%v is more than %v", is, other)
				}
				return is >= 1 && is >= other-1, fmt.Sprintf("%v beside %v", is, other)
			}
			return is >= other, fmt.Sprint(is)
		})
	}
	require.Greater(t, b.metric(`baton_follower_apply_duration_seconds_count{cluster="shop",name="db2"}`), 29.0)
	require.Zero(t, b.metric(`baton_probe_failures_total{cluster="shop",name="db2"}`))

	require.NoError(t, c.Followers[0].Kill9())
	b.wait("a probe that fails", func() (bool, string) {
		is := b.metric(`baton_probe_failures_total{cluster="shop",name="db2"}`)
		return is > 0, fmt.Sprint(is)
	})
	require.NoError(t, c.Followers[0].Restart(t.Context()))
	converged(t, b, w, c.Leader, c.Followers...)

	require.Equal(t, -1.0, b.metric(`baton_hand_over_duration_seconds_count{cluster="shop",kind="switchover"}`))
	b.wait("a switchover", func() (bool, string) {
		_, said, code := b.run("switchover", "--to", "db2", "--yes")
		return code == 0, said
	})
	require.Equal(t, 1.0, b.metric(`baton_hand_over_duration_seconds_count{cluster="shop",kind="switchover"}`))
	took := b.metric(`baton_hand_over_duration_seconds_sum{cluster="shop",kind="switchover"}`)
	require.Equal(t, took, b.metric(`baton_last_hand_over_duration_seconds{cluster="shop",kind="switchover"}`))
}
