package broker

import (
	"slices"
	"sync"

	"eventhub/internal/hub"
)

// watched is a stream that somebody on this hub reads.
type watched struct {
	mu    sync.Mutex // protects the fields below
	last  hub.ID     // highest id known to be in the log
	sinks map[*sinkStream]*sink
}

// ring tells the readers of a stream that it may have something new.
func (w *watched) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for st, s := range w.sinks {
		if !st.rung.Swap(true) {
			s.poke()
		}
	}
}

func (w *watched) seen(id hub.ID) {
	w.mu.Lock()
	if id.Compare(w.last) > 0 {
		w.last = id
	}
	w.mu.Unlock()
}

// ring never blocks.
func (b *Broker) ring(stream string) {
	if w := b.watched(stream); w != nil {
		w.ring()
	}
}

// seen notes how far a stream's log is known, for the poll.
func (b *Broker) seen(stream string, id hub.ID) {
	if w := b.watched(stream); w != nil {
		w.seen(id)
	}
}

func (b *Broker) watched(stream string) *watched {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.watchers[stream]
}

// watch has st rung from now on; last is the last id of the log.
func (b *Broker) watch(st *sinkStream, s *sink, last hub.ID) {
	b.mu.Lock()
	w := b.watchers[st.name]
	if w == nil {
		w = &watched{last: last, sinks: map[*sinkStream]*sink{}}
		b.watchers[st.name] = w
	}
	w.mu.Lock()
	w.sinks[st] = s
	w.mu.Unlock()
	b.mu.Unlock()
}

func (b *Broker) unwatch(st *sinkStream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.watchers[st.name]; w != nil {
		w.mu.Lock()
		delete(w.sinks, st)
		unused := len(w.sinks) == 0
		w.mu.Unlock()
		if unused {
			delete(b.watchers, st.name)
		}
	}
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
		if c.spec.Sink == sink && slices.Contains(c.spec.Streams, stream) {
			return true
		}
	}
	return false
}

// due has a sink look for events that can be claimed.
func (b *Broker) due(name string, streams []string) {
	s := b.sink(name)
	if s == nil {
		return
	}
	s.post(func() {
		for _, stream := range streams {
			if st := s.streams[stream]; st != nil {
				st.lookAt(st.notBefore) // now, or when it may be tried again
			}
		}
	})
}

// forget ends the leases of events that others have acknowledged.
func (b *Broker) forget(name, stream string, ids []string) {
	s := b.sink(name)
	if s == nil {
		return
	}
	s.post(func() {
		st := s.streams[stream]
		if st == nil {
			return
		}
		st.moved = true
		for _, text := range ids {
			id, err := hub.ParseID(text)
			if err != nil {
				continue
			}
			for _, a := range st.attachments {
				if _, ok := a.end(id); ok {
					break
				}
			}
		}
	})
}
