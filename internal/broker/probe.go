package broker

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The live path is probed through Redis all the time: go-redis does not notice a
// half-open subscription (160 s deaf, measured).
const (
	probeInterval = time.Second
	pingInterval  = time.Second // on the pub/sub connection itself
	lookInterval  = 250 * time.Millisecond
)

// probes are messages that a hub sends to itself, the way that broadcasts take. The
// connection is to blame for one that Redis has taken and that does not come back,
// though a ping that was sent over it later is answered. For one that cannot be sent it
// is not, nor for one that waits behind more messages than this hub can take.
type probes struct {
	mu      sync.Mutex // protects the fields below
	sent    uint64     // how many
	heard   uint64     // the last that came back
	heardAt time.Time  // when; zero before the first
	owed    uint64     // one that Redis has taken and that was not heard by then; 0: none
	since   time.Time  // when Redis had taken it
}

func (p *probes) next() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	return p.sent
}

// taken notes that Redis has a probe.
func (p *probes) taken(n uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > p.heard && p.owed == 0 {
		p.owed, p.since = n, now
	}
}

// hear notes that a probe has come back.
func (p *probes) hear(n uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard, p.heardAt = n, now
	if n >= p.owed {
		p.owed = 0
	}
}

// lost says whether a probe that Redis has taken should have been back; pinged is
// when the last ping was sent that was answered.
func (p *probes) lost(pinged time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owed > 0 && pinged.Sub(p.since) > probeSilence-pingInterval
}

// excuse forgets those that are under way: their connection is gone.
func (p *probes) excuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed = 0
}

// age is the time since the last probe came back, negative before the first.
func (p *probes) age() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heardAt.IsZero() {
		return -1
	}
	return time.Since(p.heardAt)
}

// probe sends a probe every second, and has the pub/sub connection rebuilt when it
// is deaf.
func (b *Broker) probe(ctx context.Context) {
	probing := time.NewTicker(probeInterval)
	defer probing.Stop()
	looking := time.NewTicker(lookInterval)
	defer looking.Stop()
	b.sendProbe()
	for {
		select {
		case <-ctx.Done():
			return
		case <-probing.C:
			b.sendProbe()
		case <-looking.C:
			if b.live.silence() > probeSilence || b.probes.lost(b.live.pinged()) {
				b.probes.excuse()
				b.live.close()
			}
		}
	}
}

func (b *Broker) sendProbe() {
	n := b.probes.next()
	channel := b.keys.direct(b.name)
	cmd := command("publish", channel, noteProbe+" "+strconv.FormatUint(n, 10))
	_ = b.messages.submit(context.Background(), channel, &op{
		cmds: []redis.Cmder{cmd}, bytes: 128,
		done: func() {
			if cmd.Err() == nil {
				b.probes.taken(n, time.Now())
			}
		},
	})
}

// onProbe hears one.
func (b *Broker) onProbe(number string) {
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		b.probes.hear(n, time.Now())
	}
}

// working says whether the live path does.
func (p *probes) working() bool {
	age := p.age()
	return age >= 0 && age < probeSilence
}
