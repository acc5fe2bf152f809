package ws

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"eventhub/internal/auth"

	"eventhub/internal/alloctest"
	"eventhub/internal/hub"
)

// benchBroker is an engine that costs nothing: what is counted is the sockets'. Each
// connection gets the next supply.
type benchBroker struct {
	Broker
	mu       sync.Mutex // protects the field below
	supplies []*supply
}

func (b *benchBroker) supply(wake func()) *supply {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &supply{wake: wake}
	b.supplies = append(b.supplies, s)
	return s
}

func (b *benchBroker) Check(context.Context, hub.ConsumerSpec) error { return nil }

func (b *benchBroker) Consume(_ context.Context, spec hub.ConsumerSpec) (hub.Consumer, error) {
	return benchConsumer{supply: b.supply(spec.Wake)}, nil
}

func (b *benchBroker) Read(_ context.Context, spec hub.ReaderSpec) (hub.Reader, error) {
	return benchReader{supply: b.supply(spec.Wake)}, nil
}

func (b *benchBroker) Subscribe(_ context.Context, spec hub.BroadcastSpec) (hub.Subscription, error) {
	return benchSubscription{supply: b.supply(spec.Wake)}, nil
}

// supply is what the next Take of a connection gives.
type supply struct {
	wake func()

	mu   sync.Mutex // protects the fields below
	next *benchWork
}

type benchWork struct {
	delivery hub.Delivery
	reading  hub.Reading
	message  *hub.Message
}

var noWork benchWork

func (s *supply) give(w *benchWork) {
	s.mu.Lock()
	s.next = w
	s.mu.Unlock()
	s.wake()
}

func (s *supply) take() *benchWork {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.next
	if s.next = nil; w == nil {
		return &noWork
	}
	return w
}

var ordersOnly = []string{"orders"}

type benchConsumer struct {
	hub.Consumer
	*supply
}

func (c benchConsumer) Info() hub.ConsumerInfo      { return hub.ConsumerInfo{} }
func (c benchConsumer) Take() (hub.Delivery, error) { return c.take().delivery, nil }
func (c benchConsumer) Streams() []string           { return ordersOnly }
func (c benchConsumer) Held() int                   { return 0 }
func (c benchConsumer) Stop()                       {}
func (c benchConsumer) Close(context.Context, bool) {}

func (c benchConsumer) Settle(s hub.Settlement, done func(hub.Settled, error)) error {
	settled := hub.Settled{Done: make([]hub.ID, len(s.Receipts))}
	for i, r := range s.Receipts {
		settled.Done[i] = r.ID
	}
	done(settled, nil)
	return nil
}

func (c benchConsumer) AckEach(_ string, ids []hub.ID, done func(n int, err error)) error {
	done(len(ids), nil)
	return nil
}

type benchReader struct {
	hub.Reader
	*supply
}

func (r benchReader) Take(int) (hub.Reading, error) { return r.take().reading, nil }
func (r benchReader) Close()                        {}

type benchSubscription struct {
	hub.Subscription
	*supply
}

func (s benchSubscription) Close() {}

func (s benchSubscription) Take(dst []*hub.Message, _ int) ([]*hub.Message, error) {
	if m := s.take().message; m != nil {
		dst = append(dst, m)
	}
	return dst, nil
}

// benchSockets connects n sockets to a server, with what each is given.
func benchSockets(b *testing.B, n int, path string) (*benchBroker, []*alloctest.Client) {
	b.Helper()
	broker := &benchBroker{}
	server := NewServer(broker, Options{})
	mux := http.NewServeMux()
	for path, serve := range map[string]func(http.ResponseWriter, *http.Request, *auth.Principal) error{
		"GET /v1/sinks/{sink}/ws": server.ServeSink, "GET /v1/readers/ws": server.ServeReader, "GET /v1/broadcast/ws": server.ServeBroadcast,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r, auth.Everybody()); err != nil {
				http.Error(w, err.Error(), http.StatusTeapot)
			}
		})
	}
	listener := httptest.NewServer(mux)
	b.Cleanup(listener.Close)
	b.Cleanup(server.Close)
	clients := make([]*alloctest.Client, n)
	for i := range clients {
		clients[i] = alloctest.DialSocket(b, listener.Listener.Addr().String(), path)
	}
	return broker, clients
}

// benchGive gives the same to all sockets, and waits until each has its frame.
func benchGive(b *testing.B, sockets int, path string, work *benchWork) {
	broker, clients := benchSockets(b, sockets, path)
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range broker.supplies {
			s.give(work)
		}
		for _, c := range clients {
			c.Receive()
		}
	}
}

// BenchmarkSinkSocket sends a consumer 100 events in a frame.
func BenchmarkSinkSocket(b *testing.B) {
	work := &benchWork{}
	for i := range uint64(100) {
		id := hub.ID{MS: 1763650000000, Seq: i}
		work.delivery.Events = append(work.delivery.Events, hub.Event{
			ID: id.String(), Stream: "orders", Type: "order.created", Topic: "eu.de", Key: "customer-42", Time: id.Time(), Attempt: 1,
			Data: fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", 200)),
		})
	}
	benchGive(b, 1, "/v1/sinks/billing/ws?stream=orders", work)
}

// BenchmarkReaderSockets sends 100 readers the same 100 events.
func BenchmarkReaderSockets(b *testing.B) {
	work := &benchWork{reading: hub.Reading{Before: place(0, 0), After: place(100, 0)}}
	for ms := range uint64(100) {
		work.reading.Events = append(work.reading.Events, sized("orders", ms+1, 300))
	}
	benchGive(b, 100, "/v1/readers/ws?stream=orders", work)
}

// BenchmarkBroadcastSockets sends 100 subscribers the same message.
func BenchmarkBroadcastSockets(b *testing.B) {
	work := &benchWork{message: message("room", fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", 300)))}
	benchGive(b, 100, "/v1/broadcast/ws?channel=room", work)
}

// benchmarkAck has a consumer acknowledge n events with one frame, and wait for the answer.
func benchmarkAck(b *testing.B, n int) {
	_, clients := benchSockets(b, 1, "/v1/sinks/billing/ws?stream=orders")
	ack := []byte(`{"type":"ack","stream":"orders","ids":[`)
	for i := range n {
		ack = fmt.Appendf(ack, `"1763650000000-%d",`, i)
	}
	ack = append(ack[:len(ack)-1], `],"ref":1}`...)
	b.ReportAllocs()
	for b.Loop() {
		clients[0].Send(ack)
		clients[0].Receive()
	}
}

func BenchmarkAckSocket(b *testing.B) { benchmarkAck(b, 1) }

func BenchmarkAckOf1000Socket(b *testing.B) { benchmarkAck(b, 1000) }

// BenchmarkPlainAcksSocket has a consumer acknowledge 1,000 events with a frame each, as
// clients do all the time: without a ref. The last has one, whose answer is awaited.
func BenchmarkPlainAcksSocket(b *testing.B) {
	_, clients := benchSockets(b, 1, "/v1/sinks/billing/ws?stream=orders")
	var acks []byte
	for i := range 1000 {
		acks = clients[0].Append(acks, fmt.Appendf(nil, `{"type":"ack","stream":"orders","ids":["1763650000000-%d"]}`, i))
	}
	acks = clients[0].Append(acks, []byte(`{"type":"ack","stream":"orders","ids":["1763650000000-1000"],"ref":1}`))
	b.ReportAllocs()
	for b.Loop() {
		clients[0].Write(acks)
		clients[0].Receive()
	}
}
