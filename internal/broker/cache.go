package broker

import (
	"math"
	"sync"
	"sync/atomic"
)

// streamCache is what this hub remembers of streams, so that it may add single events
// without a script. What it remembers is dropped when somebody changes the stream;
// until then an event may go into a stream by settings that are some ms old.
type streamCache struct {
	mu      sync.RWMutex // protects the field below
	streams map[string]*shelf
}

// shelf is how many events may still be added to a stream without looking.
type shelf struct{ room atomic.Int64 }

// cachedStreams bounds what is remembered.
const cachedStreams = 10_000

func newStreamCache() *streamCache { return &streamCache{streams: map[string]*shelf{}} }

// take says whether one event may be added without looking.
func (c *streamCache) take(stream string) bool {
	c.mu.RLock()
	s := c.streams[stream]
	c.mu.RUnlock()
	return s != nil && s.room.Add(-1) >= 0
}

// learn notes what a script has told: whether events may be added without it at
// all, and how many until max events (0: no bound) are there. So many hubs may each
// do half of it, and trimSlack, before one of them looks again.
func (c *streamCache) learn(stream string, plain bool, length, most int64, hubs int) {
	room := int64(math.MaxInt64 / 2)
	if most > 0 {
		room = max(0, most+trimSlack-length) / int64(2*max(hubs, 1))
	}
	if !plain || room == 0 {
		c.forget(stream)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[stream]
	if s == nil {
		if len(c.streams) >= cachedStreams {
			clear(c.streams)
		}
		s = &shelf{}
		c.streams[stream] = s
	}
	s.room.Store(room)
}

func (c *streamCache) forget(stream string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, stream)
}

func (c *streamCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.streams)
}

// trimSlack is by how much a stream may exceed its max_events, by the events that
// all hubs together add without looking; see the slack in add.lua for when it is
// trimmed.
const trimSlack = 64
