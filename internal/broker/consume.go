package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Consume attaches a consumer to a sink, which is made when it is new. What is
// published after it has returned is delivered.
//
// Errors: CodeConflict when spec contradicts the stored sink, CodeUnavailable.
func (b *Broker) Consume(ctx context.Context, spec hub.ConsumerSpec) (hub.Consumer, error) {
	config, err := b.define(ctx, spec, false)
	if err != nil {
		return nil, err
	}
	b.list(spec.Sink)
	lasts := make(map[string]hub.ID, len(spec.Streams))
	info := hub.ConsumerInfo{Config: config}
	for _, stream := range spec.Streams {
		last, met, err := b.attach(ctx, spec, config, stream)
		if err != nil {
			return nil, err
		}
		lasts[stream] = last
		if spec.From != "" && !met {
			info.Ignored = []string{"from"}
		}
	}
	c := &consumer{
		spec: spec, info: info, since: time.Now(),
		attachments: map[string]*attachment{}, ready: make(chan struct{}, 1),
	}
	s, err := b.join(c, config)
	if err != nil {
		return nil, err
	}
	added := make(chan struct{})
	s.post(func() {
		s.add(c, lasts)
		close(added)
	})
	<-added
	return c, nil
}

// list enters a sink into the list that metrics go by. It need not wait: the list
// may be on a node that is dead while the sink's own is not.
func (b *Broker) list(sink string) {
	key := b.keys.sinks()
	_ = b.working.submit(context.Background(), key, &op{cmds: []redis.Cmder{command("sadd", key, sink)}})
}

// join finds or starts the consumer's sink.
func (b *Broker) join(c *consumer, config hub.SinkConfig) (*sink, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, &hub.Error{Code: hub.CodeUnavailable, Detail: "the hub is shutting down", RetryAfter: retryAfter}
	}
	name := c.spec.Sink
	s := b.sinks[name]
	if s == nil {
		s = newSink(b, name, config)
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
