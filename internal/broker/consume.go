package broker

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Check says whether Consume would accept spec, without changing anything.
func (b *Broker) Check(ctx context.Context, spec hub.ConsumerSpec) error {
	if err := b.acceptable(ctx, spec); err != nil {
		return err
	}
	_, _, _, err := b.define(ctx, defineLook, spec.Sink, spec.Settings, spec.Streams, false)
	return err
}

// acceptable says whether spec can be served, as far as the sink does not matter.
func (b *Broker) acceptable(ctx context.Context, spec hub.ConsumerSpec) error {
	if from := spec.Settings[hub.SettingFrom]; from != "" {
		position, fault := hub.ParsePosition(from)
		if fault != nil {
			return fault
		}
		for _, stream := range spec.Streams {
			if _, fault := position.In(stream); fault != nil {
				return fault
			}
		}
	}
	return b.mustExist(ctx, spec.Streams...)
}

// Consume attaches a consumer to a sink, which is made when it is new. What is
// published after it has returned is delivered.
//
// Errors: CodeConflict when spec contradicts the stored sink, CodeUnavailable.
func (b *Broker) Consume(ctx context.Context, spec hub.ConsumerSpec) (hub.Consumer, error) {
	c, err := b.consume(ctx, spec, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (b *Broker) consume(ctx context.Context, spec hub.ConsumerSpec, pull bool) (*consumer, error) {
	if err := b.acceptable(ctx, spec); err != nil {
		return nil, err
	}
	stored, how, _, err := b.define(ctx, defineUse, spec.Sink, spec.Settings, spec.Streams, false)
	if err != nil {
		return nil, err
	}
	if !stored.known { // a pull that names no stream
		e := noSink(spec.Sink)
		e.Detail += "; name a stream to make it: ?stream=…"
		return nil, e
	}
	b.list(spec.Sink)
	streams := spec.Streams
	if len(streams) == 0 {
		streams = stored.config.Streams
	}
	all := make(map[string]attached, len(streams))
	info := hub.ConsumerInfo{Config: stored.config}
	for _, stream := range streams {
		a, err := b.attach(ctx, spec.Sink, stream, spec.Settings[hub.SettingFrom], stored.config, how)
		if err != nil {
			return nil, err
		}
		all[stream] = a
		if spec.Settings[hub.SettingFrom] != "" && !a.met {
			info.Ignored = []string{hub.SettingFrom}
		}
	}
	c := &consumer{
		spec: spec, info: info, pull: pull, since: time.Now(), number: b.consumerNumber.Add(1), streams: streams,
		attachments: map[string]*attachment{}, ready: newSignal(spec.Wake),
	}
	s, err := b.join(c, stored)
	if err != nil {
		return nil, err
	}
	added := make(chan struct{})
	s.post(func() {
		s.configure(stored)
		s.add(c, all)
		close(added)
	})
	<-added
	return c, nil
}

// addStream has a consumer read a further stream.
func (b *Broker) addStream(ctx context.Context, c *consumer, stream, from string) (hub.ConsumerInfo, error) {
	info := hub.ConsumerInfo{Config: c.info.Config}
	if slices.Contains(c.Streams(), stream) {
		if from != "" {
			info.Ignored = []string{hub.SettingFrom}
		}
		return info, nil
	}
	if err := b.mustExist(ctx, stream); err != nil {
		return info, err
	}
	stored, how, _, err := b.define(ctx, defineUse, c.spec.Sink, nil, []string{stream}, false)
	if err != nil {
		return info, err
	}
	info.Config = stored.config
	a, err := b.attach(ctx, c.spec.Sink, stream, from, stored.config, how)
	if err != nil {
		return info, err
	}
	if from != "" && !a.met {
		info.Ignored = []string{hub.SettingFrom}
	}
	added := make(chan struct{})
	c.sink.post(func() {
		defer close(added)
		c.sink.configure(stored)
		if c.closing.Load() {
			return // remove goes through what is attached
		}
		c.mu.Lock()
		c.streams = append(slices.Clone(c.streams), stream)
		c.mu.Unlock()
		c.sink.attach(c, stream, a)
	})
	select {
	case <-added:
		return info, nil
	case <-ctx.Done():
		return info, unavailable(ctx.Err(), "adding a stream")
	}
}

// list enters a sink into the list that metrics and housekeeping go by. It need
// not wait: the list may be on a node that is dead while the sink's own is not.
func (b *Broker) list(sink string) {
	key := b.keys.sinks()
	_ = b.working.submit(context.Background(), key, &op{cmds: []redis.Cmder{command("sadd", key, sink)}})
}

// join finds or starts the consumer's sink.
func (b *Broker) join(c *consumer, stored settings) (*sink, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, &hub.Error{Code: hub.CodeUnavailable, Detail: "the hub is shutting down", RetryAfter: retryAfter}
	}
	name := c.spec.Sink
	s := b.sinks[name]
	if s == nil {
		s = newSink(b, name, stored)
		b.sinks[name] = s
		b.serving.Go(s.run)
	}
	s.refs++
	b.consumers[c] = struct{}{}
	c.sink = s
	return s, nil
}

// leave takes a consumer off the books; its sink may end then.
func (b *Broker) leave(c *consumer) {
	b.mu.Lock()
	c.sink.refs--
	delete(b.consumers, c)
	b.mu.Unlock()
	c.sink.poke()
}

// retire forgets a sink that nobody here uses; false when somebody is coming.
func (b *Broker) retire(s *sink) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.refs > 0 {
		return false
	}
	delete(b.sinks, s.name)
	return true
}
