package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"eventhub/internal/alloctest"
	"eventhub/internal/redistest"
)

// benchmarkedHub runs a hub on a redis-server, and returns its host:port.
func benchmarkedHub(b *testing.B, server *redistest.Server) string {
	b.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	logs, ended := newLogBuffer(), make(chan error, 1)
	settings := []string{
		"HUB_REDIS_URL=" + server.URL(), "HUB_ADDR=127.0.0.1:0", "HUB_DRAIN_TIMEOUT=2s", "HUB_SHUTDOWN_TIMEOUT=8s",
	}
	go func() { ended <- run(ctx, []string{"hub"}, settings, io.Discard, logs) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Errorf("the hub ended with: %v", err)
		}
	})
	select {
	case addr := <-logs.listening:
		return addr
	case <-time.After(patience):
		b.Fatalf("the hub does not listen:\n%s", logs)
		return ""
	}
}

// benchEvent is one as clients publish it, of about 300 bytes.
var benchEvent = fmt.Sprintf(`{"type":"order.created","topic":"eu.de","key":"customer-42","data":{"x":%q}}`, strings.Repeat("x", 200))

// postArray is the request that publishes n of them.
func postArray(n int) []byte {
	return alloctest.Post("/v1/streams/orders/events", "["+strings.TrimSuffix(strings.Repeat(benchEvent+",", n), ",")+"]")
}

// benchmarkHTTP has one client publish, and wait for the answer and the bell. So it pays
// alone for each pipeline and each bell, which others would share.
func benchmarkHTTP(b *testing.B, request []byte) {
	server := redistest.Start(b)
	bell, rung := alloctest.Neighbour(b, server.Addr()), []byte(alloctest.Rung)
	client := alloctest.Dial(b, benchmarkedHub(b, server))
	publish := func() {
		client.Do(request)
		bell.Await(rung)
	}
	publish() // the stream is known from here on
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
}

func BenchmarkHubPost(b *testing.B) {
	benchmarkHTTP(b, alloctest.Post("/v1/streams/orders/events", benchEvent))
}

func BenchmarkHubPostArrayOf100(b *testing.B) { benchmarkHTTP(b, postArray(100)) }

// benchConsumer is a consumer that acknowledges what it gets, so many with a frame.
type benchConsumer struct {
	*alloctest.Client
	b     *testing.B
	each  int
	plain bool   // no ack but the last has a ref, and they are sent at once
	left  int    // events to come
	out   []byte // frames of acks
	ends  []int  // where each of them ends
	ack   []byte // the one that is being made
	inAck int    // its ids
}

var (
	eventsFrame = []byte(`{"type":"events"`)
	okFrame     = []byte(`{"type":"ok"`)
	idMember    = []byte(`{"id":"`)
	pauseFrame  = []byte(`{"type":"pause","ref":1}`)
	resumeFrame = []byte(`{"type":"resume","ref":1}`)
)

// consume gets so many events, then acknowledges them. It waits for the answer to each
// ack that has a ref, which so pays alone for its pipeline to Redis.
func (c *benchConsumer) consume(events int) {
	c.left, c.out, c.ends = events, c.out[:0], c.ends[:0]
	c.Send(resumeFrame)
	for resumed := false; c.left > 0 || !resumed; {
		frame := c.Receive()
		if bytes.HasPrefix(frame, eventsFrame) {
			c.prepare(frame)
		} else {
			c.ok(frame)
			resumed = true
		}
	}
	if c.plain {
		c.Write(c.out)
		c.ok(c.Receive())
		return
	}
	from := 0
	for _, end := range c.ends {
		c.Write(c.out[from:end])
		c.ok(c.Receive())
		from = end
	}
}

func (c *benchConsumer) ok(frame []byte) {
	if !bytes.HasPrefix(frame, okFrame) {
		c.b.Fatalf("the frame is %.300s", frame)
	}
}

// prepare makes acks for the events of a frame.
func (c *benchConsumer) prepare(frame []byte) {
	for {
		_, rest, more := bytes.Cut(frame, idMember)
		if !more {
			return
		}
		end := bytes.IndexByte(rest, '"')
		if c.inAck == 0 {
			c.ack = append(c.ack[:0], `{"type":"ack","stream":"orders",`...)
			if !c.plain || c.left == 1 {
				c.ack = append(c.ack, `"ref":1,`...)
			}
			c.ack = append(c.ack, `"ids":[`...)
		}
		c.ack = append(append(append(c.ack, '"'), rest[:end]...), '"', ',')
		if c.inAck++; c.inAck == c.each {
			c.out = c.Append(c.out, append(c.ack[:len(c.ack)-1], "]}"...))
			c.ends, c.inAck = append(c.ends, len(c.out)), 0
		}
		frame = rest[end:]
		c.left--
	}
}

// benchmarkHubSink has a consumer get a thousand events an iteration and acknowledge
// them, so many with a frame.
func benchmarkHubSink(b *testing.B, each int, plain bool) {
	addr := benchmarkedHub(b, redistest.Start(b))
	publisher, batch := alloctest.Dial(b, addr), postArray(1000)
	publisher.Do(batch)
	consumer := &benchConsumer{b: b, each: each, plain: plain}
	consumer.Client = alloctest.DialSocket(b, addr, "/v1/sinks/billing/ws?stream=orders&prefetch=1000")
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		consumer.Send(pauseFrame) // so that all of them are read at once
		consumer.ok(consumer.Receive())
		publisher.Do(batch)
		b.StartTimer()
		consumer.consume(1000)
	}
}

func BenchmarkHubSinkAckOf1000(b *testing.B) { benchmarkHubSink(b, 1000, false) }

func BenchmarkHubSink1000Acks(b *testing.B) { benchmarkHubSink(b, 1, false) }

// BenchmarkHubSink1000PlainAcks is how clients acknowledge all the time: they wait for
// no answers, so that their acks come and go together.
func BenchmarkHubSink1000PlainAcks(b *testing.B) { benchmarkHubSink(b, 1, true) }

// receiveEach has each socket get so many events.
func receiveEach(sockets []*alloctest.Client, events int) {
	for _, s := range sockets {
		for n := 0; n < events; {
			n += bytes.Count(s.Receive(), idMember)
		}
	}
}

// benchmarkHubSockets has so many sockets get the events of a request.
func benchmarkHubSockets(b *testing.B, n int, path string, request []byte, events int) {
	addr := benchmarkedHub(b, redistest.Start(b))
	publisher := alloctest.Dial(b, addr)
	publisher.Do(request)
	sockets := make([]*alloctest.Client, n)
	for i := range sockets {
		sockets[i] = alloctest.DialSocket(b, addr, path)
	}
	b.ReportAllocs()
	for b.Loop() {
		publisher.Do(request)
		receiveEach(sockets, events)
	}
}

// BenchmarkHubReaders has 100 readers get an array of 100 events.
func BenchmarkHubReaders(b *testing.B) {
	benchmarkHubSockets(b, 100, "/v1/readers/ws?stream=orders&from=latest", postArray(100), 100)
}

// BenchmarkHubBroadcast has 1,000 subscribers get a message.
func BenchmarkHubBroadcast(b *testing.B) {
	benchmarkHubSockets(b, 1000, "/v1/broadcast/ws?channel=room", alloctest.Post("/v1/broadcast/room", benchEvent), 1)
}
