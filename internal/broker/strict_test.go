package broker_test

import (
	"fmt"
	"slices"
	"testing"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// unheard is a consumer in strict order whose hub does not hear what another hub does
// with the events that it holds: that one's answer is lost, and so its note is never sent.
type unheard struct {
	t        *testing.T
	hub      *broker.Broker
	other    *broker.Broker
	way      *redistest.Proxy // of the other hub to Redis
	consumer hub.Consumer
	ids      []hub.ID // of six events: it has taken two, and the others wait for it on its hub
}

func newUnheard(t *testing.T, prefetch int) *unheard {
	t.Helper()
	s := redistest.Start(t)
	way := redistest.NewProxy(t, s.Addr())
	u := &unheard{t: t, hub: startBroker(t, s.URL()), other: startBroker(t, way.URL()), way: way}
	var err error
	if u.ids, err = publish(t.Context(), u.hub, "orders", batch("x", 6)); err != nil {
		t.Fatal(err)
	}
	u.consumer = consume(t, u.hub, hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders"}, Prefetch: prefetch, Batch: 2,
		// The turn is not taken anew, nor any event stamped anew, unless a test has it so.
		Settings: hub.SinkSettings{hub.SettingOrder: hub.OrderStrict, hub.SettingFrom: "oldest", hub.SettingAckWait: "1h"},
	})
	u.wants(u.ids[:2], take(t, u.consumer, 2))
	return u
}

// fails has the other hub nack an event. Redis does it, and this hub is not told.
func (u *unheard) fails(id hub.ID) {
	u.t.Helper()
	// The script is known to Redis from then on, so it is called by its hash.
	if settled, err := u.other.Settle(u.t.Context(), "billing", nackOf(hub.ID{MS: nobodysMS})); err != nil {
		u.t.Fatal(settled, err)
	}
	u.way.DropReplies(1<<20, "EVALSHA")
	_, err := u.other.Settle(u.t.Context(), "billing", nackOf(id))
	u.way.Restore()
	if code(err) != hub.CodeUnconfirmed {
		u.t.Fatalf("a nack whose answer is lost is %v", err)
	}
	owed, err := u.hub.Pending(u.t.Context(), "billing", 10)
	if err != nil || !slices.ContainsFunc(owed, func(e hub.PendingEvent) bool { return e.ID == id && e.Waits }) {
		u.t.Fatalf("Redis does not know of the nack: %+v (%v)", owed, err)
	}
}

// nacks has the consumer nack an event, and waits for the answer.
func (u *unheard) nacks(id hub.ID) hub.Settled {
	u.t.Helper()
	answered := make(chan hub.Settled, 1)
	if err := u.consumer.Settle(nackOf(id), func(settled hub.Settled, err error) {
		if err != nil {
			u.t.Error(err)
		}
		answered <- settled
	}); err != nil {
		u.t.Fatal(err)
	}
	return <-answered
}

func nackOf(id hub.ID) hub.Settlement {
	s := settlement("orders", []hub.ID{id})
	s.Verb = hub.VerbNack
	return s
}

func (u *unheard) wants(ids []hub.ID, events []hub.Event) {
	u.t.Helper()
	got, want := make([]string, len(events)), make([]string, len(ids))
	for i, e := range events {
		got[i] = e.ID
	}
	for i, id := range ids {
		want[i] = id.String()
	}
	if !slices.Equal(got, want) {
		u.t.Fatalf("the consumer got %v, want %v", got, want)
	}
}

func TestStrictSinkHandsOverNothingBehindANackThoughAnotherHubHasTakenItBackUnheard(t *testing.T) {
	t.Parallel()
	u := newUnheard(t, 6)
	u.fails(u.ids[1]) // with what is behind it, so that the next nack takes nothing back
	if settled := u.nacks(u.ids[0]); len(settled.Done) != 1 {
		t.Fatalf("the nack was answered %+v", settled)
	}
	u.wants(u.ids, take(t, u.consumer, 6))
}

func TestStrictSinkHandsOverNothingBehindAnEventOfWhichItLearnsThatAnotherHubHasNackedIt(t *testing.T) {
	t.Parallel()
	u := newUnheard(t, 6)
	u.fails(u.ids[1])
	if settled := u.nacks(u.ids[1]); len(settled.Stale) != 1 {
		t.Fatalf("the nack was answered %+v", settled)
	}
	u.wants(u.ids[1:], take(t, u.consumer, 5))
}

func TestStrictSinkNoticesByItsNextReadThatAnotherHubHasTakenEventsBack(t *testing.T) {
	t.Parallel()
	u := newUnheard(t, 10)
	u.fails(u.ids[1])
	more, err := publish(t.Context(), u.hub, "orders", batch("y", 1))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { // it has the first, and nothing of the others
		if held := u.consumer.Held(); held != 1 {
			return fmt.Sprintf("it is said to hold %d events", held)
		}
		return ""
	})
	u.wants(append(u.ids[1:], more...), take(t, u.consumer, 6))
}
