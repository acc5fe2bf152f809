package broker

import (
	"context"
	"strings"
	"time"

	"eventhub/internal/hub"
)

// Pending lists what a sink owes, oldest first in each stream, at most limit.
//
// Errors: CodeSinkNotFound, CodeUnavailable.
func (b *Broker) Pending(ctx context.Context, sink string, limit int) ([]hub.PendingEvent, error) {
	stored, err := b.settings(ctx, sink)
	if err != nil {
		return nil, err
	}
	var list []hub.PendingEvent
	for _, stream := range stored.config.Streams {
		keys := b.keys.of(sink, stream)
		cmd := pendingScript.call(keys, sink, limit-len(list))
		if err := b.work(ctx, keys[0], cmd); err != nil && !isNoGroup(err) {
			return nil, readFailure(err, "listing what is pending")
		}
		entries, _ := cmd.Slice()
		for _, entry := range entries {
			if e, ok := pendingOf(stream, entry); ok && len(list) < limit {
				list = append(list, e)
			}
		}
		if len(list) == limit {
			break
		}
	}
	b.label(ctx, sink, list)
	return list, nil
}

func pendingOf(stream string, entry any) (e hub.PendingEvent, ok bool) {
	fields, _ := entry.([]any)
	if len(fields) != 5 {
		return e, false
	}
	id, err := parseAny(fields[0])
	if err != nil {
		return e, false
	}
	holder, _ := fields[1].(string)
	e = hub.PendingEvent{ID: id, Stream: stream, Attempts: int(number(fields[3]))}
	switch {
	case holder == retryName:
		e.Waits, e.Due = true, time.Duration(number(fields[4]))*time.Millisecond
		return e, true
	case holder == pullName:
		e.Pulled = true
	case strings.HasPrefix(holder, hubPrefix):
		e.Hub = holder
	}
	e.Held = time.Duration(number(fields[2])) * time.Millisecond
	return e, true
}

// label says which consumer holds what: this hub knows of its own; of another
// one, when only one of its consumers can be meant.
func (b *Broker) label(ctx context.Context, sink string, list []hub.PendingEvent) {
	only := map[string]string{} // by hub
	for _, c := range b.allConsumers(ctx, sink) {
		if c.Transport != "websocket" {
			continue
		}
		if _, several := only[c.Hub]; several {
			only[c.Hub] = ""
		} else {
			only[c.Hub] = c.Consumer
		}
	}
	own := b.ownLeases(sink)
	for i := range list {
		e := &list[i]
		switch label, known := own[eventName{e.Stream, e.ID.String()}]; {
		case known:
			e.Consumer = label
		case e.Hub != "" && e.Hub != b.name:
			e.Consumer = only[e.Hub]
		}
	}
}

// ownLeases says which consumer here holds what of a sink.
func (b *Broker) ownLeases(name string) map[eventName]string {
	s := b.sink(name)
	if s == nil {
		return nil
	}
	answer := make(chan map[eventName]string, 1)
	s.post(func() {
		leases := map[eventName]string{}
		for _, st := range s.streams {
			for c, a := range st.attachments {
				for id := range a.leases {
					leases[eventName{st.name, id.String()}] = c.spec.Label
				}
			}
		}
		answer <- leases
	})
	select {
	case leases := <-answer:
		return leases
	case <-time.After(time.Second): // the sink has just ended, and nobody is there to answer
		return nil
	}
}
