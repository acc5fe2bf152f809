package broker

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/hub"
)

// latencyBuckets span a quick answer of Redis to the longest a caller waits.
var latencyBuckets = []float64{.0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// metrics are the engine's. Their labels are fixed words, save for the sinks, of
// which at most TopSinks pairs of sink and stream are shown.
type metrics struct {
	published       prometheus.Counter
	publishFailures prometheus.Counter
	broadcast       prometheus.Counter
	delivered       *prometheus.CounterVec
	toReaders       prometheus.Counter // of delivered: it is counted at each socket's turn
	toSubscribers   prometheus.Counter // likewise
	acked           prometheus.Counter
	redelivered     prometheus.Counter
	slow            prometheus.Counter
	dropped         prometheus.Counter
	missing         prometheus.Counter
	joins, leaves   prometheus.Counter
	gaps            *prometheus.CounterVec
	trimmed         prometheus.Counter
	lost            prometheus.Counter
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
		acked:       counter("hub_events_acked_total", "Events acknowledged through this hub."),
		redelivered: counter("hub_events_redelivered_total", "Deliveries of this hub beyond an event's first."),
		slow:        counter("hub_slow_subscribers_total", "Broadcast subscribers closed because they did not keep up."),
		dropped:     counter("hub_broadcast_dropped_total", "Broadcast messages dropped for subscribers that did not keep up (slow=drop)."),
		missing:     counter("hub_broadcast_lost_total", "Broadcast messages that did not come through Redis to this hub, of channels with subscribers."),
		joins:       counter("hub_broadcast_joins_total", "Times that a subscriber of this hub joined a channel."),
		leaves:      counter("hub_broadcast_leaves_total", "Times that a subscriber of this hub left a channel."),
		gaps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hub_broadcast_gaps_total", Help: "Gaps that subscribers of this hub were told, by reason.",
		}, []string{"reason"}),
		trimmed:        counter("hub_events_trimmed_total", "Events that this hub has removed from streams by their retention."),
		lost:           counter("hub_events_lost_total", "Events that this hub has removed from streams before a sink had read or finished them, once for each sink."),
		publishSeconds: histogram("hub_publish_seconds", "Time from a publish request to Redis's confirmation."),
		ackSeconds:     histogram("hub_ack_seconds", "Time from an acknowledgement to Redis's confirmation."),
	}
	m.delivered.WithLabelValues("sink")
	m.toReaders, m.toSubscribers = m.delivered.WithLabelValues("reader"), m.delivered.WithLabelValues("broadcast")
	for _, reason := range []string{hub.GapReconnect, hub.GapLost, hub.GapSlow} {
		m.gaps.WithLabelValues(reason)
	}
	registry.MustRegister(m.published, m.publishFailures, m.broadcast, m.delivered, m.acked, m.redelivered, m.slow, m.trimmed, m.lost,
		m.dropped, m.missing, m.joins, m.leaves, m.gaps,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hub_broadcast_subscriptions", Help: "Pairs of a subscriber of this hub and a channel.",
		}, func() float64 { return float64(b.fan.subscriptions()) }),
		m.publishSeconds, m.ackSeconds, &sinkCollector{broker: b},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hub_live_probe_age_seconds", Help: "Time since the live path was last proven to work; -1 before the first time.",
		}, func() float64 {
			if age := b.probes.age(); age >= 0 {
				return age.Seconds()
			}
			return -1
		}))
	return m
}

// took counts what a subscriber has taken.
func (m *metrics) took(messages []*hub.Message) {
	events := len(messages)
	for _, message := range messages {
		if message.Gap != nil {
			events--
			m.gaps.WithLabelValues(message.Gap.Reason).Inc()
		}
	}
	if events > 0 {
		m.toSubscribers.Add(float64(events))
	}
}

// sinkCollector asks Redis, when it is scraped, where the sinks stand. The
// figures are of the whole sink, the same on every hub: take their max.
type sinkCollector struct{ broker *Broker }

// scrapeTimeout bounds a scrape while Redis does not answer.
const (
	scrapeTimeout = 2 * time.Second
	// scrapeCount bounds the events that are counted for it, where Redis does not
	// know a lag: a lag beyond is left out.
	scrapeCount = 100_000
)

var (
	sinkLabels      = []string{"sink", "stream"}
	lagDesc         = prometheus.NewDesc("hub_sink_lag", "Events of the stream not yet delivered to the sink.", sinkLabels, nil)
	pendingDesc     = prometheus.NewDesc("hub_sink_pending", "Events delivered to the sink and not acknowledged.", sinkLabels, nil)
	redeliveredDesc = prometheus.NewDesc("hub_sink_redelivered_total", "Deliveries beyond an event's first, over all hubs.", sinkLabels, nil)
	deadDesc        = prometheus.NewDesc("hub_sink_dead_letters", "Events that the sink has given up on.", sinkLabels, nil)
	oldestDesc      = prometheus.NewDesc("hub_sink_oldest_pending_seconds", "Age of the sink's oldest unacknowledged event.", sinkLabels, nil)
)

func (*sinkCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- pendingDesc
	ch <- oldestDesc
	ch <- redeliveredDesc
	ch <- deadDesc
}

func (c *sinkCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	sinks, err := c.broker.shownSinks(ctx)
	if err != nil {
		return // /readyz tells
	}
	rows := 0 // of sinks and streams
	budget := int64(scrapeCount)
	for _, sink := range sinks {
		stored, err := c.broker.settings(ctx, sink)
		for _, stream := range stored.config.Streams {
			var f hub.SinkStreamStatus
			if f, err = c.broker.figures(ctx, sink, stream); err != nil || rows == c.broker.opts.TopSinks {
				break
			}
			rows++
			gauge := func(desc *prometheus.Desc, value float64) {
				ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, sink, stream)
			}
			if f.Lag == unknownLag && budget > 0 {
				count, exact, err := c.broker.countLag(ctx, sink, stream, budget)
				budget -= count
				if err == nil && exact {
					f.Lag = count
				}
			}
			if f.Lag != unknownLag {
				gauge(lagDesc, float64(f.Lag))
			}
			gauge(pendingDesc, float64(f.Pending))
			gauge(oldestDesc, f.OldestPending.Seconds())
			gauge(deadDesc, float64(f.DeadLetters))
			ch <- prometheus.MustNewConstMetric(redeliveredDesc, prometheus.CounterValue, float64(f.Redelivered), sink, stream)
		}
		if err != nil && ctx.Err() != nil {
			return // the rest would fail alike
		}
	}
}

// shownSinks lists up to TopSinks of all sinks, also those that nobody consumes:
// their lag is what somebody wants to know. They are always the same ones.
func (b *Broker) shownSinks(ctx context.Context) ([]string, error) {
	if b.opts.TopSinks < 0 {
		return nil, nil
	}
	cmd := command("smembers", b.keys.sinks())
	if err := b.work(ctx, b.keys.sinks(), cmd); err != nil {
		return nil, err
	}
	sinks, err := cmd.StringSlice()
	slices.Sort(sinks)
	return sinks[:min(len(sinks), b.opts.TopSinks)], err
}
