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
	mu      sync.RWMutex // protects the fields below
	streams map[string]*shelf
	listed  map[string]struct{} // streams that this hub has entered into the list of all
	epoch   uint64              // grows whenever something was forgotten
}

// shelf is how many events may still be added to a stream without looking.
type shelf struct{ room atomic.Int64 }

// cachedStreams bounds what is remembered.
const cachedStreams = 10_000

func newStreamCache() *streamCache {
	return &streamCache{streams: map[string]*shelf{}, listed: map[string]struct{}{}}
}

// take says whether one event may be added without looking.
func (c *streamCache) take(stream string) bool {
	c.mu.RLock()
	s := c.streams[stream]
	c.mu.RUnlock()
	return s != nil && s.room.Add(-1) >= 0
}

// now is to be asked before a script is sent whose answer is to be learned.
func (c *streamCache) now() (epoch uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch
}

// learn notes what a script has told that was sent at an epoch: whether events may be
// added without it at all, and how many until most events (0: no bound) are there. So
// many hubs may each do half of it, and trimSlack, before one of them looks again.
// What was forgotten since is not learned: the answer may be from before.
func (c *streamCache) learn(stream string, epoch uint64, plain bool, length, most int64, hubs int) {
	room := int64(math.MaxInt64 / 2)
	if most > 0 {
		room = max(0, most+trimSlack-length) / int64(2*max(hubs, 1))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.streams[stream]; {
	case c.epoch != epoch:
	case !plain || room == 0:
		delete(c.streams, stream)
	case s != nil:
		s.room.Store(room)
	default:
		if len(c.streams) >= cachedStreams {
			clear(c.streams)
		}
		s = &shelf{}
		s.room.Store(room)
		c.streams[stream] = s
	}
}

// list says whether a stream is still to be entered into the list of all, and takes
// it for done.
func (c *streamCache) list(stream string) bool {
	c.mu.RLock()
	_, known := c.listed[stream]
	c.mu.RUnlock()
	if known {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.listed) >= cachedStreams {
		clear(c.listed)
	}
	c.listed[stream] = struct{}{}
	return true
}

func (c *streamCache) unlist(stream string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.listed, stream)
}

// forget: the stream has changed, or is gone.
func (c *streamCache) forget(stream string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	delete(c.streams, stream)
	delete(c.listed, stream)
}

// forgetSettings: any stream may have changed.
func (c *streamCache) forgetSettings() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	clear(c.streams)
}

// forgetAll: any stream, and the list of them, may be gone.
func (c *streamCache) forgetAll() {
	c.forgetSettings()
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.listed)
}

// trimSlack is by how much a stream may exceed its max_events, by the events that
// all hubs together add without looking; see the slack in add.lua for when it is
// trimmed.
const trimSlack = 64
