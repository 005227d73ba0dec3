package admin

import "github.com/prometheus/client_golang/prometheus"

// addEndpoints adds what clients make of the endpoints.
func (c *collector) addEndpoints() {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	c.addEndpoint("baton_endpoint_holding", "1 while clients who come for the leader are held.", gauge,
		func(e Endpoint, v func(float64, ...string)) {
			if e.Route == Leader {
				v(truth(e.Holding != ""))
			}
		})
	c.addEndpoint("baton_endpoint_held", "Clients that wait until they can be led to an instance.", gauge,
		func(e Endpoint, v func(float64, ...string)) { v(float64(e.Held)) })
	c.addEndpoint("baton_endpoint_held_total", "Clients that had to wait.", counter,
		func(e Endpoint, v func(float64, ...string)) { v(float64(e.HeldTotal)) })
	c.addEndpoint("baton_endpoint_connections", "Clients that are connected to an instance.", gauge,
		func(e Endpoint, v func(float64, ...string)) {
			for name, n := range e.Connections {
				v(float64(n), name)
			}
		}, "name")
	c.addEndpoint("baton_endpoint_connections_total", "Clients that were connected to an instance.", counter,
		func(e Endpoint, v func(float64, ...string)) {
			for name, n := range e.Opened {
				v(float64(n), name)
			}
		}, "name")
	c.addEndpoint("baton_endpoint_refused_total", "Clients that were refused.", counter,
		func(e Endpoint, v func(float64, ...string)) {
			for reason, n := range e.Refused {
				v(float64(n), reason)
			}
		}, "reason")
}

// addEndpoint adds a family with the labels "endpoint" and "route" for each
// endpoint.
func (c *collector) addEndpoint(name, help string, kind prometheus.ValueType, values func(Endpoint, func(float64, ...string)), labels ...string) {
	c.add(name, help, kind, func(s Status, v func(float64, ...string)) {
		for _, e := range s.Endpoints {
			values(e, func(value float64, labels ...string) { v(value, append([]string{e.Listen, e.Route}, labels...)...) })
		}
	}, append([]string{"endpoint", "route"}, labels...)...)
}
