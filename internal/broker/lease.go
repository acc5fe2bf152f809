package broker

import (
	"time"

	"eventhub/internal/hub"
)

// lease is one event in one consumer's hands. Redis holds the truth (the
// group's pending list); this is what credit and fencing go by.
type lease struct {
	attempt int
	since   time.Time // it was handed over, or extended
	size    int       // about, in bytes
	marked  bool      // Redis remembers more of it than that it is pending
}

// attachment is one consumer on one stream. The sink's run owns it.
type attachment struct {
	consumer *consumer
	stream   *sinkStream
	leases   map[hub.ID]lease
	muted    bool   // the consumer wants no more of the stream
	met      uint64 // the stream's looks when it came

	read, reclaimed bool // of a pull: since it came, a look has found nothing more
}

// end takes an event out of the consumer's hands; false when it wasn't there.
func (a *attachment) end(id hub.ID) (lease, bool) {
	l, ok := a.leases[id]
	if ok {
		delete(a.leases, id)
		a.consumer.held.Add(-1)
		a.consumer.bytes -= l.size
		a.consumer.tight = false
		a.stream.leased--
	}
	return l, ok
}

// grant records that the consumer holds an event from now on.
func (a *attachment) grant(id hub.ID, l lease) {
	a.end(id) // it counts once, whatever happened in Redis
	a.leases[id] = l
	a.consumer.held.Add(1)
	a.consumer.bytes += l.size
	a.stream.leased++
	a.stream.deadlines.push(deadline{a, id, l.attempt, l.since})
}

// restart lets a lease begin anew.
func (a *attachment) restart(id hub.ID, since time.Time, marked bool) {
	l, ok := a.leases[id]
	if !ok {
		return
	}
	l.since, l.marked = since, l.marked || marked
	a.leases[id] = l
	a.stream.deadlines.push(deadline{a, id, l.attempt, since})
}

// deadlines lists leases by when they began, and so by when they end: all of a
// stream are equally long. What ended otherwise stays in it until it comes to the
// front or the list is mostly that.
type deadlines struct {
	list []deadline
	head int // of list
}

type deadline struct {
	holder  *attachment
	id      hub.ID
	attempt int
	since   time.Time
}

func (d deadline) live() bool {
	l, ok := d.holder.leases[d.id]
	return ok && l.attempt == d.attempt && l.since.Equal(d.since) // not a later one
}

func (ds *deadlines) push(d deadline) { ds.list = append(ds.list, d) }

// next is the first of a lease that has not ended.
func (ds *deadlines) next() (deadline, bool) {
	for ; ds.head < len(ds.list); ds.head++ {
		if d := ds.list[ds.head]; d.live() {
			return d, true
		}
	}
	ds.list, ds.head = ds.list[:0], 0
	return deadline{}, false
}

// compact drops ended leases once they are most of the list, so that one event
// held for long does not keep a trace of all that passed meanwhile. live is the
// number of leases.
func (ds *deadlines) compact(live int) {
	if len(ds.list)-ds.head < 2*live+1024 && ds.head < 4096 {
		return
	}
	kept := ds.list[:0]
	for _, d := range ds.list[ds.head:] {
		if d.live() {
			kept = append(kept, d)
		}
	}
	clear(ds.list[len(kept):])
	ds.list, ds.head = kept, 0
}
