package broker_test

import (
	"context"
	"fmt"
	"maps"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
)

// healing is the end of a seed: one hub without faults, and one consumer that
// acks all that comes, until the sink owes nothing more.
type healing struct {
	*world
	broker *broker.Broker
	member *member
}

// heal has everything delivered that the sink owes still, then its dead letters.
func (w *world) heal() {
	h := healing{world: w, broker: w.broker(w.server.URL())}
	spec := hub.ConsumerSpec{Sink: modelSinkName, Streams: w.sink.streams, Prefetch: 100}
	w.mu.Lock()
	h.member = w.member(&node{name: "healer"}, "consumer")
	h.member.prefetch = spec.Prefetch
	w.mu.Unlock()
	w.must("attaching the last consumer", func(ctx context.Context) (err error) {
		h.member.consumer, err = h.broker.Consume(ctx, spec)
		return err
	})
	h.drain()
	if w.letters = h.deadLetters(); len(w.letters) > 0 {
		h.redrive()
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	h.member.consumer.Close(ctx, false)
	w.must("pulling from a sink that owes nothing", func(ctx context.Context) error {
		events, _, err := h.broker.Pull(ctx, hub.ConsumerSpec{Sink: modelSinkName}, 10, 0)
		if len(events) > 0 {
			w.blame("a sink that owes nothing gives %v", events)
		}
		return err
	})
	if err := h.broker.Close(ctx); err != nil {
		w.t.Errorf("closing the last hub: %v", err)
	}
}

// drain takes and acks until nothing is left.
func (h *healing) drain() {
	deadline := time.Now().Add(patience)
	for {
		for h.history.take(h.member) > 0 {
			h.ackAll()
		}
		left := h.left()
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			h.blame("after %s the sink still owes %s", patience, left)
			return
		}
		select {
		case <-h.member.consumer.Ready():
		case <-time.After(20 * time.Millisecond): // what Status tells sends no signal
		}
	}
}

func (h *healing) ackAll() {
	of := map[string][]hub.Receipt{}
	h.mu.Lock()
	for _, s := range h.member.held {
		of[s.fact.stream] = append(of[s.fact.stream], s.receipt(false))
	}
	h.member.held = nil
	h.mu.Unlock()
	for stream, receipts := range of {
		h.settleBy(h.member, hub.Settlement{Stream: stream, Receipts: receipts})
	}
}

// left says what the sink still owes, "" when that is nothing.
func (h *healing) left() string {
	status, err := h.broker.Status(h.t.Context(), modelSinkName)
	if err != nil {
		return err.Error()
	}
	for _, s := range status.Streams {
		if s.Pending != 0 || s.Lag != 0 {
			return fmt.Sprintf("%+v", s)
		}
	}
	pending, err := h.broker.Pending(h.t.Context(), modelSinkName, 10)
	if err != nil || len(pending) > 0 {
		return fmt.Sprintf("pending: %+v (%v)", pending, err)
	}
	return ""
}

func (h *healing) deadLetters() map[string]hub.DeadLetter {
	var page hub.DeadLetterPage
	h.must("listing the dead letters", func(ctx context.Context) (err error) {
		page, err = h.broker.DeadLetters(ctx, modelSinkName, 10_000, "", anything)
		return err
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	letters := map[string]hub.DeadLetter{}
	for _, l := range page.DeadLetters {
		data := string(l.Event.Data)
		h.line("a dead letter: %s %s, %d attempts, %s", data, l.Event.ID, l.Attempts, l.Reason)
		if _, twice := letters[data]; twice || h.facts[data] == nil {
			h.fault("it must not be there")
		}
		letters[data] = l
	}
	return letters
}

// redrive has all dead letters delivered again, with time enough for each.
func (h *healing) redrive() {
	settings := maps.Clone(h.sink.settings)
	settings[hub.SettingAckWait] = "1m"
	h.must("changing ack_wait", func(ctx context.Context) error {
		_, _, _, err := h.broker.PutSink(ctx, modelSinkName, hub.SinkPut{Settings: settings})
		return err
	})
	h.redriven = h.say("all %d dead letters are redriven", len(h.letters))
	count := int64(0)
	h.must("redriving", func(ctx context.Context) error {
		done, err := h.broker.Redrive(ctx, modelSinkName, hub.Redrive{})
		count += done.Count
		return err
	})
	if int(count) > len(h.letters) {
		h.blame("%d dead letters became %d", len(h.letters), count)
	}
	h.drain()
	h.mu.Lock()
	missing := maps.Clone(h.letters)
	for _, s := range h.sights {
		if s.at < h.redriven {
			continue
		}
		if _, was := missing[s.fact.data]; !was || s.attempt != 1 {
			h.complain(s.at, "what is redriven comes once, with attempt 1, and nothing else does")
		}
		delete(missing, s.fact.data)
	}
	for data := range missing {
		if h.sink.wants(h.facts[data]) {
			h.complain(h.redriven, "%s does not come", data)
		}
	}
	h.mu.Unlock()
	if again := h.deadLetters(); len(again) > 0 {
		h.blame("%d dead letters are left", len(again))
	}
}
