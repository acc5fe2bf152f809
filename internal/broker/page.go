package broker

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"eventhub/internal/hub"
)

// page is a piece of a stream's history, which all readers share that are in the
// same place. One of them decodes it: the lane that reads it has others to serve.
type page struct {
	key pageKey
	end hub.ID // of the tail's window when it was asked for

	state atomic.Uint32
	found extent // there once state says so; until decode

	// protected by pages.mu
	waiting map[*reader]struct{}
	bytes   int           // roughly, while nobody has decoded it
	kept    *list.Element // nil: not in the cache
	expires time.Time

	// set by decode, once
	once    sync.Once
	items   []item
	upto    hub.ID // everything up to here is in it, or is no more
	behind  hub.ID // of pageForked: the last entry before what it was to come after
	verdict verdict
	trimmed hub.ID // what retention had removed by then
}

type pageKey struct {
	stream, born string
	after        hub.ID
}

// The states of a page.
const (
	pageAsked  uint32 = iota // it is being read
	pageThere                // it can be decoded
	pageFailed               // it could not be read
)

// verdict is what became of a page.
type verdict uint8

const (
	pageGood   verdict = iota
	pageAlien          // it is of another generation than was asked for, or the stream is gone
	pageStray          // it has events, but no generation
	pageForked         // the log has not got what it was to come after, but another one had
)

// Bounds of a page.
const (
	pageEvents = 500
	pageBytes  = 64 << 10
)

// decode makes events of the entries. The first caller does it, the others wait.
func (p *page) decode(t *tail) {
	p.once.Do(func() {
		switch found := &p.found; {
		case found.born == p.key.born && found.forked:
			p.verdict, p.behind = pageForked, found.behind
		case found.born == p.key.born:
			p.fill(t, found)
		case found.stray():
			p.verdict = pageStray
		default:
			p.verdict = pageAlien
		}
		p.found = extent{}
		t.readers.pages.weigh(p)
	})
}

// older says whether the page has events that retention has removed since, up to
// trimmed.
func (p *page) older(trimmed hub.ID) bool {
	return p.verdict == pageGood && p.trimmed.Compare(trimmed) < 0 && len(p.items) > 0 && p.items[0].event.ID.Compare(trimmed) <= 0
}

func (p *page) fill(t *tail, found *extent) {
	after := p.key.after
	to, missing := found.missing(after)
	items, size := itemsOf(p.key.stream, found.entries, after)
	t.weigh(len(items), size)
	p.upto = found.last
	if missing {
		items = append([]item{gapItem(p.key.stream, to)}, items...)
		if to.Compare(p.upto) > 0 {
			p.upto = to
		}
	}
	// What was there when the end of the window was read, and is not now, is gone.
	if !found.more && p.end.Compare(p.upto) > 0 {
		p.upto = p.end
	}
	p.items, p.trimmed = items, found.trimmed
}
