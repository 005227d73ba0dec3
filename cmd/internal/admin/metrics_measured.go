package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/batondb/baton/internal/history"
)

// Measured are the metrics that no Status holds, because each single duration
// counts: whoever does a thing tells how long it took. Its methods don't wait
// and may be called by any goroutine. It is a [prometheus.Collector].
type Measured struct {
	fsync       prometheus.Histogram
	acknowledge prometheus.Histogram
	apply       *prometheus.HistogramVec
	age         *prometheus.HistogramVec
	probe       *prometheus.HistogramVec
	probeFailed *prometheus.CounterVec
	handOver    *prometheus.HistogramVec
	unwritable  *prometheus.HistogramVec
	events      *prometheus.CounterVec
}

// NewMeasured returns the metrics of a cluster, on which nothing has been
// measured yet.
func NewMeasured(cluster string) *Measured {
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets, ConstLabels: prometheus.Labels{"cluster": cluster}}
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{"cluster": cluster}}
	}
	disk := prometheus.ExponentialBuckets(0.0001, 2, 16)    // to 3.3 s
	server := prometheus.ExponentialBuckets(0.00025, 2, 18) // to 33 s
	since := prometheus.ExponentialBuckets(0.001, 2, 22)    // to 35 min
	passing := prometheus.ExponentialBuckets(0.0625, 2, 12) // to 128 s
	m := &Measured{
		fsync: prometheus.NewHistogram(histogram("baton_relay_fsync_duration_seconds", "Time that fsyncs of the relay took.", disk)),
		acknowledge: prometheus.NewHistogram(histogram("baton_source_acknowledgement_latency_seconds",
			"Time from the arrival of a position that a commit waits for to its acknowledgement.", disk)),
		apply: prometheus.NewHistogramVec(histogram("baton_follower_apply_duration_seconds",
			"Time that it took to apply and commit a transaction on the follower.", server), []string{"name"}),
		age: prometheus.NewHistogramVec(histogram("baton_follower_commit_latency_seconds",
			"Time from the commit of a transaction on the leader to its commit on the follower, by the clocks of leader and baton.", since), []string{"name"}),
		probe: prometheus.NewHistogramVec(histogram("baton_probe_duration_seconds",
			"Time that instances took to answer a question.", server), []string{"name"}),
		probeFailed: prometheus.NewCounterVec(counter("baton_probe_failures_total",
			"Questions that an instance didn't answer."), []string{"name"}),
		handOver: prometheus.NewHistogramVec(histogram("baton_hand_over_duration_seconds",
			"Time that completed hand-overs took until the new leader could be written to.", passing), []string{"kind"}),
		unwritable: prometheus.NewHistogramVec(histogram("baton_hand_over_unwritable_seconds",
			"Time for which no instance could be written to in completed hand-overs.", passing), []string{"kind"}),
		events: prometheus.NewCounterVec(counter("baton_events_total", "Events of the history."), []string{"kind", "level"}),
	}
	// The first event of a kind is an increase only where the counter was there before it.
	for _, kind := range history.Kinds() {
		for _, level := range history.Levels() {
			m.events.WithLabelValues(string(kind), string(level))
		}
	}
	return m
}

// Synced notes an fsync of the relay.
func (m *Measured) Synced(took time.Duration) { m.fsync.Observe(took.Seconds()) }

// Acknowledged notes an acknowledgement to the leader.
func (m *Measured) Acknowledged(latency time.Duration) { m.acknowledge.Observe(latency.Seconds()) }

// Applied returns what notes the transactions that are committed on a follower;
// an age below 0 is unknown.
func (m *Measured) Applied(follower string) func(took, age time.Duration) {
	apply, ages := m.apply.WithLabelValues(follower), m.age.WithLabelValues(follower)
	return func(took, age time.Duration) {
		apply.Observe(took.Seconds())
		if age >= 0 {
			ages.Observe(age.Seconds())
		}
	}
}

// Probed notes a question to an instance; err is why it wasn't answered.
func (m *Measured) Probed(instance string, took time.Duration, err error) {
	failures := m.probeFailed.WithLabelValues(instance)
	if err != nil {
		failures.Inc()
		return
	}
	m.probe.WithLabelValues(instance).Observe(took.Seconds())
}

// HandedOver notes a hand-over that was completed.
func (m *Measured) HandedOver(kind string, seconds, unwritable float64) {
	m.handOver.WithLabelValues(kind).Observe(seconds)
	m.unwritable.WithLabelValues(kind).Observe(unwritable)
}

// Recorded notes an event of the history.
func (m *Measured) Recorded(e history.Event) {
	m.events.WithLabelValues(string(e.Kind), string(e.Level)).Inc()
}

// Forget removes what was measured of an instance that is no longer there.
func (m *Measured) Forget(instance string) {
	for _, v := range []interface{ DeleteLabelValues(...string) bool }{m.apply, m.age, m.probe, m.probeFailed} {
		v.DeleteLabelValues(instance)
	}
}

func (m *Measured) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.fsync, m.acknowledge, m.apply, m.age, m.probe, m.probeFailed, m.handOver, m.unwritable, m.events}
}

// Describe implements [prometheus.Collector].
func (m *Measured) Describe(out chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(out)
	}
}

// Collect implements [prometheus.Collector].
func (m *Measured) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(out)
	}
}
