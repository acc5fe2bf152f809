package broker

import (
	"sync"
	"time"

	"eventhub/internal/hub"
)

// leftDoubts bounds the streams of sinks of which doubts are kept.
const leftDoubts = 1000

// doubts keeps what a sink knows of events whose ack or nack was lost (see unsettled), from
// when its last consumer here has left a stream until another comes, or until any hub may
// end their leases. It is safe for concurrent use.
type doubts struct {
	mu   sync.Mutex // protects the field below
	left map[doubtKey]*leftDoubt
}

type doubtKey struct{ sink, stream string }

type leftDoubt struct {
	ids   map[hub.ID]struct{}
	until time.Time
}

// keep adds events to what is kept.
func (d *doubts) keep(key doubtKey, ids map[hub.ID]struct{}, now, until time.Time) {
	if len(ids) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, one := range d.left {
		if now.After(one.until) {
			delete(d.left, key)
		}
	}
	one := d.left[key]
	if one == nil {
		if len(d.left) >= leftDoubts {
			return
		}
		one = &leftDoubt{ids: map[hub.ID]struct{}{}}
		if d.left == nil {
			d.left = map[doubtKey]*leftDoubt{}
		}
		d.left[key] = one
	}
	for id := range ids {
		if len(one.ids) < orphanEvents {
			one.ids[id] = struct{}{}
		}
	}
	one.until = until
}

// take returns what was kept, nil for nothing, and keeps it no more.
func (d *doubts) take(key doubtKey, now time.Time) map[hub.ID]struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.left[key]
	delete(d.left, key)
	if one == nil || now.After(one.until) {
		return nil
	}
	return one.ids
}
