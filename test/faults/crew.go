package main

import (
	"strconv"
	"strings"

	"eventhub/test/faults/history"
)

// start starts all clients, those who receive first.
func (l *load) start(o loadOptions) {
	l.consume(o)
	if !o.bare {
		l.receive()
	}
	l.produce(o)
}

// consume starts the consumers of sinks.
func (l *load) consume(o loadOptions) {
	wait := o.ackWait.String()
	for _, s := range []struct {
		history.Feed
		settings string
	}{
		{history.Feed{Name: work, Topics: streams()}, "&max_deliveries=0"},
		{history.Feed{Name: line, Topics: streams()[:1], Strict: true}, "&max_deliveries=0&order=strict"},
		{history.Feed{Name: poison, Topics: streams()}, "&max_deliveries=3"},
		{history.Feed{Name: part, Topics: streams(), Labels: european()}, "&max_deliveries=0&topic=eu.**"},
	} {
		s.Kind = history.Sink
		l.rec.Feed(s.Feed)
		l.sink(o, s.Name, s.Topics, s.settings+"&ack_wait="+wait)
	}
	l.all.Go(func() { l.pull(work, "&from=oldest&ack_wait="+wait+"&max_deliveries=0", 0) })
}

// sink starts the consumers of a sink, one on each hub.
func (l *load) sink(o loadOptions, sink string, streams []string, settings string) {
	for i := range l.hubs {
		c := &consumer{
			load: l, sink: sink, first: i, patient: i == 1, hold: o.hold, random: l.random(sink + strconv.Itoa(i)),
			path: "/v1/sinks/" + sink + "/ws?from=oldest&stream=" + strings.Join(streams, "&stream=") + settings,
		}
		l.all.Go(c.run)
	}
}

// receive starts the subscribers of the channel and the readers, over sockets and as
// streams of events.
func (l *load) receive() {
	const subscribe, read = "/v1/broadcast/sse?channel=" + channel, "/v1/readers/sse?from=oldest"
	l.rec.Feed(history.Feed{Kind: history.Broadcast, Name: cast, Topics: []string{channel}})
	for i := range l.hubs {
		l.all.Go(func() { l.listen(i) })
	}
	listener := &source{load: l, feed: cast, role: history.Broadcast, path: subscribe}
	l.all.Go(func() { listener.run(1) })
	for i, reader := range []struct {
		name, filter string
		labels       []string
	}{{name: "reader-0"}, {name: "reader-1"}, {"reader-eu", "&type=eu.*", european()}} {
		l.rec.Feed(history.Feed{Kind: history.Reader, Name: reader.name, Topics: streams(), Labels: reader.labels})
		l.all.Go(func() { l.read(reader.name, streams(), reader.filter, i) })
	}
	l.rec.Feed(history.Feed{Kind: history.Reader, Name: "reader-sse", Topics: streams()})
	reader := &source{load: l, feed: "reader-sse", role: history.Reader, path: read + "&stream=" + strings.Join(streams(), "&stream=")}
	l.all.Go(func() { reader.run(1) })
}

// produce starts the publishers: of each stream one on every hub.
func (l *load) produce(o loadOptions) {
	arrays := o
	arrays.pace *= 6
	for i, stream := range streams() {
		for n, p := range []publisher{
			{name: "keyed-" + stream, keyed: true, loadOptions: o},
			{name: "plain-" + stream, loadOptions: o},
			{name: "array-" + stream, keyed: true, array: 3, loadOptions: arrays},
		} {
			p.topic, p.first = stream, i+n
			l.publishers.Go(func() { l.publish(p) })
		}
	}
	for i := range 2 {
		if p := (publisher{name: "cast-" + strconv.Itoa(i), topic: channel, first: i, channel: true, loadOptions: o}); !o.bare {
			l.publishers.Go(func() { l.publish(p) })
		}
	}
}
