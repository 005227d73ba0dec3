package admin

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// addHandOvers adds what is to be known before, in and after a hand-over.
func (c *collector) addHandOvers() {
	gauge := prometheus.GaugeValue
	c.add("baton_leader_health", "1 for the verdict about the leader, 0 for the others; absent when unknown.", gauge,
		func(s Status, v func(float64, ...string)) {
			for _, health := range Healths() {
				if s.LeaderHealth.Health != "" {
					v(truth(string(s.LeaderHealth.Health) == health), health)
				}
			}
		}, "health")
	c.add("baton_failover_candidates", "Instances that could take the leadership now.", gauge,
		func(s Status, v func(float64, ...string)) { v(float64(len(s.Forecast.Candidates))) })
	c.add("baton_failover_blocked", "1 while no failover would happen by itself, whatever becomes of the leader.", gauge,
		func(s Status, v func(float64, ...string)) { v(truth(s.Forecast.BlockedBy != "")) })
	c.add("baton_failover_paused", "1 while an operator has suspended automatic failovers.", gauge,
		func(s Status, v func(float64, ...string)) { v(truth(s.FailoverPaused)) })
	c.add("baton_failover_would_lose_transactions", "Transactions that the leader is known to have and the relay lacks; absent when unknown.", gauge,
		func(s Status, v func(float64, ...string)) {
			if s.Forecast.WouldLose != nil {
				v(float64(*s.Forecast.WouldLose))
			}
		})
	c.add("baton_hand_over_under_way", "1 while the leadership is handed over.", gauge,
		func(s Status, v func(float64, ...string)) { v(truth(s.HandOver != nil)) })
	c.addLastHandOver("baton_last_hand_over_timestamp_seconds", "When the last hand-over was done.",
		func(l LastHandOver) *float64 { return new(seconds(l.At)) })
	c.addLastHandOver("baton_last_hand_over_duration_seconds", "How long the last hand-over took.",
		func(l LastHandOver) *float64 { return l.Seconds })
	c.addLastHandOver("baton_last_hand_over_unwritable_seconds", "How long no instance could be written to in the last hand-over.",
		func(l LastHandOver) *float64 { return l.UnwritableSeconds })
}

// addLastHandOver adds a family that is absent before the first hand-over.
func (c *collector) addLastHandOver(name, help string, value func(LastHandOver) *float64) {
	c.add(name, strings.TrimSuffix(help, ".")+"; absent when unknown.", prometheus.GaugeValue, func(s Status, v func(float64, ...string)) {
		if s.LastHandOver == nil {
			return
		}
		if is := value(*s.LastHandOver); is != nil {
			v(*is, s.LastHandOver.Kind)
		}
	}, "kind")
}
