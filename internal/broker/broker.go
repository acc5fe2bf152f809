package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// hubPrefix begins the name of every hub, which is also its name as a consumer
// in Redis's groups; other consumers there are none of ours.
const hubPrefix = "hub-"

// The group's consumers that are no hubs.
const (
	pullName  = "pull"  // holds what workers have pulled: no hub's death ends their leases
	retryName = "retry" // holds what waits to be delivered again
)

// Options says how a Broker works. RedisURL is needed; the rest has defaults.
type Options struct {
	RedisURL      string // see parseRedisURL for the forms
	RedisPassword string // overrides the URL's
	RedisCA       []byte // PEM; "" means the system's
	Prefix        string // of every key; default "hub:"

	Stream   hub.StreamConfig            // of streams for which nobody says another; default hub.DefaultStreamConfig
	Declared map[string]hub.StreamConfig // streams that there are from the start
	// AllowEviction has Preflight accept a Redis that removes streams where its memory
	// runs out.
	AllowEviction bool

	NoAutoCreate bool // no other stream is made by a publish, a sink or a reader

	// Durability is that of publications that ask for none; default hub.Fast.
	Durability hub.Durability
	// How long a publish with an idempotency key is remembered; default 10 min.
	IdempotencyWindow time.Duration

	AckWait  time.Duration // of sinks that name none; default 30 s
	Queue    QueueLimits   // of a broadcast subscriber
	TopSinks int           // most sinks shown on /metrics; default 100, negative: none
	CountLag bool          // Redis's own lag figure is wrong (the embedded one's)

	Log      *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: a private one
}

// QueueLimits bounds what waits for a subscriber that is slow to take it.
type QueueLimits struct {
	Events int // default 1024
	Bytes  int // default 4 MiB
}

func (o *Options) setDefaults() {
	if o.Prefix == "" {
		o.Prefix = "hub:"
	}
	if o.Stream == (hub.StreamConfig{}) {
		o.Stream = hub.DefaultStreamConfig()
	}
	if o.Durability == "" {
		o.Durability = hub.Fast
	}
	if o.IdempotencyWindow == 0 {
		o.IdempotencyWindow = 10 * time.Minute
	}
	if o.AckWait == 0 {
		o.AckWait = 30 * time.Second
	}
	if o.Queue.Events == 0 {
		o.Queue.Events = 1024
	}
	if o.Queue.Bytes == 0 {
		o.Queue.Bytes = 4 << 20
	}
	if o.TopSinks == 0 {
		o.TopSinks = 100
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
}

// Broker is one hub's engine. It is safe for concurrent use.
type Broker struct {
	name    string // of this hub, unique in time and space
	opts    Options
	keys    keys
	store   *store
	log     *slog.Logger
	metrics *metrics

	publishing  *lanes // events into streams
	replicating *lanes // those of them that a replica must have
	working     *lanes // everything about sinks
	messages    *lanes // pub/sub messages, in order

	primaries *primaries

	bell    *bell
	live    *live
	probes  probes
	fan     *fan
	numbers *numbers
	alive   *alive
	cache   *streamCache
	doubts  doubts

	retention *retention
	losses    *lossReports
	readers   *readers

	mu        sync.RWMutex // protects the fields below
	sinks     map[string]*sink
	watchers  map[string]*watched // by stream
	consumers map[*consumer]struct{}
	closed    bool

	declared       atomic.Bool   // the streams that there are from the start are there
	sequence       atomic.Uint64 // of broadcast messages
	consumerNumber atomic.Uint64
	changes        atomic.Uint64 // that settings had when they were last read; or unknownChanges

	stop    context.CancelFunc
	running sync.WaitGroup // the broker's own goroutines
	serving sync.WaitGroup // the sinks'
}

// New starts a broker. It does not wait for Redis: while that cannot be reached,
// calls fail with CodeUnavailable and Ready says so.
func New(opts Options) (*Broker, error) {
	opts.setDefaults()
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("naming the hub: %w", err)
	}
	b := &Broker{
		name: hubPrefix + id.String(), opts: opts, keys: keys{opts.Prefix}, log: newCalmLog(opts.Log),
		sinks: map[string]*sink{}, watchers: map[string]*watched{}, consumers: map[*consumer]struct{}{}, alive: newAlive(),
		cache: newStreamCache(), numbers: newNumbers(), retention: newRetention(), losses: newLossReports(),
	}
	if b.store, err = openStore(opts, b.name); err != nil {
		return nil, err
	}
	b.publishing = newLanes(b.store.publish, false)
	b.publishing.behind = b.standbys
	b.publishing.width = publishWidth
	b.replicating = newLanes(b.store.publish, true) // WAIT has no key to go by
	b.replicating.width = publishWidth
	b.primaries = newPrimaries(b.log, b.store.config.replication)
	b.replicating.confirm = func(shard string) *confirmation {
		return &confirmation{b.keys, b.primaries, b.primaries.of(shard), b.store.others}
	}
	b.working = newLanes(b.store.engine, false)
	b.messages = newLanes(b.store.publish, true)
	b.metrics = newMetrics(opts.Registry, b)
	b.readers = newReaders(b)
	b.bell = newBell(b.name, b.ringOut)
	b.live = newLive(b.store.live, b.log, b.hear)
	b.fan = newFan(opts.Queue, b.keys.live(""), b.live, b.metrics, b.log)
	b.live.urgent = []string{b.keys.bell(), b.keys.direct(b.name)}
	b.live.subscribe(b.keys.bell(), b.listening)
	b.live.subscribe(b.keys.direct(b.name), func(bool) {})

	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.running.Go(func() { b.bell.run(ctx) })
	b.running.Go(func() { b.live.run(ctx) })
	b.running.Go(func() { b.live.write(ctx) })
	b.running.Go(func() { b.beat(ctx) })
	b.running.Go(func() { b.probe(ctx) })
	b.running.Go(func() { b.mark(ctx) })
	b.running.Go(func() { b.occupy(ctx) })
	b.running.Go(func() { b.poll(ctx) })
	b.running.Go(func() { b.watchPrimaries(ctx) })
	b.running.Go(func() { b.knock(ctx) })
	b.running.Go(func() { b.keep(ctx) })
	b.running.Go(func() { b.retain(ctx) })
	b.running.Go(func() { b.declare(ctx) })
	return b, nil
}

// Name is this hub's, as it shows among a sink's consumers.
func (b *Broker) Name() string { return b.name }

// Close ends the broker. Its consumers and subscriptions should have been closed
// before; what they still hold comes back to others after ack_wait. What was
// accepted for publishing goes out first, unless ctx ends.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if again {
		return nil
	}
	b.readers.close()
	served := make(chan struct{})
	go func() { // waited for below
		b.serving.Wait()
		close(served)
	}()
	var err error
	select {
	case <-served:
	case <-ctx.Done():
		err = fmt.Errorf("closing the broker: sinks are still in use: %w", ctx.Err())
		b.abandon()
	}
	b.publishing.close()
	b.replicating.close()
	b.stop()
	b.live.close()
	b.running.Wait()
	b.resign(ctx)     // after the last heartbeat
	b.working.close() // answers what the sinks still wait for
	<-served
	b.messages.close()
	return errors.Join(err, b.store.close())
}

// abandon has the sinks end although they have consumers.
func (b *Broker) abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sinks {
		s.refs = 0
		s.post(func() { s.consumers = nil })
	}
}

// hear takes what the pub/sub connection has received. It does not block.
func (b *Broker) hear(channel, payload string) {
	switch {
	case strings.HasPrefix(channel, b.keys.live("")):
		b.fan.deliver(channel, payload)
	case channel == b.keys.bell():
		b.onBell(payload)
	default:
		b.onNote(payload)
	}
}

// listening: the bell is heard from now on. again: it was not for a while, so bells
// may have been lost, and what this hub has sent meanwhile elsewhere, too.
func (b *Broker) listening(again bool) {
	b.tell(bellHere)
	if !again {
		return
	}
	b.numbers.allAgain()
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, w := range b.watchers {
		w.ring()
	}
	for _, s := range b.sinks {
		s.post(s.suspect)
	}
}

// onNote hears what was sent to this hub alone.
func (b *Broker) onNote(note string) {
	words := strings.Fields(note)
	switch {
	case len(words) == 2 && words[0] == noteProbe:
		b.onProbe(words[1])
	case len(words) > 3 && words[0] == noteEnded:
		b.ended(words[1], words[2], words[3:])
	case len(words) > 3 && words[0] == noteExtended:
		b.extended(words[1], words[2], words[3:])
	}
}

// Notes on a hub's own channel.
const (
	noteProbe    = "probe"    // a number
	noteEnded    = "ended"    // sink, stream, ids: others have settled them
	noteExtended = "extended" // sink, stream, ids: their ack_wait began anew
)

// send publishes a message and waits until Redis has it.
func (b *Broker) send(ctx context.Context, channel, message string) {
	_ = b.messages.do(ctx, channel, &op{cmds: []redis.Cmder{command("publish", channel, message)}, bytes: len(message)})
}
