package broker

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"eventhub/internal/hub"
)

const (
	beatInterval = time.Second
	hubTimeout   = 5 * time.Second  // without a heartbeat a hub is dead
	consumersTTL = 15 * time.Second // of what a hub tells of its consumers
	consumersAge = 4                // beats between two tellings
)

// alive is what this hub knows of the others. A hub is dead when it is not on
// the list, which forgets it after hubTimeout, and this hub's own heartbeats have
// succeeded for as long: after an outage of Redis every heartbeat is old, the
// first hub to come back finds only itself on the list, and nobody is dead.
type alive struct {
	mu       sync.Mutex // protects the fields below
	seen     map[string]struct{}
	since    time.Time // first of an unbroken row of heartbeats
	lastBeat time.Time
	heard    time.Time // last bell of another hub
}

func newAlive() *alive { return &alive{seen: map[string]struct{}{}} }

// beat notes the hubs that a heartbeat has found; gone says whether one that was
// there is dead now.
func (a *alive) beat(now time.Time, names []string) (gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	certain := a.certain(now)
	if now.Sub(a.lastBeat) > 2*beatInterval {
		a.since = now
	}
	a.lastBeat = now
	seen := make(map[string]struct{}, len(names))
	for _, name := range names {
		seen[name] = struct{}{}
	}
	for name := range a.seen {
		if _, ok := seen[name]; !ok {
			gone = true
		}
	}
	a.seen = seen
	return gone || !certain && a.certain(now)
}

// certain says whether hubs that are not in seen are dead.
func (a *alive) certain(now time.Time) bool {
	return now.Sub(a.lastBeat) <= 2*beatInterval && a.lastBeat.Sub(a.since) >= hubTimeout
}

// hear notes a bell of another hub, which may have started since the last heartbeat;
// first: none was heard for a while.
func (a *alive) hear(now time.Time) (first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first = now.Sub(a.heard) > hubTimeout
	a.heard = now
	return first
}

// alone says whether this hub has reason to believe that there is no other: not in its
// first seconds, when others may start with it. It may be wrong for as long as it takes
// until another's first bell is heard.
func (a *alive) alone(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.seen) == 1 && a.certain(now) && now.Sub(a.heard) > hubTimeout
}

// args is what the reclaim script wants to know: whether the list is certain,
// and the hubs that live.
func (a *alive) args() []any {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.certain(time.Now()) {
		return []any{"0"}
	}
	args := []any{"1"}
	for name := range a.seen {
		args = append(args, name)
	}
	return args
}

func (a *alive) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.seen)
}

func (a *alive) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := make([]string, 0, len(a.seen))
	for name := range a.seen {
		names = append(names, name)
	}
	return names
}

// beat tells the others that this hub is alive, and of its consumers.
func (b *Broker) beat(ctx context.Context) {
	ticker := time.NewTicker(beatInterval)
	defer ticker.Stop()
	told := false // of consumers, so that there is something to take back
	for i := 0; ; i++ {
		b.heartbeat(ctx)
		b.reloadChanged(ctx)
		if i%consumersAge == 0 {
			told = b.tellConsumers(ctx, told)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (b *Broker) heartbeat(ctx context.Context) {
	key := b.keys.hubs()
	cmd := heartbeatScript.call([]string{key}, b.name, hubTimeout.Milliseconds())
	// Not by the lane: however much waits there, this hub is alive.
	err := b.store.engine.Process(ctx, cmd)
	if hasPrefix(err, "NOSCRIPT") && withSource(cmd) {
		err = b.store.engine.Process(ctx, cmd)
	}
	if err != nil {
		return // Ready and the metrics tell
	}
	names, err := cmd.StringSlice()
	if err != nil || len(names) == 0 {
		return
	}
	if names[0] == "" { // it was not on the list any more: perhaps all keys are gone
		b.cache.forgetAll()
		b.restore()
	}
	if !b.alive.beat(time.Now(), names[1:]) {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, s := range b.sinks {
		s.post(func() {
			now := time.Now()
			for _, st := range s.streams {
				st.lookAt(now)
			}
		})
	}
}

// restore has every sink here make sure that what it needs in Redis is there.
func (b *Broker) restore() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, s := range b.sinks {
		s.post(func() {
			for _, st := range s.streams {
				s.repair(st)
			}
		})
	}
}

// resign takes this hub off the list, so that nobody waits for its death.
func (b *Broker) resign(ctx context.Context) {
	_ = b.work(ctx, b.keys.hubs(), command("zrem", b.keys.hubs(), b.name))
	for _, key := range append(b.keys.occupancy(b.name), b.keys.consumers(b.name)) {
		_ = b.work(ctx, key, command("del", key))
	}
}

// tellConsumers writes down who is connected here, for other hubs to show.
func (b *Broker) tellConsumers(ctx context.Context, told bool) bool {
	list := b.ownConsumers("")
	if len(list) == 0 && !told {
		return false
	}
	text, err := json.Marshal(list)
	if err != nil {
		return told
	}
	key := b.keys.consumers(b.name)
	_ = b.work(ctx, key, command("set", key, text, "px", consumersTTL.Milliseconds()))
	return len(list) > 0
}

// ownConsumers lists the consumers on this hub, of one sink or of all ("").
func (b *Broker) ownConsumers(name string) []hub.ConsumerStatus {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := []hub.ConsumerStatus{}
	for c := range b.consumers {
		if name != "" && c.spec.Sink != name {
			continue
		}
		transport := "websocket"
		if c.pull {
			transport = "http"
		}
		list = append(list, hub.ConsumerStatus{
			Sink: c.spec.Sink, Consumer: c.spec.Label, Hub: b.name, Transport: transport,
			InFlight: c.Held(), ConnectedSince: c.since.UTC().Truncate(time.Millisecond),
		})
	}
	return list
}
