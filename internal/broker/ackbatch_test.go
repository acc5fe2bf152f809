package broker

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// idOf is the nth id of a test.
func idOf(n int) hub.ID { return hub.ID{MS: 1763650000000 + uint64(n/7), Seq: uint64(n % 7)} }

func idsUpTo(n int) []hub.ID {
	ids := make([]hub.ID, n)
	for i := range ids {
		ids[i] = idOf(i)
	}
	return ids
}

func TestAcksThatAreCallsTogetherAreOneCommand(t *testing.T) {
	t.Parallel()
	s, st := &sink{name: "billing"}, &sinkStream{keys: []string{"log"}}
	all := idsUpTo(6000)
	sizes := []int{64, 936, 1, 600, 600, 400, 2500, 1, 63}
	for from, i := 0, 0; i < len(sizes); i++ {
		st.addAck(all[from:from+sizes[i]], 1, nil)
		from += sizes[i]
	}
	o := &op{}
	acks := s.takeAcks(st, o)
	var sent []string
	for _, cmd := range o.cmds {
		args := cmd.Args()
		if len(args) > 3+ackIDs || args[0] != "xack" || args[1] != "log" || args[2] != "billing" {
			t.Errorf("a command has %d arguments: %v", len(args), args[:3])
		}
		for _, arg := range args[3:] {
			text, _ := arg.(*string)
			sent = append(sent, *text)
		}
	}
	total := 0
	for i, ack := range acks {
		if want := (sizes[i] + ackIDs - 1) / ackIDs; len(ack.cmds) < want || sizes[i] <= ackIDs && len(ack.cmds) != 1 {
			t.Errorf("%d ids went in %d commands", sizes[i], len(ack.cmds))
		}
		for _, id := range ack.ids {
			if sent[total] != id.String() {
				t.Fatalf("id %d is sent as %s, want %s", total, sent[total], id)
			}
			total++
		}
	}
	if total != len(sent) {
		t.Errorf("%d ids are sent, want %d", len(sent), total)
	}
}

func TestAckedIDLeavesLittleGarbage(t *testing.T) { //nolint:paralleltest // others' allocations would count
	ids := idsUpTo(ackIDs)
	batch := ackBatch{log: "log", group: "billing", room: ackIDs}
	allocations := testing.AllocsPerRun(10, func() {
		for _, id := range ids {
			batch.add(id)
		}
		_ = batch.command()
	})
	if each := allocations / ackIDs; each > 0.02 {
		t.Errorf("an id costs %v allocations", each)
	}
}

func TestWhatMayBeQueuedIsNeverOverlooked(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	overlooked, spared := 0, 0
	for range 2000 {
		c, queued := &consumer{}, map[hub.ID]bool{}
		for range random.IntN(4) {
			b := batch{}
			for first := random.IntN(50); len(b.events) < 1+random.IntN(5); first += random.IntN(5) - 1 {
				id := idOf(first)
				b.events = append(b.events, hub.Event{ID: id.String()})
				b.span.include(id)
				queued[id] = true
			}
			c.queue = append(c.queue, b)
		}
		var asked []hub.ID
		there := false
		for range random.IntN(4) {
			id := idOf(random.IntN(50))
			asked = append(asked, id)
			there = there || queued[id]
		}
		switch may := c.mayQueue(asked); {
		case there && !may:
			overlooked++
		case !may:
			spared++
		}
	}
	if overlooked > 0 || spared == 0 {
		t.Errorf("%d times an event was overlooked, %d times the queue was spared", overlooked, spared)
	}
}

func TestAckEachAnswersEveryCall(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b, c := startConsumer(t, server.URL())
	events := make([]hub.Event, 10)
	for i := range events {
		events[i].Data = []byte("1")
	}
	if _, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: events}); err != nil {
		t.Fatal(err)
	}
	var ids []hub.ID
	for _, e := range taken(t, c, 10) {
		id, err := hub.ParseID(e.ID)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	calls := append(append(ids[:9:9], ids[3], hub.ID{MS: 1}), ids[8])
	answers := make(chan int, len(calls))
	err := c.AckEach("orders", calls, func(n int, err error) {
		if err != nil {
			t.Error(err)
		}
		answers <- n
	})
	if err != nil {
		t.Fatal(err)
	}
	for left := len(calls); left > 0; {
		select {
		case n := <-answers:
			left -= n
		case <-time.After(20 * time.Second):
			t.Fatalf("%d calls are not answered", left)
		}
	}
	if held := c.Held(); held != 1 {
		t.Errorf("%d events are held, want 1", held)
	}
	status, err := b.Status(t.Context(), "billing")
	if err != nil || len(status.Streams) != 1 || status.Streams[0].Pending != 1 {
		t.Errorf("the sink is %+v, %v, want one event pending", status.Streams, err)
	}
	if err := c.AckEach("visits", []hub.ID{{MS: 1}}, nil); hub.AsError(err).Code != hub.CodeStreamNotFound {
		t.Errorf("acks of a stream that nobody reads: %v", err)
	}
}

// Not by the count alone: room for a thousand ids would be 28 KB for each of them.
func TestAckOfOneIDTakesFewBytes(t *testing.T) {
	s, st := &sink{name: "billing"}, &sinkStream{keys: []string{"log"}}
	ids := []hub.ID{{MS: 1_763_650_000_000}}
	const rounds, most = 1000, 4000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		st.addAck(ids, 1, nil)
		s.takeAcks(st, &op{})
		st.acking = false
	}
	runtime.ReadMemStats(&after)
	if bytes := (after.TotalAlloc - before.TotalAlloc) / rounds; bytes > most {
		t.Errorf("an ack of one id takes %d bytes, want at most %d", bytes, most)
	}
}
