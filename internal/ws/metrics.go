package ws

import "github.com/prometheus/client_golang/prometheus"

// metrics are the sockets'; labels are fixed words.
type metrics struct {
	connections *prometheus.GaugeVec
	commands    *prometheus.CounterVec
	acks        prometheus.Counter // those of commands that are acks
	stalled     prometheus.Counter
}

const (
	roleSink      = "sink"
	roleReader    = "reader"
	roleBroadcast = "broadcast"
)

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hub_connections", Help: "WebSockets that are open, by role.",
		}, []string{"role"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hub_socket_commands_total", Help: "Commands that came over WebSockets, by type.",
		}, []string{"type"}),
		stalled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hub_stalled_sockets_total", Help: "WebSockets ended because the peer took no frame within the write timeout.",
		}),
	}
	m.acks = m.commands.WithLabelValues(kindAck)
	for _, role := range []string{roleSink, roleReader, roleBroadcast} {
		m.connections.WithLabelValues(role)
	}
	registry.MustRegister(m.connections, m.commands, m.stalled)
	return m
}

func (m *metrics) command(kind string) {
	switch kind {
	case kindAck:
		m.acks.Inc()
		return
	case kindNack, kindExtend, kindCredit, kindPause, kindResume, kindAddStream, kindRemoveStream,
		kindSubscribe, kindUnsubscribe, kindPublish, kindAuthenticate:
	default:
		kind = "other" // the label must not be the client's to choose
	}
	m.commands.WithLabelValues(kind).Inc()
}
