package mitm

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the proxy's counters. They count whether registered or not.
type metrics struct {
	connections    prometheus.Gauge
	requests       prometheus.Counter
	upgrades       prometheus.Counter
	tunnels        *prometheus.CounterVec // reason: host, pinned, protocol
	handshakeFails prometheus.Counter
	upstreamErrors *prometheus.CounterVec // reason: as in upstreamFailure
	refusals       *prometheus.CounterVec // reason: auth, request
	panics         prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	byReason := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"reason"})
	}
	m := &metrics{
		connections:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "proxy_connections", Help: "Client connections that are open."}),
		requests:       counter("proxy_requests_total", "Requests that were to be sent on."),
		upgrades:       counter("proxy_upgrades_total", "Connections that were upgraded, WebSocket included."),
		tunnels:        byReason("proxy_tunnels_total", "Tunnels that were relayed without being opened, by reason."),
		handshakeFails: counter("proxy_handshake_failures_total", "TLS handshakes with clients that failed."),
		upstreamErrors: byReason("proxy_upstream_errors_total", "Requests that got no response from upstream, by reason."),
		refusals:       byReason("proxy_refusals_total", "Requests that the proxy itself refused, by reason."),
		panics:         counter("proxy_panics_total", "Handlers that panicked; each is a defect."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.connections, m.requests, m.upgrades, m.tunnels, m.handshakeFails, m.upstreamErrors, m.refusals, m.panics,
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
