package broker

import (
	"cmp"
	"slices"
	"sync"

	"eventhub/internal/hub"
)

// watched is a stream that somebody on this hub reads.
type watched struct {
	mu    sync.Mutex // protects the fields below
	sinks map[*sinkStream]*watcher
	tail  *tail  // of the readers; nil: there are none
	known hub.ID // highest id that the tail has read, or was told of by the poll
}

// watcher is one sink's look at a stream.
type watcher struct {
	sink *sink
	last hub.ID // highest id that it has read, or was told of by the poll
	// The ids of the last read that went out behind a publish: who has added one of
	// them need not ring.
	from, to hub.ID
}

func (w *watcher) ring(st *sinkStream) {
	if !st.rung.Swap(true) {
		w.sink.poke()
	}
}

// ring tells the readers of a stream that it may have something new.
func (w *watched) ring() { w.added(hub.ID{}) }

// added is ring for events up to an id, of which some sinks may have read all.
func (w *watched) added(last hub.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for st, watcher := range w.sinks {
		if last == (hub.ID{}) || last.Compare(watcher.from) < 0 || last.Compare(watcher.to) > 0 {
			watcher.ring(st)
		}
	}
	if w.tail != nil {
		w.tail.ring()
	}
}

// last is how far the reader that knows least knows the log: what another has
// read without a bell, this one has still to be told of. ok is false when all
// know that there is more.
func (w *watched) last() (last hub.ID, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, ok = w.known, w.tail != nil
	for st, watcher := range w.sinks {
		if !st.behind.Load() && (!ok || watcher.last.Compare(last) < 0) {
			last, ok = watcher.last, true
		}
	}
	return last, ok
}

// found tells those who do not know it of an entry that the poll has found.
func (w *watched) found(id hub.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for st, watcher := range w.sinks {
		if id.Compare(watcher.last) > 0 {
			watcher.last = id
			watcher.ring(st)
		}
	}
	if w.tail != nil && id.Compare(w.known) > 0 {
		w.known = id
		w.tail.ring()
	}
}

func (w *watched) seen(st *sinkStream, id hub.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if watcher := w.sinks[st]; watcher != nil && id.Compare(watcher.last) > 0 {
		watcher.last = id
	}
}

// ring never blocks.
func (b *Broker) ring(stream string) {
	if w := b.watched(stream); w != nil {
		w.ring()
	}
}

// seen notes how far a sink has read a stream, for the poll.
func (b *Broker) seen(st *sinkStream, id hub.ID) {
	if w := b.watched(st.name); w != nil {
		w.seen(st, id)
	}
}

// tailSeen notes how far a tail has read its stream, which may be less than before
// where the stream was made again.
func (b *Broker) tailSeen(t *tail, id hub.ID) {
	if w := b.watched(t.stream); w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.tail == t {
			w.known = id
		}
	}
}

func (b *Broker) watched(stream string) *watched {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.watchers[stream]
}

// watch has st rung from now on; last is the last id of the log.
func (b *Broker) watch(st *sinkStream, s *sink, last hub.ID) {
	b.changeWatched(st.name, func(w *watched) { w.sinks[st] = &watcher{sink: s, last: last} })
}

func (b *Broker) unwatch(st *sinkStream) {
	b.changeWatched(st.name, func(w *watched) { delete(w.sinks, st) })
}

// watchTail has t rung from now on, in place of an earlier one of the stream.
func (b *Broker) watchTail(t *tail) {
	b.changeWatched(t.stream, func(w *watched) { w.tail, w.known = t, t.window.hi })
}

func (b *Broker) unwatchTail(t *tail) {
	b.changeWatched(t.stream, func(w *watched) {
		if w.tail == t {
			w.tail = nil
		}
	})
}

// changeWatched changes who is rung for a stream, with the locks held.
func (b *Broker) changeWatched(stream string, change func(*watched)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.watchers[stream]
	if w == nil {
		w = &watched{sinks: map[*sinkStream]*watcher{}}
		b.watchers[stream] = w
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
	if len(w.sinks) == 0 && w.tail == nil {
		delete(b.watchers, stream)
	}
}

// place is a sink in one of its streams.
type place struct {
	sink   *sink
	stream string
}

// watching lists all of them, always in the same order.
func (b *Broker) watching() []place {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var list []place
	for name, w := range b.watchers {
		w.mu.Lock()
		for _, watcher := range w.sinks {
			list = append(list, place{watcher.sink, name})
		}
		w.mu.Unlock()
	}
	slices.SortFunc(list, func(x, y place) int {
		return cmp.Or(cmp.Compare(x.stream, y.stream), cmp.Compare(x.sink.name, y.sink.name))
	})
	return list
}

// sink finds a sink that is in use here.
func (b *Broker) sink(name string) *sink {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sinks[name]
}

// serves says whether a consumer here reads the stream for the sink already.
func (b *Broker) serves(sink, stream string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for c := range b.consumers {
		if c.spec.Sink == sink && !c.stopped.Load() && slices.Contains(c.Streams(), stream) {
			return true
		}
	}
	return false
}

// due has a sink look for events that can be claimed.
func (b *Broker) due(name string, streams []string) {
	for _, stream := range streams {
		b.at(name, stream, func(_ *sink, st *sinkStream) {
			st.lookAt(st.notBefore) // now, or when it may be tried again
		})
	}
}
