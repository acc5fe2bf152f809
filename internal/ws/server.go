package ws

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// Broker is what sockets need of the engine. All of it is safe for concurrent
// use; errors are *hub.Error where a client is to blame or can retry.
type Broker interface {
	// Check says whether Consume would accept spec, and changes nothing.
	Check(ctx context.Context, spec hub.ConsumerSpec) error
	// Consume attaches a consumer. What is published after it has returned is
	// delivered. The caller closes the consumer.
	Consume(ctx context.Context, spec hub.ConsumerSpec) (hub.Consumer, error)
	// Read opens a reader. What is published after it has returned is among what it
	// gives. The caller closes it.
	Read(ctx context.Context, spec hub.ReaderSpec) (hub.Reader, error)
	// Publish stores events in a stream, all or none, and returns once they are
	// durable. A request whose ctx ends may have been stored all the same.
	Publish(ctx context.Context, p hub.Publication) (hub.Published, error)
	// Broadcast passes events on to live subscribers, in order.
	Broadcast(ctx context.Context, channel string, events []hub.Event) ([]string, error)
	// Subscribe subscribes to broadcast channels. What is published after it has
	// returned is delivered. The caller closes the subscription.
	Subscribe(ctx context.Context, spec hub.BroadcastSpec) (hub.Subscription, error)
}

// Server serves WebSockets. Its handlers return an error instead of answering
// when the request is wrong, so that all of the hub's problems look alike. They take
// pages of any origin: the caller refuses those that may not (internal/http/guard.go).
type Server struct {
	opts    Options
	broker  Broker
	metrics *metrics
	pumps   []*pump
	opened  atomic.Uint64 // sessions

	mu       sync.Mutex // protects the fields below
	sessions map[*session]struct{}
	draining bool

	serving sync.WaitGroup // sessions
	keeping sync.WaitGroup // the pumps and the keeper
	stop    context.CancelFunc
}

// NewServer starts a server of sockets.
func NewServer(broker Broker, opts Options) *Server {
	opts.setDefaults()
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		opts: opts, broker: broker, metrics: newMetrics(opts.Registry),
		sessions: map[*session]struct{}{}, stop: stop,
	}
	for range pumpsOn(runtime.GOMAXPROCS(0)) {
		p := newPump()
		s.pumps = append(s.pumps, p)
		s.keeping.Go(func() { p.run(ctx) })
	}
	s.keeping.Go(func() { s.keep(ctx) })
	return s
}

// errDraining is the answer to who comes while the hub goes.
var errDraining = &hub.Error{Code: hub.CodeUnavailable, Detail: "this hub is shutting down: connect again", RetryAfter: time.Second}

// open registers a session before it is upgraded, so that a drain finds it. It counts
// on the account of who asks from then on. sink is the name of one, for roleSink.
func (s *Server) open(role, sink string, who *auth.Principal) (*session, error) {
	if err := who.Ended(time.Now()); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	sess := &session{
		server: s, id: id.String(), role: role, sink: sink, pump: s.pumps[s.opened.Add(1)%uint64(len(s.pumps))],
		room: make(chan struct{}, 1), mute: make(chan struct{}),
		underway: semaphore.NewWeighted(maxUnderway),
	}
	sess.identity.Store(sess.identify(who))
	if most := s.opts.CommandsPerSecond; most > 0 && who.Account() != nil {
		sess.pacer = rate.NewLimiter(rate.Limit(most), most)
	}
	if sess.leave, err = who.Account().Connect(); err != nil {
		return nil, err
	}
	if !s.register(sess) {
		sess.leave()
		return nil, errDraining
	}
	s.metrics.connections.WithLabelValues(role).Inc()
	return sess, nil
}

// register is false while the hub goes.
func (s *Server) register(sess *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.serving.Add(1)
	s.sessions[sess] = struct{}{}
	return true
}

func (s *Server) closed(sess *session) {
	s.mu.Lock()
	delete(s.sessions, sess)
	s.mu.Unlock()
	sess.leave()
	s.metrics.connections.WithLabelValues(sess.role).Dec()
	s.serving.Done()
}

// serve upgrades the request, and has the socket served until either side ends it. The
// handler returns meanwhile: what net/http keeps for a request, and the stack of its
// goroutine, would take more memory than all else of an idle socket.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, sess *session, ready []byte, src source) {
	conn, err := s.accept(w, r, sess)
	if err != nil { // it is answered
		s.abandon(sess, src)
		return
	}
	sess.start(conn, ready, src)
	go func() { // Drain and Close wait for it
		defer s.abandon(sess, src)
		defer s.rescue(sess)
		sess.run()
	}()
}

// abandon ends what has no socket, or none any more.
func (s *Server) abandon(sess *session, src source) {
	src.close(sess)
	s.closed(sess)
}

// rescue keeps what one socket has brought about from ending the hub, and ends that.
func (s *Server) rescue(sess *session) {
	if cause := recover(); cause != nil {
		s.panicked(sess, cause)
		sess.kill()
	}
}

func (s *Server) panicked(sess *session, cause any) {
	s.opts.Log.Error("a socket panicked", slog.String("session", sess.id), slog.Any("panic", cause), slog.String("stack", string(debug.Stack())))
}

// all appends every session to list.
func (s *Server) all(list []*session) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list = slices.Grow(list, len(s.sessions))
	for sess := range s.sessions {
		list = append(list, sess)
	}
	return list
}

// Drain tells every client to go elsewhere and waits until they have. Acks are
// taken until ctx ends; then sockets that still hold events are closed.
func (s *Server) Drain(ctx context.Context) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	for _, sess := range s.all(nil) {
		sess.drain(hub.ReconnectAfter())
	}
	gone := make(chan struct{})
	go func() { // waited for below
		s.serving.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return
	case <-ctx.Done():
	}
	for _, sess := range s.all(nil) {
		sess.end(websocket.StatusServiceRestart, nil)
	}
	// A peer that is gone or deaf must not hold up the exit.
	timer := time.AfterFunc(closeLimit, func() {
		for _, sess := range s.all(nil) {
			sess.kill()
		}
	})
	defer timer.Stop()
	<-gone
}

// Close ends what Drain has left and waits for every goroutine.
func (s *Server) Close() {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	s.Drain(done)
	s.stop()
	s.keeping.Wait()
}

// accept upgrades the request; an error has been answered already.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, sess *session) (*websocket.Conn, error) {
	conn, err := websocket.Accept(&hijacker{ResponseWriter: w, session: sess}, r, &websocket.AcceptOptions{
		Subprotocols:       []string{"hub.v1"},
		InsecureSkipVerify: true, // whoever calls this has looked at the origin
		OnPingReceived:     sess.onPing,
		OnPongReceived:     sess.onPong,
	})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1) // session.receive has a limit of its own, with an answer
	return conn, nil
}
