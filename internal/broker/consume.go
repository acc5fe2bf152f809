package broker

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Check says whether Consume would accept spec, without changing anything.
func (b *Broker) Check(ctx context.Context, spec hub.ConsumerSpec) error {
	asked, _, err := b.permit(ctx, spec)
	if err != nil {
		return err
	}
	if err := b.acceptable(ctx, spec); err != nil {
		return err
	}
	_, _, _, err = b.define(ctx, defineLook, spec.Sink, asked, spec.Streams, false)
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
// Errors: CodeForbidden for a stream that is out of spec's scope, whether there is one or
// not, and for a sink that shows more of it than may be seen; CodeConflict when spec
// contradicts the stored sink, CodeUnavailable.
func (b *Broker) Consume(ctx context.Context, spec hub.ConsumerSpec) (hub.Consumer, error) {
	c, err := b.consume(ctx, spec, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (b *Broker) consume(ctx context.Context, spec hub.ConsumerSpec, pull bool) (*consumer, error) {
	asked, confined, err := b.permit(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := b.acceptable(ctx, spec); err != nil {
		return nil, err
	}
	stored, how, _, err := b.define(ctx, defineUse, spec.Sink, asked, spec.Streams, false)
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
	if spec.Scope != nil { // it may have been changed since permit looked
		if confined, err = confine(spec.Scope, streams); err == nil {
			err = confined.check(spec.Sink, stored.config.Topics)
		}
		if err != nil {
			return nil, err
		}
	}
	all := make(map[string]attached, len(streams))
	info := hub.ConsumerInfo{Config: stored.config}
	for _, stream := range streams {
		a, err := b.attach(ctx, spec.Sink, stream, spec.Settings[hub.SettingFrom], stored, how)
		if err != nil {
			return nil, err
		}
		all[stream] = a
		if spec.Settings[hub.SettingFrom] != "" && !a.met {
			info.Ignored = []string{hub.SettingFrom}
		}
	}
	c := &consumer{
		spec: spec, confined: confined, info: info, pull: pull, since: time.Now(), number: b.consumerNumber.Add(1), streams: streams,
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
		s.confine(c)
		close(added)
	})
	<-added
	return c, nil
}

// addStream has a consumer read a further stream.
func (b *Broker) addStream(ctx context.Context, c *consumer, stream, from string) (hub.ConsumerInfo, error) {
	info := hub.ConsumerInfo{Config: c.info.Config}
	confined, err := confine(c.spec.Scope, []string{stream})
	if err != nil {
		return info, err
	}
	if slices.Contains(c.Streams(), stream) {
		if from != "" {
			info.Ignored = []string{hub.SettingFrom}
		}
		return info, nil
	}
	if err := confined.check(c.spec.Sink, c.sink.known.Load().Topics); err != nil {
		return info, err
	}
	if err := b.mustExist(ctx, stream); err != nil {
		return info, err
	}
	stored, how, _, err := b.define(ctx, defineUse, c.spec.Sink, nil, []string{stream}, false)
	if err != nil {
		return info, err
	}
	info.Config = stored.config
	if err := confined.check(c.spec.Sink, stored.config.Topics); err != nil {
		return info, err
	}
	a, err := b.attach(ctx, c.spec.Sink, stream, from, stored, how)
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
		maps.Copy(c.confined, confined)
		c.sink.attach(c, stream, a)
		c.sink.confine(c)
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
