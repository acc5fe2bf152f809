package http

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// The feeds there are, as metrics name them.
const (
	feedReader    = "reader"
	feedBroadcast = "broadcast"
)

const (
	// heartbeat keeps proxies from ending a silent stream, and finds clients that
	// are gone.
	heartbeat = 15 * time.Second
	// gathered is about how much goes into one write, beyond one take of the feed.
	gathered = 64 << 10
)

// Bounds of the buffers that are kept for later writes, in bytes: a larger one is
// rare. A subscriber that is slow must not sit on what readers need.
const (
	keptOfReader    = 2 << 20
	keptOfBroadcast = 4 * gathered
)

// streamType is the content type of an event stream.
const streamType = "text/event-stream"

// comment is what browsers pass over.
const comment = ": \n\n"

// feeds serves text/event-stream. The handler's goroutine alone takes and writes:
// a client that does not read is not taken for, and ends after the write limit.
type feeds struct {
	*handler
	open     *prometheus.GaugeVec
	buffers  map[string]*buffers // by feed: a silent stream holds none
	messages *sync.Pool          // of broadcast
}

// buffers are what the streams of one feed share.
type buffers struct {
	pool sync.Pool // of *[]byte
	most int       // bytes
}

func newBuffers(most int) *buffers {
	return &buffers{pool: sync.Pool{New: func() any { return new([]byte) }}, most: most}
}

// newFeeds registers the metrics of event streams.
func newFeeds(h *handler) *feeds {
	s := &feeds{
		handler: h,
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hub_sse_connections", Help: "Event streams (SSE) that are open, by feed.",
		}, []string{"feed"}),
		buffers:  map[string]*buffers{feedReader: newBuffers(keptOfReader), feedBroadcast: newBuffers(keptOfBroadcast)},
		messages: &sync.Pool{New: func() any { return new([]*hub.Message) }},
	}
	for feed := range s.buffers {
		s.open.WithLabelValues(feed)
	}
	h.Registry.MustRegister(s.open)
	return s
}

// serveReader serves GET /v1/readers/sse.
func (s *feeds) serveReader(w http.ResponseWriter, r *http.Request) error {
	spec, _, err := hub.ParseReaderSpec(r.URL.RawQuery, s.MaxStreams)
	if err != nil {
		return err
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if err := spec.Resume(last); err != nil {
			return err
		}
	}
	spec.Scope = who(w).Scope(auth.Read, auth.Stream)
	return s.connected(w, func() error {
		reader, err := s.Broker.Read(r.Context(), spec)
		if err != nil {
			return err
		}
		s.serve(w, r, feedReader, newReaderFeed(reader, &spec))
		return nil
	})
}

// serveBroadcast serves GET /v1/broadcast/sse.
func (s *feeds) serveBroadcast(w http.ResponseWriter, r *http.Request) error {
	spec, err := hub.ParseBroadcastSpec(r.URL.RawQuery, s.MaxChannels)
	if err != nil {
		return err
	}
	spec.Scope = who(w).Scope(auth.Subscribe, auth.Channel)
	return s.connected(w, func() error {
		sub, err := s.Broker.Subscribe(r.Context(), spec)
		if err != nil {
			return err
		}
		s.serve(w, r, feedBroadcast, &broadcastFeed{sub, s.messages})
		return nil
	})
}

// connected counts an event stream among the connections of who asks while it is served.
func (s *feeds) connected(w http.ResponseWriter, serve func() error) error {
	principal := who(w)
	if end := principal.Ended(time.Now()); end != nil { // whose token is taken only because clocks differ
		return end
	}
	leave, err := principal.Account().Connect()
	if err != nil {
		return err
	}
	defer leave()
	return serve()
}

// serve shows a feed until either side ends it, and closes it.
func (s *feeds) serve(w http.ResponseWriter, r *http.Request, name string, f feed) {
	defer f.Close()
	header := w.Header()
	header.Set("Content-Type", streamType)
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	open := s.open.WithLabelValues(name)
	open.Inc()
	defer open.Dec()
	boundSendBuffer(r, s.SendBuffer)
	out := &sseWriter{w: w, conn: http.NewResponseController(w), limit: s.WriteLimit, buffers: s.buffers[name]}
	if out.write([]byte(comment)) == nil {
		s.show(r, out, f, newTenure(who(w), s.ticketOf(w, r)))
	}
}

// show writes what the feed tells, a word at its end, and a comment when there
// was nothing for a while. Whoever is sent away has been told a place first.
func (s *feeds) show(r *http.Request, out *sseWriter, f feed, t *tenure) {
	defer t.stop()
	silence := time.NewTicker(heartbeat)
	defer silence.Stop()
	for {
		if !s.goesOn(r, out, f, t) {
			return
		}
		wrote, err := s.tell(r, out, f)
		if err != nil {
			return
		}
		if s.serving.Err() != nil {
			_ = out.write(appendDrain(f.place(nil), hub.ReconnectAfter())) // it is the end in any case
			return
		}
		if wrote {
			silence.Reset(heartbeat)
			continue
		}
		select {
		case <-f.Ready():
		case <-silence.C:
			if out.write(f.place([]byte(comment))) != nil {
				return
			}
		case <-t.due():
		case <-s.serving.Done():
		case <-r.Context().Done():
			return
		}
	}
}

// goesOn says whether the client may have its stream for longer, and tells it what it is
// to know of that.
func (s *feeds) goesOn(r *http.Request, out *sseWriter, f feed, t *tenure) bool {
	text, err := t.look(time.Now())
	if err != nil {
		_ = out.write(appendError(f.place(text), s.failed(r, err))) // it is the end in any case
		return false
	}
	return len(text) == 0 || out.write(text) == nil
}

// tell writes at once what is there. An error ends the stream.
func (s *feeds) tell(r *http.Request, out *sseWriter, f feed) (wrote bool, err error) {
	buffer, _ := out.buffers.pool.Get().(*[]byte)
	text := (*buffer)[:0]
	for more := true; more && err == nil; {
		before := len(text)
		text, err = f.take(text)
		more = len(text) > before && len(text) < gathered
	}
	if err != nil {
		text = appendError(text, s.failed(r, err))
	}
	wrote = len(text) > 0
	if wrote {
		if failed := out.write(text); failed != nil {
			err = failed
		}
	}
	if cap(text) <= out.buffers.most {
		*buffer = text
		out.buffers.pool.Put(buffer)
	}
	return wrote, err
}

// failed is the error that ended a feed; the log has what the client is not told.
func (s *feeds) failed(r *http.Request, err error) *hub.Error {
	known := hub.AsError(err)
	if known.Code == hub.CodeInternal {
		s.Log.ErrorContext(r.Context(), "an event stream failed", slog.String("request_id", requestIDOf(r)), slog.Any("error", err))
	}
	return known
}

// sseWriter writes to a client that may be slow or gone.
type sseWriter struct {
	w       http.ResponseWriter
	conn    *http.ResponseController
	limit   time.Duration // for a client to take what was gathered
	buffers *buffers
}

// write sends text at once. It has a deadline of its own: that of the whole answer,
// which other requests have, would end a healthy stream. So would its own over HTTP/2,
// where a deadline ends the stream whether something is written by then or not.
func (o *sseWriter) write(text []byte) error {
	_ = o.conn.SetWriteDeadline(time.Now().Add(o.limit)) // fails without a connection only
	if _, err := o.w.Write(text); err != nil {
		return err
	}
	if err := o.conn.Flush(); err != nil {
		return err
	}
	_ = o.conn.SetWriteDeadline(time.Time{})
	return nil
}
