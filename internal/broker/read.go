package broker

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/hub"
)

// readers is what a hub has for those who read streams without consuming them.
// Everything a reader does is "give me what comes after this id": by history
// (page.go) up to where its stream's tail begins, from the tail's window after
// that. So there is no seam between the two.
//
// Locks, in this order: a reader's, readers.mu, a tail's or pages.mu.
type readers struct {
	broker    *Broker
	following *lanes // for tails: neither acks nor history delay them
	paging    *lanes // for history
	pages     *pages
	looks     looks

	ctx  context.Context // ends when the hub closes
	stop context.CancelFunc

	mu     sync.Mutex // protects the fields below
	tails  map[string]*tail
	open   map[*reader]struct{}
	closed bool

	running sync.WaitGroup // tails and looks
}

var errClosing = &hub.Error{Code: hub.CodeUnavailable, Detail: "the hub is shutting down", RetryAfter: retryAfter}

func newReaders(b *Broker) *readers {
	rs := &readers{
		broker: b, following: newLanes(b.store.engine, false), paging: newLanes(b.store.engine, false),
		tails: map[string]*tail{}, open: map[*reader]struct{}{},
	}
	rs.ctx, rs.stop = context.WithCancel(context.Background())
	rs.pages = newPages(rs)
	rs.looks = looks{readers: rs, byStream: map[string]*looking{}}
	b.opts.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hub_stream_tails", Help: "Streams that this hub follows for its readers.",
	}, func() float64 {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		return float64(len(rs.tails))
	}))
	return rs
}

// close ends all readers; Take says why.
func (rs *readers) close() {
	rs.mu.Lock()
	rs.closed = true
	open := make([]*reader, 0, len(rs.open))
	for r := range rs.open {
		open = append(open, r)
	}
	rs.mu.Unlock()
	for _, r := range open {
		r.end(errClosing)
	}
	rs.stop()
	rs.running.Wait()
	rs.following.close()
	rs.paging.close()
	rs.pages.close()
}

// Read opens a reader. What is published after it has returned is among what it
// gives. ctx is for the opening alone; the caller closes the reader.
//
// Errors: CodeForbidden for a stream that is out of spec's scope, whether there is one or
// not; CodeInvalidRequest for a cursor of other streams, CodeStreamNotFound where streams
// must be made first, CodeUnavailable.
func (b *Broker) Read(ctx context.Context, spec hub.ReaderSpec) (hub.Reader, error) {
	seen, err := sights(spec.Scope, spec.Streams)
	if err != nil {
		return nil, err
	}
	filter, err := hub.NewFilter(spec.Topics, spec.Types)
	if err != nil {
		return nil, hub.Errorf(hub.CodeInvalidRequest, "%v", err)
	}
	r := &reader{readers: b.readers, filter: filter, scope: spec.Scope, ready: newSignal(spec.Wake)}
	spots, errs := make([]*spot, len(spec.Streams)), make([]error, len(spec.Streams))
	var finding sync.WaitGroup
	for i, stream := range spec.Streams {
		finding.Go(func() { spots[i], errs[i] = b.readers.find(ctx, stream, spec.From) })
	}
	finding.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if err := b.readers.enter(r); err != nil {
		return nil, err
	}
	for i, s := range spots {
		if seen != nil {
			s.seen = seen[i]
		}
		if _, err := r.add(s); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// find looks where a reader begins in a stream.
func (rs *readers) find(ctx context.Context, stream string, from hub.Position) (*spot, error) {
	position, wrong := from.In(stream)
	if wrong != nil {
		return nil, wrong
	}
	info, err := rs.looks.at(ctx, stream)
	if err != nil {
		return nil, err
	}
	if info.born == "" && !rs.broker.creatable(stream) {
		return nil, rs.broker.missing(stream)
	}
	return startAt(stream, position, info), nil
}

func (rs *readers) enter(r *reader) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closed {
		return errClosing
	}
	rs.open[r] = struct{}{}
	return nil
}

func (rs *readers) leave(r *reader) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.open, r)
}

// attach finds or starts the tail of a reader's stream.
func (rs *readers) attach(s *spot, r *reader) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closed {
		return errClosing
	}
	t := rs.tails[s.stream]
	if t == nil {
		ctx, stop := context.WithCancel(rs.ctx)
		t = newTail(rs, s.stream, s.born, s.end, stop)
		rs.tails[s.stream] = t
		rs.broker.watchTail(t)
		rs.running.Go(func() { t.run(ctx) })
	}
	t.refs++
	t.join(s, r)
	return nil
}

// detach ends the tail with its last reader.
func (rs *readers) detach(s *spot, r *reader) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	t := s.tail
	t.leave(r)
	if t.refs--; t.refs == 0 {
		delete(rs.tails, t.stream)
		rs.broker.unwatchTail(t)
		t.stop()
	}
}

// deleted: an event is not to be shown any more.
func (rs *readers) deleted(stream string, id hub.ID) {
	rs.pages.forgetStream(stream)
	rs.mu.Lock()
	t := rs.tails[stream]
	rs.mu.Unlock()
	if t != nil {
		t.forget(id)
	}
}

// pageRead has the tail of a stream, as it is by now, know what became of a page.
func (rs *readers) pageRead(stream string, err error) {
	rs.mu.Lock()
	t := rs.tails[stream]
	rs.mu.Unlock()
	if t != nil {
		t.pageRead(err)
	}
}
