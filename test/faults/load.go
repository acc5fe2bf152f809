package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"eventhub/test/faults/history"
)

// What the load is made of.
const (
	work   = "work"   // a sink of all streams, whose consumers nack, forget, and crash; one pulls
	line   = "line"   // a strict sink of one stream
	poison = "poison" // a sink that gives an event up after 3 deliveries, and refuses some until they are redriven
	part   = "part"   // a sink that wants the european events only
	cast   = "cast"   // the subscribers of a channel
)

// streams are those of the load: their slots lie on three masters of a cluster.
func streams() []string { return []string{"orders", "payments", "refunds"} }

const channel = "hall"

// load is the clients of a scenario: what they do and see goes into rec. Its goroutines
// are waited for by stop.
type load struct {
	rec    *history.Recorder
	hubs   []*node // only their names and addresses
	seed   uint64
	ctx    context.Context // of all clients
	cancel context.CancelFunc
	all    sync.WaitGroup // of those that receive

	quiet      chan struct{} // closed when publishers are to end
	publishers sync.WaitGroup
	calm       atomic.Bool // consumers behave from now on
	lenient    atomic.Bool // and refuse nothing any more
	neighbours sync.Once   // the readers of single streams

	mu      sync.Mutex // protects the fields below
	sockets map[*socket]struct{}
	finals  map[string]bool // what was published at the end
}

// loadOptions say what there is of each.
type loadOptions struct {
	durability string        // of the publishers, "" for the server's
	pace       time.Duration // of each publisher of events, on average
	ackWait    time.Duration // of the sinks
	hold       time.Duration // how long consumers work on an event before they ack it: more is under way when something breaks
	bare       bool          // without broadcasts and readers, where only sinks are looked at
}

func newLoad(ctx context.Context, rec *history.Recorder, hubs []*node, seed uint64) *load {
	l := &load{rec: rec, hubs: hubs, seed: seed, quiet: make(chan struct{}), sockets: map[*socket]struct{}{}, finals: map[string]bool{}}
	l.ctx, l.cancel = context.WithCancel(ctx)
	return l
}

// random is a source that is the same for the same seed, and another for each client.
func (l *load) random(name string) *rand.Rand {
	return rand.New(rand.NewPCG(l.seed, digestOf([]byte(name))))
}

// hub is the hub that a client turns to when it has changed so often.
func (l *load) hub(n int) *node { return l.hubs[n%len(l.hubs)] }

// hush ends the publishers and has the consumers do their work. It is idempotent.
func (l *load) hush() {
	if closed(l.quiet) {
		return
	}
	close(l.quiet)
	l.publishers.Wait()
	l.calm.Store(true)
}

// stop ends the clients and waits for them.
func (l *load) stop() {
	l.cancel()
	l.publishers.Wait()
	l.all.Wait()
}

// rest waits between two attempts. It returns false when there is no more to be done.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// client is an HTTP client with connections of its own.
func newClient() *http.Client {
	dialer := net.Dialer{Timeout: 3 * time.Second}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableCompression: true}}
}
