package broker

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// crew is consumers of one sink that are driven as sockets are, each of which
// acknowledges at once.
type crew struct {
	took chan [2]int // who, and how many
	stop chan struct{}
	work sync.WaitGroup
}

func startCrew(t *testing.T, b *Broker, consumers int) *crew {
	t.Helper()
	c := &crew{took: make(chan [2]int, 1000), stop: make(chan struct{})}
	for i := range consumers {
		consumer, err := b.Consume(t.Context(), hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 100})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeConsumer(t, consumer) })
		c.work.Go(func() { c.consume(i, consumer) })
	}
	t.Cleanup(func() {
		close(c.stop)
		c.work.Wait()
	})
	return c
}

func (c *crew) consume(i int, consumer hub.Consumer) {
	for {
		d, err := consumer.Take()
		if err != nil {
			return
		}
		if len(d.Events) == 0 {
			select {
			case <-consumer.Ready():
			case <-c.stop:
				return
			}
			continue
		}
		var ids []hub.ID
		for _, e := range d.Events {
			id, _ := hub.ParseID(e.ID)
			ids = append(ids, id)
		}
		_ = consumer.Settle(settlement("orders", ids), nil)
		c.took <- [2]int{i, len(ids)}
	}
}

// publish publishes n events, and says how many of them each consumer got.
func (c *crew) publish(t *testing.T, b *Broker, consumers, n int) []int {
	t.Helper()
	events := make([]hub.Event, n)
	for i := range events {
		events[i].Data = []byte("1")
	}
	if _, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: events}); err != nil {
		t.Fatal(err)
	}
	got := make([]int, consumers)
	for timeout := time.After(20 * time.Second); n > 0; {
		select {
		case took := <-c.took:
			got[took[0]] += took[1]
			n -= took[1]
		case <-timeout:
			t.Fatalf("%d events did not come", n)
		}
	}
	return got
}

func TestConsumersShareWhatIsReadBehindAPublish(t *testing.T) {
	t.Parallel()
	const rounds = 60
	for _, consumers := range []int{2, 4} {
		for _, events := range []int{1, 12} {
			t.Run(fmt.Sprintf("%d consumers, arrays of %d", consumers, events), func(t *testing.T) {
				t.Parallel()
				b, _ := startConsumer(t, redistest.Start(t).URL()) // which takes nothing, so that nothing is planned for it
				c := startCrew(t, b, consumers)
				sum, whole := make([]int, consumers), 0
				for range rounds {
					for i, n := range c.publish(t, b, consumers, events) {
						sum[i] += n
						if n == events {
							whole++
						}
					}
				}
				for i, n := range sum {
					if n < rounds*events/consumers/3 {
						t.Errorf("consumer %d got %d of %d events: %v", i, n, rounds*events, sum)
					}
				}
				if events > 1 && whole > rounds/2 {
					t.Errorf("%d of %d arrays went to one consumer, want them to be shared", whole, rounds)
				}
			})
		}
	}
}

// The credit that is reserved for a read that stands by is no reason to sleep: what is
// due must come.
func TestDelayedRetryComesWhileAReadStandsBy(t *testing.T) {
	t.Parallel()
	b, handle := startConsumer(t, redistest.Start(t).URL())
	c, _ := handle.(*consumer)
	publishOne(t, b)
	e := taken(t, c, 1)[0]
	id, err := hub.ParseID(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	delay := 300 * time.Millisecond
	nacked := make(chan error, 1)
	nack := hub.Settlement{Stream: "orders", Verb: hub.VerbNack, Delay: &delay, Receipts: []hub.Receipt{{ID: id, Attempt: 1}}}
	if err := c.Settle(nack, func(_ hub.Settled, err error) { nacked <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-nacked; err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	taken(t, c, 1)
	// When a hub has been there for 5 s, its sinks look in any case.
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the event came again after %s, its delay is %s", took, delay)
	}
}

// An array's last event may have been there before: then its id says nothing of the
// others.
func TestWhatIsNewBesideAReplayIsReadAtOnce(t *testing.T) {
	t.Parallel()
	for _, p := range []hub.Published{{}, {IDs: []hub.ID{{MS: 2}, {MS: 1}}, Replayed: []int{1}}} {
		if got := lastOf(p); got != (hub.ID{}) {
			t.Errorf("of %+v the last that was added is said to be %s", p, got)
		}
	}
	if got := lastOf(hub.Published{IDs: []hub.ID{{MS: 1}, {MS: 2}}}); got != (hub.ID{MS: 2}) {
		t.Errorf("of two that were added the last is said to be %s", got)
	}
}

func TestFewReadsGoOutBehindABatchForManyStreams(t *testing.T) {
	t.Parallel()
	b := &Broker{watchers: map[string]*watched{}}
	for _, name := range []string{"a", "b"} {
		b.watchers[name] = &watched{sinks: map[*sinkStream]*watcher{}}
		for range 20 * standbyReads {
			st := &sinkStream{}
			st.standby.Store(&op{})
			b.watchers[name].sinks[st] = &watcher{}
		}
	}
	l := &lane{behind: b.standbys}
	var batch []*op
	for range 10 {
		batch = append(batch, &op{stream: "a"}, &op{stream: "b"})
	}
	if all, from := l.follow(batch); len(all)-from != standbyReads {
		t.Errorf("%d reads go out behind one batch, want %d", len(all)-from, standbyReads)
	}
}
