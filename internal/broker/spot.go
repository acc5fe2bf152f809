package broker

import (
	"time"

	"eventhub/internal/hub"
)

// spot is where a reader is in one of its streams. It is owned by the reader's Take
// once it is attached.
type spot struct {
	stream string
	tail   *tail
	seen   *hub.Filter // what its reader may see of the stream; nil: everything

	after hub.ID    // everything wanted comes after it
	born  string    // the generation that after is of; "" where there was no stream
	stale bool      // there is no stream, so after is of a generation that is gone
	gaps  []hub.Gap // to be told first
	from  hub.Place // before these gaps
	fresh bool      // before the first event nothing is missing: it takes what there is

	// since is the tail's last read that may have begun before this reader knew of
	// born, and end: a later one knows better.
	since  uint64
	turns  int    // of the tail, up to which the first stream after none is not missed
	forks  int    // of the tail, which this reader knows of
	end    hub.ID // the last id of the stream when the reader came
	caught bool   // it has got there

	trimmed hub.ID // what had been removed then is not to be shown
	page    *page  // that it waits for
	inside  bool   // a page, of which it has not taken all
	in      hub.ID // the id that this page comes after

	// of the last Take
	taken  bool   // it had events
	before hub.ID // the place before them
}

// place is what the reader may resume from: where it has to be told of gaps yet, that
// is where it came from.
func (s *spot) place() hub.Place {
	if len(s.gaps) > 0 {
		return s.from
	}
	return hub.Place{Stream: s.stream, Born: s.born, After: s.after}
}

// take adds what there is to k. Gaps and a new generation come before all events of
// the stream.
func (s *spot) take(k *taking) {
	if len(s.gaps) > 0 {
		k.reading.Gaps = append(k.reading.Gaps, s.gaps...)
		s.gaps = nil
	}
	s.before = s.after
	for !k.full() {
		v := s.tail.view()
		if s.born != v.born && !s.agree(&v, k) {
			return
		}
		if s.forks != v.forks && !s.branch(&v, k) {
			return
		}
		switch {
		case s.after.Compare(v.hi) >= 0:
			if v.ended == 0 || s.after.Compare(s.end) < 0 && v.whole <= s.since {
				s.tail.ask()
			}
			return
		case s.sees(&v):
			s.page = nil
			s.consume(itemsAfter(v.items, s.after), v.hi, k)
		case v.gone: // with all that it has not read
			return
		default:
			p := s.history(&v, k)
			if p == nil {
				return
			}
			s.consume(itemsAfter(p.items, s.after), p.upto, k)
		}
	}
}

// sees says whether the window has all that comes next. What it has of before the
// reader came may be removed by now. It must have the reader's place, too: what was read
// elsewhere may be in a log that Redis has lost since, and a page tells.
func (s *spot) sees(v *view) bool {
	return s.after.Compare(v.lo) >= 0 && s.after.Compare(s.end) >= 0 && (s.after == v.lo || hasItem(v.items, s.after))
}

// agree goes over to the tail's generation of the stream, if that is the newer one.
// It is false when the reader has to wait.
func (s *spot) agree(v *view, k *taking) bool {
	switch {
	case v.ended <= s.since: // the reader's may be
		s.tail.ask()
		return false
	case v.gone || v.born == "": // nothing comes until there is another
		return false
	case s.taken:
		k.more = true
		return false
	case s.born != "" || s.stale || v.turns > s.turns:
		k.reading.Gaps = append(k.reading.Gaps, hub.Gap{Stream: s.stream, Reason: hub.GapReset})
		s.after, s.end, s.fresh = hub.ID{}, hub.ID{}, true
	}
	s.born, s.stale, s.page, s.inside, s.before = v.born, false, nil, false, s.after
	return true
}

// history is the page that has what comes after the reader's place, or nil when it
// has to wait.
func (s *spot) history(v *view, k *taking) *page {
	pages := s.tail.readers.pages
	for s.findPage(v, k.reader) {
		p := s.page
		p.decode(s.tail)
		switch {
		case p.verdict == pageStray:
			s.tail.stray.Store(true)
			fallthrough
		case p.verdict == pageAlien:
			pages.forget(p)
			s.page, s.since = nil, s.tail.started()
			s.tail.ask()
			return nil
		case p.verdict == pageForked:
			if !s.rewind(p.behind, k) {
				return nil
			}
			continue
		case !p.older(s.trimmed):
			return p
		}
		// The next page is one that was read after the reader came. If it has these
		// events all the same, the mark has gone back: they are there.
		pages.forget(p)
		s.page, s.trimmed = nil, hub.ID{}
	}
	return nil
}

// findPage looks for the reader's page, or asks for it. It is false when the reader
// has to wait.
func (s *spot) findPage(v *view, r *reader) bool {
	pages := s.tail.readers.pages
	if s.page != nil && s.page.state.Load() == pageFailed {
		s.page = nil
	}
	if s.page == nil {
		if time.Now().Before(v.pagesAt) {
			return false // the tail wakes the reader
		}
		if s.inside {
			s.page = pages.peek(s.stream, s.born, s.in)
		}
		if s.page == nil {
			s.in, s.inside = s.after, true
			s.page = pages.get(s.tail, s.born, s.after, v.hi, r)
		}
	}
	return s.page.state.Load() == pageThere
}

// consume takes items, which lead up to an id.
func (s *spot) consume(items []item, upto hub.ID, k *taking) {
	for i := range items {
		it := &items[i]
		switch {
		case k.full():
			return
		case it.gap != nil && s.taken, it.gap == nil && k.bytes > 0 && k.bytes+len(it.event.JSON) > takeBytes:
			k.more = true
			return
		case it.gap != nil:
			if !s.fresh || s.after != (hub.ID{}) {
				k.reading.Gaps = append(k.reading.Gaps, *it.gap)
			}
			s.after, s.before = it.event.ID, it.event.ID
			continue
		}
		k.scanned++
		if s.seen.Match(it.topic, "") && k.reader.filter.Match(it.topic, it.typ) {
			k.reading.Events = append(k.reading.Events, it.event)
			k.bytes += len(it.event.JSON)
			s.taken = true
		}
		s.after = it.event.ID
	}
	s.page, s.inside = nil, false
	if upto.Compare(s.after) > 0 {
		s.after = upto
	}
}

// isCaught says whether the reader has got to where the stream ended when it came;
// what had been there may be gone by now.
func (s *spot) isCaught() bool {
	if s.caught {
		return true
	}
	if len(s.gaps) > 0 {
		return false
	}
	if s.after.Compare(s.end) >= 0 {
		s.caught = true
	} else if v := s.tail.view(); v.whole > s.since {
		own := v.born == s.born
		left := own && s.after.Compare(v.hi) < 0 && (!v.gone || s.sees(&v))
		s.caught = (own || v.gone) && !left
	}
	return s.caught
}
