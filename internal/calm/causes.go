package calm

import (
	"sync"
	"time"
)

const (
	// every is how often one cause is logged.
	every = time.Second
	// mostCauses bounds how many are known; beyond it everything is logged.
	mostCauses = 1000
)

// Causes is what was logged when. It is safe for concurrent use, and its zero value is
// ready.
type Causes[K comparable] struct {
	mu   sync.Mutex // protects the field below
	said map[K]*cause
}

type cause struct {
	last     time.Time
	unlogged int // since then
}

// Due says whether a cause is to be logged now, which it is at most once a second, and how
// often it was not since the last time.
func (c *Causes[K]) Due(key K) (unlogged int, ok bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.said[key]
	if one == nil {
		c.add(key, now)
		return 0, true
	}
	if now.Sub(one.last) < every {
		one.unlogged++
		return 0, false
	}
	unlogged = one.unlogged
	*one = cause{last: now}
	return unlogged, true
}

// add knows a cause from now on, if there is room or some can be made. Callers hold mu.
func (c *Causes[K]) add(key K, now time.Time) {
	if c.said == nil {
		c.said = map[K]*cause{}
	}
	if len(c.said) >= mostCauses {
		for key, one := range c.said {
			if now.Sub(one.last) >= every {
				delete(c.said, key)
			}
		}
	}
	if len(c.said) < mostCauses {
		c.said[key] = &cause{last: now}
	}
}
