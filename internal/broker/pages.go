package broker

import (
	"container/list"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// pages reads history. There is at most one read of the same place under way, and
// what was read is kept for a short time: readers that replay a stream together
// cost Redis little more than one does.
type pages struct {
	readers *readers

	mu    sync.Mutex // protects the fields below, and those of pages that it says
	byKey map[pageKey]*page
	kept  list.List // of pages, the latest used first
	bytes int       // of those
	timer *time.Timer
}

// Bounds of what is kept.
const (
	keptBytes = 8 << 20
	keptTime  = 2 * time.Second
)

func newPages(rs *readers) *pages {
	ps := &pages{readers: rs, byKey: map[pageKey]*page{}}
	ps.timer = time.AfterFunc(keptTime, ps.sweep)
	ps.timer.Stop()
	return ps
}

func (ps *pages) close() { ps.timer.Stop() }

// get is the page of a stream's generation after an id. One that was not there is
// being read, and r is woken once it is: see its state. end is that of the tail's
// window.
func (ps *pages) get(t *tail, born string, after, end hub.ID, r *reader) *page {
	key := pageKey{t.stream, born, after}
	ps.mu.Lock()
	if p := ps.find(key, r); p != nil {
		ps.mu.Unlock()
		return p
	}
	p := ps.ask(&page{key: key, end: end}, r)
	ps.mu.Unlock()
	ps.send(p, t)
	return p
}

// peek is as get, but only where the page is kept.
func (ps *pages) peek(stream, born string, after hub.ID) *page {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.byKey[pageKey{stream, born, after}]; p != nil && p.kept != nil {
		return ps.find(p.key, nil)
	}
	return nil
}

// forget drops a page that is of no use.
func (ps *pages) forget(p *page) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.drop(p)
}

// forgetStream drops all pages of a stream, also those that are under way: who waits
// for one may go on with it, and nobody else.
func (ps *pages) forgetStream(stream string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for key, p := range ps.byKey {
		if key.stream == stream {
			ps.drop(p)
		}
	}
}

// find is called with mu held.
func (ps *pages) find(key pageKey, r *reader) *page {
	p := ps.byKey[key]
	switch {
	case p == nil:
		return nil
	case p.kept == nil:
		p.waiting[r] = struct{}{}
	case !time.Now().Before(p.expires):
		ps.drop(p)
		return nil
	default:
		ps.kept.MoveToFront(p.kept)
	}
	return p
}

// ask is called with mu held, and send after it without.
func (ps *pages) ask(p *page, r *reader) *page {
	p.waiting = map[*reader]struct{}{r: {}}
	ps.byKey[p.key] = p
	return p
}

func (ps *pages) send(p *page, t *tail) {
	room, reply := t.pageRoom()
	s := ps.readers.stretch(p.key.stream, p.key.after, pageEvents, room, true)
	o := s.op(reply)
	o.done = func() {
		found, err := s.extent()
		ps.arrived(p, found, err)
	}
	if err := ps.readers.paging.submit(ps.readers.ctx, ps.readers.broker.keys.log(p.key.stream), o); err != nil {
		ps.arrived(p, extent{}, err)
	}
}

// arrived hears that a page is there, or cannot be had; then the tail wakes the
// readers after a while.
func (ps *pages) arrived(p *page, found extent, err error) {
	ps.readers.pageRead(p.key.stream, err)
	ps.mu.Lock()
	waiting := p.waiting
	p.waiting = nil
	if err != nil {
		p.state.Store(pageFailed)
	} else {
		p.found = found
		p.state.Store(pageThere)
	}
	if len(found.entries) == 0 || err != nil {
		ps.drop(p)
	} else if ps.byKey[p.key] == p {
		p.bytes, p.expires = found.bytes+itemBytes*len(found.entries), time.Now().Add(keptTime)
		p.kept = ps.kept.PushFront(p)
		ps.bytes += p.bytes
		ps.evict()
		if ps.kept.Len() == 1 {
			ps.timer.Reset(keptTime)
		}
	}
	ps.mu.Unlock()
	if err != nil {
		return
	}
	for r := range waiting {
		r.ready.give()
	}
}

// weigh corrects what a page is taken to have, once it is decoded.
func (ps *pages) weigh(p *page) {
	bytes := 0
	for i := range p.items {
		bytes += p.items[i].size()
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.kept != nil {
		ps.bytes += bytes - p.bytes
		p.bytes = bytes
		ps.evict()
	}
}

// evict is called with mu held.
func (ps *pages) evict() {
	for ps.bytes > keptBytes {
		oldest, _ := ps.kept.Back().Value.(*page)
		ps.drop(oldest)
	}
}

// drop is called with mu held. Who holds the page may go on with it.
func (ps *pages) drop(p *page) {
	if ps.byKey[p.key] == p {
		delete(ps.byKey, p.key)
	}
	if p.kept != nil {
		ps.kept.Remove(p.kept)
		ps.bytes -= p.bytes
		p.kept = nil
	}
}

// sweep drops what is too old while nobody reads.
func (ps *pages) sweep() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	now := time.Now()
	for e := ps.kept.Back(); e != nil; {
		p, _ := e.Value.(*page)
		e = e.Prev()
		if !now.Before(p.expires) {
			ps.drop(p)
		}
	}
	if ps.kept.Len() > 0 {
		ps.timer.Reset(keptTime)
	}
}
