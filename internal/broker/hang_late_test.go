package broker

import (
	"testing"

	"eventhub/internal/hub"
)

// asked is a consumer with prefetch 1 that has asked for the one event of a master that
// hangs, which is known to be silent by now.
func (h *hanging) asked(t *testing.T, settings hub.SinkSettings) *consumer {
	t.Helper()
	c, err := h.b.Consume(t.Context(), hub.ConsumerSpec{
		Sink: "billing", Streams: []string{h.dead, h.alive}, Prefetch: 1, Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConsumer(t, c) })
	for _, stream := range []string{h.dead, h.alive} {
		h.publish(t, stream, 1)
		e := taken(t, c, 1)[0]
		if settings[hub.SettingAck] == "" {
			settle(t, c, e)
		}
	}
	h.publish(t, h.dead, 1) // nobody has asked for it yet
	h.hang(t)
	if d, err := c.Take(); err != nil || len(d.Events) > 0 {
		t.Fatalf("took %d events, error %v; want nothing", len(d.Events), err)
	}
	h.awaitSink(t, func(s *sink) bool { return s.streams[h.dead].silent && s.streams[h.dead].reads == 1 })
	own, _ := c.(*consumer)
	return own
}

func settle(t *testing.T, c hub.Consumer, e hub.Event) {
	t.Helper()
	id, err := hub.ParseID(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	acked := make(chan error, 1)
	if err := c.Settle(settlement(e.Stream, []hub.ID{id}), func(_ hub.Settled, err error) { acked <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
}

// What a read brings after all is handed back where its consumer has got something else
// meanwhile, and comes again at no cost of an attempt.
func TestALateReadGivesNobodyMoreThanAskedFor(t *testing.T) {
	t.Parallel()
	h := newHanging(t)
	c := h.asked(t, hub.SinkSettings{})
	want := h.publish(t, h.alive, 1)[0]
	other := taken(t, c, 1)[0]
	if other.ID != want.String() {
		t.Fatalf("it was given %s of %s, want %s of the master that answers", other.ID, other.Stream, want)
	}
	if d, err := c.Take(); err != nil || len(d.Events) > 0 { // it would take more
		t.Fatalf("took %d events more, error %v; want nothing", len(d.Events), err)
	}
	h.master.Resume()
	h.awaitSink(t, func(s *sink) bool {
		st := s.streams[h.dead]
		return !st.silent && st.reads == 0 && st.releasing == 0 && !st.orphans && !st.searching
	})
	if held := c.held.Load(); held != 1 {
		t.Errorf("it was given %d events at once, want 1, its prefetch", held)
	}
	settle(t, c, other)
	if e := taken(t, c, 1)[0]; e.Stream != h.dead || e.Attempt != 1 {
		t.Errorf("it was given %s of %s, attempt %d, want the one of %s, attempt 1", e.ID, e.Stream, e.Attempt, h.dead)
	}
}

// What is read with ack=none is pending nowhere: it would be lost if its consumer had no
// room left.
func TestALateReadWithoutAcksKeepsItsCredit(t *testing.T) {
	t.Parallel()
	h := newHanging(t)
	c := h.asked(t, hub.SinkSettings{hub.SettingAck: string(hub.AckNone)})
	h.awaitSink(t, func(s *sink) bool {
		if st := s.streams[h.dead]; st.reads == 1 && c.reserved != 1 {
			t.Errorf("%d are reserved for the read, want 1", c.reserved)
		}
		return true
	})
}
