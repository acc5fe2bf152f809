package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latencyBuckets span a quick answer of Redis to the longest a caller waits.
var latencyBuckets = []float64{.0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// metrics are the engine's. Their labels are fixed words, save for the sinks in
// use on this hub, of which at most TopSinks are shown.
type metrics struct {
	published       prometheus.Counter
	publishFailures prometheus.Counter
	broadcast       prometheus.Counter
	delivered       *prometheus.CounterVec
	acked           prometheus.Counter
	redelivered     prometheus.Counter
	slow            prometheus.Counter
	publishSeconds  prometheus.Histogram
	ackSeconds      prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer, b *Broker) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencyBuckets})
	}
	m := &metrics{
		published:       counter("hub_events_published_total", "Events stored in streams through this hub."),
		publishFailures: counter("hub_publish_failures_total", "Publish requests that Redis did not confirm."),
		broadcast:       counter("hub_events_broadcast_total", "Events sent to broadcast channels through this hub."),
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hub_events_delivered_total", Help: "Events handed to connections of this hub, by role.",
		}, []string{"role"}),
		acked:          counter("hub_events_acked_total", "Events acknowledged through this hub."),
		redelivered:    counter("hub_events_redelivered_total", "Deliveries of this hub beyond an event's first."),
		slow:           counter("hub_slow_subscribers_total", "Broadcast subscribers closed because they did not keep up."),
		publishSeconds: histogram("hub_publish_seconds", "Time from a publish request to Redis's confirmation."),
		ackSeconds:     histogram("hub_ack_seconds", "Time from an acknowledgement to Redis's confirmation."),
	}
	for _, role := range []string{"sink", "broadcast"} {
		m.delivered.WithLabelValues(role)
	}
	registry.MustRegister(m.published, m.publishFailures, m.broadcast, m.delivered, m.acked, m.redelivered, m.slow,
		m.publishSeconds, m.ackSeconds, &sinkCollector{broker: b},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hub_live_probe_age_seconds", Help: "Time since the live path was last proven to work; -1 before the first time.",
		}, func() float64 {
			age, ok := b.live.age()
			if !ok {
				return -1
			}
			return age.Seconds()
		}))
	return m
}

// sinkCollector asks Redis, when it is scraped, where the sinks in use on this
// hub stand. The figures are of the whole sink: take their max over hubs.
type sinkCollector struct{ broker *Broker }

// scrapeTimeout bounds a scrape while Redis does not answer.
const scrapeTimeout = 2 * time.Second

var (
	sinkLabels  = []string{"sink", "stream"}
	lagDesc     = prometheus.NewDesc("hub_sink_lag", "Events of the stream not yet delivered to the sink.", sinkLabels, nil)
	pendingDesc = prometheus.NewDesc("hub_sink_pending", "Events delivered to the sink and not acknowledged.", sinkLabels, nil)
	oldestDesc  = prometheus.NewDesc("hub_sink_oldest_pending_seconds", "Age of the sink's oldest unacknowledged event.", sinkLabels, nil)
)

func (*sinkCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- pendingDesc
	ch <- oldestDesc
}

func (c *sinkCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	for _, place := range c.broker.places() {
		f, err := c.broker.figures(ctx, place.sink, place.stream)
		if err != nil {
			return // the rest would fail alike
		}
		gauge := func(desc *prometheus.Desc, value float64) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, place.sink, place.stream)
		}
		gauge(lagDesc, float64(f.Lag))
		gauge(pendingDesc, float64(f.Pending))
		gauge(oldestDesc, f.OldestPending.Seconds())
	}
}

type place struct{ sink, stream string }

// places lists up to TopSinks of the sinks in use on this hub with their
// streams, always the same ones while they are in use.
func (b *Broker) places() []place {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var places []place
	for _, w := range b.watchers {
		w.mu.Lock()
		for st, s := range w.sinks {
			places = append(places, place{s.name, st.name})
		}
		w.mu.Unlock()
	}
	slices.SortFunc(places, func(x, y place) int {
		return cmp.Or(cmp.Compare(x.sink, y.sink), cmp.Compare(x.stream, y.stream))
	})
	return places[:min(len(places), max(b.opts.TopSinks, 0))]
}
