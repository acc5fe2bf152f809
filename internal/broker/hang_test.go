package broker

import (
	"context"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// hanging is a hub with two streams of different masters, of which one is made to hang.
type hanging struct {
	b           *Broker
	dead, alive string
	master      *redistest.Server // of dead
}

func newHanging(t *testing.T) *hanging {
	t.Helper()
	c, dead, alive, masters := partialCluster(t)
	b, err := New(Options{RedisURL: c.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	// With its first heartbeat a hub looks after the groups of the sinks that it has: then none
	// is read meanwhile.
	beaten := func() bool {
		b.alive.mu.Lock()
		defer b.alive.mu.Unlock()
		return len(b.alive.seen) > 0
	}
	for deadline := time.Now().Add(20 * time.Second); !beaten(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the hub's heart does not beat")
		}
	}
	return &hanging{b, dead, alive, masters[dead]}
}

func (h *hanging) hang(t *testing.T) {
	t.Helper()
	h.master.Pause()
	t.Cleanup(h.master.Resume)
}

func (h *hanging) publish(t *testing.T, stream string, n int) []hub.ID {
	t.Helper()
	events := make([]hub.Event, n)
	for i := range events {
		events[i].Data = []byte("1")
	}
	published, err := h.b.Publish(t.Context(), hub.Publication{Stream: stream, Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return published.IDs
}

// consume starts a consumer of both streams, from their start.
func (h *hanging) consume(t *testing.T, spec hub.ConsumerSpec) hub.Consumer {
	t.Helper()
	spec.Sink, spec.Streams = "billing", []string{h.dead, h.alive}
	spec.Settings = hub.SinkSettings{hub.SettingFrom: "oldest", hub.SettingAckWait: "5s"}
	c, err := h.b.Consume(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConsumer(t, c) })
	return c
}

// arriving is when an event came last, and how often.
type arriving struct {
	at       time.Time
	times    int
	attempts []int
}

// arrivals takes and acks what comes until done says that it is enough.
func (h *hanging) arrivals(t *testing.T, c hub.Consumer, done func(map[string]*arriving, time.Time) bool) map[string]*arriving {
	t.Helper()
	came := map[string]*arriving{}
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !done(came, time.Now()) {
		d, err := c.Take()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range d.Events {
			a := came[e.Stream+e.ID]
			if a == nil {
				a = &arriving{at: time.Now()}
				came[e.Stream+e.ID] = a
			}
			a.times++
			a.attempts = append(a.attempts, e.Attempt)
			id, err := hub.ParseID(e.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Settle(settlement(e.Stream, []hub.ID{id}), nil); err != nil {
				t.Fatal(err)
			}
			_ = c.Credit(1) // which is refused where the prefetch sees to it
		}
		if len(d.Events) == 0 {
			select {
			case <-c.Ready():
			case <-look.C:
			}
		}
	}
	return came
}

// A master hangs while a sink reads a long backlog of it; all the while its consumers get
// what is published to another one. Only in the first moment that is not known.
func TestConsumersGetWhatOtherMastersHaveWhileOneHangs(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]hub.ConsumerSpec{"prefetch 1": {Prefetch: 1}, "prefetch 10": {Prefetch: 10}, "credit 10": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHanging(t)
			backlog := h.publish(t, h.dead, 3000)
			h.publish(t, h.alive, 10)
			c := h.consume(t, spec)
			if spec.Prefetch == 0 {
				if err := c.Credit(10); err != nil {
					t.Fatal(err)
				}
			}
			first := h.arrivals(t, c, func(came map[string]*arriving, _ time.Time) bool { return len(came) >= 100 })

			h.hang(t)
			const every, events = 100 * time.Millisecond, 60
			var ids []hub.ID
			var published []time.Time
			next := time.Now()
			came := h.arrivals(t, c, func(came map[string]*arriving, now time.Time) bool {
				if len(ids) < events && !now.Before(next) {
					ids = append(ids, h.publish(t, h.alive, 1)...)
					published = append(published, time.Now())
					next = now.Add(every)
				}
				for _, id := range ids {
					if came[h.alive+id.String()] == nil && now.Before(next.Add(10*time.Second)) {
						return false
					}
				}
				return len(ids) == events
			})
			late := 0
			for i, id := range ids {
				a := came[h.alive+id.String()]
				if a == nil {
					t.Fatalf("event %d of the other master did not come", i)
				}
				if took := a.at.Sub(published[i]); took > 3*time.Second {
					t.Errorf("event %d came after %s", i, took)
				} else if took > mostSilence+2*knockEvery {
					late++
				}
			}
			if late > events/6 {
				t.Errorf("%d of %d events came late: their consumer's credit was reserved for what hangs, again and again", late, events)
			}

			h.master.Resume()
			end := time.Now().Add(40 * time.Second)
			rest := h.arrivals(t, c, func(more map[string]*arriving, now time.Time) bool {
				missing := 0
				for _, id := range backlog {
					if key := h.dead + id.String(); first[key] == nil && came[key] == nil && more[key] == nil {
						missing++
					}
				}
				if missing > 0 && now.After(end) {
					t.Fatalf("%d of %d events of the master that hung are lost", missing, len(backlog))
				}
				return missing == 0
			})
			for _, id := range backlog {
				key, attempts := h.dead+id.String(), []int(nil)
				for _, part := range []map[string]*arriving{first, came, rest} {
					if a := part[key]; a != nil {
						attempts = append(attempts, a.attempts...)
					}
				}
				for i := 1; i < len(attempts); i++ {
					if attempts[i] <= attempts[i-1] {
						t.Errorf("%s came as the attempts %v", key, attempts)
					}
				}
			}
		})
	}
}

// A pull of both streams is under way. It neither waits for the one that hangs, nor fails
// with it.
func TestAPullGetsWhatOtherMastersHaveWhileOneHangs(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"one event": 1, "ten events": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHanging(t)
			h.publish(t, h.dead, 1)
			h.publish(t, h.alive, 1)
			keeper := h.consume(t, hub.ConsumerSpec{Prefetch: 10}) // so that there is a sink
			h.arrivals(t, keeper, func(came map[string]*arriving, _ time.Time) bool { return len(came) == 2 })
			closeConsumer(t, keeper)

			type pulled struct {
				events []hub.Event
				err    error
			}
			answer := make(chan pulled, 1)
			go func() { // waited for below
				spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{h.dead, h.alive}, MaxBytes: 1 << 20}
				events, _, err := h.b.Pull(t.Context(), spec, most, 30*time.Second)
				answer <- pulled{events, err}
			}()
			h.awaitSink(t, func(s *sink) bool { // it has looked, and waits
				for _, c := range s.consumers {
					if c.pull && c.hungry.Load() && c.reserved == 0 && len(s.streams) == 2 {
						return !s.streams[h.dead].unread && s.streams[h.dead].reads == 0 && !s.streams[h.dead].reclaiming
					}
				}
				return false
			})
			h.hang(t)
			h.b.ring(h.dead)
			// The read that this began is given up.
			h.awaitSink(t, func(s *sink) bool { return s.streams[h.dead] == nil || s.streams[h.dead].failures > 0 })
			want := h.publish(t, h.alive, 1)[0]
			began := time.Now()
			got := <-answer
			if got.err != nil || len(got.events) != 1 || got.events[0].ID != want.String() {
				t.Fatalf("pulled %+v (%v), want %s", got.events, got.err, want)
			}
			if took := time.Since(began); took > 1200*time.Millisecond {
				t.Errorf("it was pulled %s after it was published", took)
			}
		})
	}
}

// awaitSink waits until something is so of the sink.
func (h *hanging) awaitSink(t *testing.T, so func(*sink) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if s := h.b.sink("billing"); s != nil {
			answer := make(chan bool, 1)
			s.post(func() { answer <- so(s) })
			if <-answer {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the sink does not come to it")
		}
	}
}

// A read that stands by goes out behind what is published to a master that hangs: the
// credit that it takes along comes back.
func TestAReadThatStoodByHoldsNoCreditWhileItsMasterHangs(t *testing.T) {
	t.Parallel()
	h := newHanging(t)
	h.publish(t, h.alive, 1)
	h.publish(t, h.dead, 1)
	c := h.consume(t, hub.ConsumerSpec{Prefetch: 1})
	h.arrivals(t, c, func(came map[string]*arriving, _ time.Time) bool { return len(came) == 2 })
	last := h.publish(t, h.dead, 1)[0]
	h.arrivals(t, c, func(came map[string]*arriving, _ time.Time) bool { return came[h.dead+last.String()] != nil })
	if d, err := c.Take(); err != nil || len(d.Events) > 0 { // it asks for more
		t.Fatalf("took %d events, error %v; want nothing", len(d.Events), err)
	}
	var read *op
	h.awaitSink(t, func(s *sink) bool {
		if read = s.standby.op; read == nil || s.standby.stream.name != h.dead {
			return false
		}
		return read.state.Load() == opAbandoned // for as long as run is awake
	})

	h.hang(t)
	gone := make(chan struct{})
	go func() { // waited for below
		defer close(gone)
		_, _ = h.b.Publish(t.Context(), hub.Publication{Stream: h.dead, Events: []hub.Event{{Data: []byte("1")}}})
	}()
	defer func() { <-gone }()
	for deadline := time.Now().Add(20 * time.Second); read.state.Load() != opSent; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the read did not go out behind what was published")
		}
	}
	began := time.Now()
	want := h.publish(t, h.alive, 1)[0]
	came := h.arrivals(t, c, func(came map[string]*arriving, now time.Time) bool {
		return came[h.alive+want.String()] != nil || now.Sub(began) > 10*time.Second
	})
	if a := came[h.alive+want.String()]; a == nil || a.at.Sub(began) > 1200*time.Millisecond {
		t.Errorf("an event of another master came at %+v, published at %s", a, began)
	}
}
