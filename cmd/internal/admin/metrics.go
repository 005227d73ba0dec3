package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// registry returns the metrics of this server: baton's, the Go runtime's and
// the process's. Baton's are derived from one Status a scrape, so that they say
// the same as `baton status`, but for those that were [Measured].
func (s *Server) registry() *prometheus.Registry {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCollector(s.deps.Cluster.Status, s.deps.Events.Dropped, s.deps.Build),
	)
	if s.deps.Measured != nil {
		r.MustRegister(s.deps.Measured)
	}
	return r
}

// metric is one family and what it reads from the Status.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	values func(Status, func(float64, ...string))
}

// collector turns a Status into metrics.
type collector struct {
	status  func() Status
	metrics []metric
}

func newCollector(status func() Status, dropped func() uint64, build Build) *collector {
	c := &collector{status: status}
	c.add("baton_build_info", "1, labelled with what was built.", prometheus.GaugeValue,
		func(_ Status, v func(float64, ...string)) { v(1, build.Version, build.Revision, build.Go) },
		"version", "revision", "go_version")
	c.add("baton_events_dropped_total", "Events of the history that could not be written to disk.", prometheus.CounterValue,
		func(_ Status, v func(float64, ...string)) { v(float64(dropped())) })
	c.addCluster()
	c.addHandOvers()
	c.addRelay()
	c.addEndpoints()
	c.addInstances()
	return c
}

// add adds a family. The label "cluster" stands before the others. The label of
// an instance is "name": Prometheus sets "instance" itself, to baton's address.
func (c *collector) add(name, help string, kind prometheus.ValueType, values func(Status, func(float64, ...string)), labels ...string) {
	c.metrics = append(c.metrics, metric{
		desc: prometheus.NewDesc(name, help, append([]string{"cluster"}, labels...), nil),
		kind: kind, values: values,
	})
}

func (c *collector) addCluster() {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	c.add("baton_epoch", "Number of the leadership, one more at each promotion.", gauge,
		func(s Status, v func(float64, ...string)) { v(float64(s.Epoch)) })
	c.add("baton_durability_protected", "1 while commits on the leader wait until they are in the relay.", gauge,
		func(s Status, v func(float64, ...string)) {
			if s.Durability.State != "" {
				v(truth(s.Durability.State == Protected), string(s.Durability.Mode))
			}
		}, "mode")
	c.add("baton_durability_changed_timestamp_seconds", "When commits began, or ceased, to wait for the relay; absent when unknown.", gauge,
		func(s Status, v func(float64, ...string)) {
			if s.Durability.Since != nil {
				v(seconds(*s.Durability.Since))
			}
		})
	c.add("baton_source_connected", "1 while the binlog stream from the leader is connected.", gauge,
		func(s Status, v func(float64, ...string)) { v(truth(s.Source.State == SourceConnected)) })
	c.add("baton_source_stopped", "1 while the binlog stream waits for an operator.", gauge,
		func(s Status, v func(float64, ...string)) { v(truth(s.Source.State == SourceStopped)) })
	c.add("baton_source_connects_total", "Connections made to the leader for its binlog stream.", counter,
		func(s Status, v func(float64, ...string)) { v(float64(s.Source.Connects)) })
	c.add("baton_source_acknowledgements_total", "Semi-sync acknowledgements sent to the leader.", counter,
		func(s Status, v func(float64, ...string)) { v(float64(s.Source.Acknowledged)) })
}

func (c *collector) addRelay() {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	c.add("baton_relay_size_bytes", "Bytes that the relay occupies on disk.", gauge,
		func(s Status, v func(float64, ...string)) { v(float64(s.Relay.Bytes)) })
	c.add("baton_relay_memory_bytes", "Bytes that the relay's newest transactions occupy in memory.", gauge,
		func(s Status, v func(float64, ...string)) { v(float64(s.Relay.MemoryBytes)) })
	c.add("baton_relay_segments", "Segments of the relay.", gauge,
		func(s Status, v func(float64, ...string)) { v(float64(s.Relay.Segments)) })
	c.add("baton_relay_failed", "1 while nothing can be made durable.", gauge,
		func(s Status, v func(float64, ...string)) { v(truth(s.Relay.Error != "")) })
	c.add("baton_relay_oldest_timestamp_seconds", "When the oldest segment was begun.", gauge,
		func(s Status, v func(float64, ...string)) {
			if s.Relay.Oldest != nil {
				v(seconds(*s.Relay.Oldest))
			}
		})
	c.add("baton_relay_undurable_transactions", "Transactions that are received and not yet durable.", gauge,
		func(s Status, v func(float64, ...string)) {
			if s.Relay.Received != nil && s.Relay.Durable != nil {
				v(float64(s.Relay.Received.Subtract(*s.Relay.Durable).Count()))
			}
		})
	c.add("baton_relay_transactions_total", "Transactions appended to the relay.", counter,
		func(s Status, v func(float64, ...string)) { v(float64(s.Relay.Transactions)) })
	c.add("baton_relay_written_bytes_total", "Bytes appended to the relay.", counter,
		func(s Status, v func(float64, ...string)) { v(float64(s.Relay.WrittenBytes)) })
}

func (c *collector) addInstances() {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	c.addInstance("baton_instance_info", "1, labelled with what the instance is.", gauge,
		func(i Instance, v func(float64, ...string)) { v(1, i.Address, i.Role, string(i.Version)) },
		"address", "role", "version")
	c.addInstance("baton_instance_state", "1 for the state that the instance is in, 0 for the others.", gauge,
		func(i Instance, v func(float64, ...string)) {
			for _, state := range States() {
				v(truth(i.State == state), i.Role, state)
			}
		}, "role", "state")
	c.addInstance("baton_instance_errant_transactions", "Transactions that neither the leader nor the relay has.", gauge,
		func(i Instance, v func(float64, ...string)) {
			if i.Errant != nil {
				v(float64(i.Errant.Count()))
			}
		})
	c.addFollower("baton_follower_lag_seconds", "How long ago the oldest transaction that the follower lacks was committed; absent when unknown.", gauge,
		func(i Instance, v func(float64, ...string)) {
			if i.LagSeconds != nil {
				v(*i.LagSeconds)
			}
		})
	c.addFollower("baton_follower_behind_transactions", "Transactions of the relay that the follower lacks; absent when unknown.", gauge,
		func(i Instance, v func(float64, ...string)) {
			if i.BehindTransactions != nil {
				v(float64(*i.BehindTransactions))
			}
		})
	c.addFollower("baton_follower_batch_mode", "1 while the follower is applied to in batches.", gauge,
		func(i Instance, v func(float64, ...string)) { v(truth(i.Mode == Batch)) })
	c.addFollower("baton_follower_rows_clock", "1 while the rows' keys tell which transactions depend on which, the leader's clock saying little.", gauge,
		func(i Instance, v func(float64, ...string)) { v(truth(i.Clock == ByRows)) })
	c.addFollower("baton_follower_ahead_transactions_total", "Transactions that the rows' keys let start before the leader's clock would have.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.Ahead)) })
	c.addFollower("baton_follower_batches_total", "Batches committed to the follower.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.Batches.Commits)) })
	c.addFollower("baton_follower_batch_transactions_total", "Transactions of the leader in these batches.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.Batches.Transactions)) })
	c.addFollower("baton_follower_batch_early_transactions_total", "Transactions that were executed before their batch's turn, beside the batches before it.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.Batches.Early)) })
	c.addFollower("baton_follower_batch_gave_way_total", "Batches that were begun before their turn and had to be executed again in it.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.Batches.GaveWay)) })
	c.addFollower("baton_follower_batch_seconds_total", "Time that these batches took, each from being complete to its commit.", counter,
		func(i Instance, v func(float64, ...string)) { v(i.Batches.Seconds) })
	c.addFollower("baton_follower_transactions_total", "Transactions applied to the follower.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.Applied)) })
	c.addFollower("baton_follower_applied_bytes_total", "Bytes of the leader's binlog applied to the follower.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.AppliedBytes)) })
	c.addFollower("baton_follower_retries_total", "Transactions applied again after a passing error.", counter,
		func(i Instance, v func(float64, ...string)) { v(float64(i.Retried)) })
}

// addInstance adds a family with the label "name" for each instance.
func (c *collector) addInstance(name, help string, kind prometheus.ValueType, values func(Instance, func(float64, ...string)), labels ...string) {
	c.add(name, help, kind, func(s Status, v func(float64, ...string)) {
		for _, i := range s.Instances {
			values(i, func(value float64, labels ...string) { v(value, append([]string{i.Name}, labels...)...) })
		}
	}, append([]string{"name"}, labels...)...)
}

// addFollower adds a family with the label "name" for each follower.
func (c *collector) addFollower(name, help string, kind prometheus.ValueType, values func(Instance, func(float64, ...string))) {
	c.addInstance(name, help, kind, func(i Instance, v func(float64, ...string)) {
		if i.Role == Follower {
			values(i, v)
		}
	})
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		out <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.status()
	for _, m := range c.metrics {
		m.values(s, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, value, append([]string{s.Cluster}, labels...)...)
		})
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
