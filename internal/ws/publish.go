package ws

import (
	"context"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// publish takes events for a stream, or for a channel. It is answered once the
// engine has, in its turn behind those before it.
func (s *session) publish(c *command) error {
	f := c.read("stream", "channel", "events")
	kind, to := auth.Stream, hub.ToStream
	switch {
	case f.has("stream") && f.has("channel"):
		f.wrong("stream and channel are both given: publish to one of them")
	case f.has("channel"):
		kind, to = auth.Channel, hub.ToChannel
	case !f.has("stream"):
		f.wrong("stream is missing, or channel")
	}
	name := f.name(kind.String())
	if err := f.err(); err != nil {
		return err
	}
	who := s.identity.Load().who
	topics, err := mayPublish(who, kind, name)
	if err != nil {
		return err
	}
	weight := len(f.raw["events"]) / weighedBytes
	events := f.events(to, s.server.opts.Limits)
	if err := f.err(); err != nil {
		return err
	}
	if fault := s.imposed.check(topics, events); fault != nil {
		return fault
	}
	if err := who.Account().Publish(len(events)); err != nil {
		return err
	}
	s.begin(c, weight)
	if to == hub.ToChannel {
		s.enqueue(c, func(ctx context.Context) { s.broadcast(ctx, c, name, events) })
	} else {
		s.enqueue(c, func(ctx context.Context) { s.store(ctx, c, hub.Publication{Stream: name, Events: events}) })
	}
	return nil
}

func (s *session) store(ctx context.Context, c *command, p hub.Publication) {
	published, err := s.server.broker.Publish(ctx, p)
	if err != nil {
		err = inEvents(hub.AsError(err))
	}
	s.answer(c, err, func(dst []byte) []byte {
		dst = appendString(appendIDs(dst, "ids", published.IDs), "stream", p.Stream)
		if published.Durability != "" {
			dst = appendString(dst, "durability", string(published.Durability))
		}
		if len(published.Replayed) > 0 {
			dst = appendInts(dst, "replayed", published.Replayed)
		}
		return dst
	})
}

func (s *session) broadcast(ctx context.Context, c *command, channel string, events []hub.Event) {
	ids, err := s.server.broker.Broadcast(ctx, channel, events)
	s.answer(c, err, func(dst []byte) []byte {
		return appendString(appendStrings(dst, "ids", ids), "channel", channel)
	})
}

// events must be given. They share memory with the frame.
func (f *fields) events(to hub.Target, limits hub.Limits) []hub.Event {
	value := f.raw["events"]
	if len(value) == 0 || value[0] != '[' {
		f.wrong(`events: want an array such as [{"type":"order.created","data":{"id":1}}]`)
	}
	if f.fault != nil {
		return nil
	}
	events, _, err := to.Decode(value, limits)
	if err != nil {
		f.check(inEvents(hub.AsError(err)))
	}
	return events
}

// inEvents has a fault of an event name its place in the frame. An error frame
// has room for the first only.
func inEvents(err *hub.Error) *hub.Error {
	if len(err.Faults) == 0 {
		return err
	}
	first := err.Faults[0]
	return hub.Errorf(err.Code, "nothing was published: /events%s %s", first.Pointer, first.Detail)
}
