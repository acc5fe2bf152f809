package ws

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"eventhub/internal/hub"
)

const (
	// maxReplies and maxReplyBytes bound the answers that a socket has not taken, as
	// an answer may name a thousand channels. Beyond, its next command is not read.
	maxReplies    = 256
	maxReplyBytes = 1 << 20
	// closeLimit is how long the parting takes at most.
	closeLimit = 2 * time.Second
)

// session is one socket. Go keeps the descriptor of each goroutine that there ever was, of
// 456 bytes, and with it the block of memory that it lies in: what is made for each socket
// and has about that size shares these blocks, which stay when the sockets have left. So
// a session takes no more than 448 bytes, for which there are others.
type session struct {
	server *Server
	pump   *pump
	id     string
	role   string
	sink   string // of roleSink

	started  atomic.Bool     // start was called
	queued   atomic.Bool     // the pump knows that there may be something to write
	commands atomic.Int32    // that are under way
	conn     *websocket.Conn // set by start
	source   source          // likewise
	gatherer gatherer        // the source, where it is one
	frame    []byte          // room for frames of a gatherer; owned by the reader

	writing    atomic.Int64 // since when frames wait to be taken, Unix ns; 0: none do
	unanswered atomic.Int64 // since when a pong is due, Unix ns; 0: none is
	lastPing   time.Time    // owned by the keeper

	pen     sync.Mutex // held by who writes data frames: protects the fields below
	muted   bool       // nothing is written any more
	stopped bool       // the source was

	mu       sync.Mutex // protects the fields below
	wire     *wire      // nil before the upgrade
	replies  [][]byte   // frames that go before events
	waiting  int        // bytes of replies
	pong     []byte     // to be sent, where it is not nil
	ending   *ending    // no more frames but these replies, then close
	pinging  bool       // a ping is to be sent
	draining bool
	killed   bool // the connection was cut

	room chan struct{} // one slot: replies were taken, or the socket is to end
	mute chan struct{} // closed with muted

	finishing sync.WaitGroup      // what the pump could not wait for
	underway  *semaphore.Weighted // of commands
	pacer     *rate.Limiter       // of commands; nil: as many as come
	due       due                 // what it may settle without being paced
	publisher *publisher          // owned by the reader; nil before the first publish
	renewal   *renewal            // owned by the reader; nil before the first authenticate
	imposed   imposed             // owned by the reader

	identity atomic.Pointer[identity] // who it is served for; never nil
	told     *identity                // whose end was announced; owned by start, then by the keeper
	revoked  time.Time                // when the keeper found that it may go on no longer; owned by it

	// having is held while what the socket reads is added to, and while its principal is
	// replaced by one that may read it: protects leave.
	having sync.Mutex
	leave  func() // counts it off the principal's account
}

// source is where a session's frames come from: a consumer, a reader or a
// subscription. It stirs the session when there may be something to tell.
type source interface {
	// frames adds some of the frames that are due now; more: it is to be called again
	// once they are written, without being stirred. An error ends the session. It does
	// not block.
	frames(out *outbox) (more bool, err error)
	// stop ends delivery for good; holds is what the client may still ack.
	stop()
	holds() int
	// names is what is read: streams, or channels.
	names() []string
	// command does what a client's frame asks for.
	command(sess *session, c *command) error
	// close ends it, once the socket has ended or could not be made.
	close(sess *session)
}

// gatherer is a source that does commands together whose frames have come together.
type gatherer interface {
	// gather takes a frame, which is good until it returns; false: the frame is another
	// command, and was not looked at.
	gather(sess *session, frame []byte) bool
	// settle does what was gathered. It does not block, and any goroutine may call it.
	settle(sess *session)
}

// start makes a session known as a socket, whose first frame is ready.
func (s *session) start(conn *websocket.Conn, ready []byte, src source) {
	s.conn, s.source = conn, src
	s.mu.Lock()
	if g, ok := src.(gatherer); ok {
		s.gatherer = g
		s.wire.idle = func() { g.settle(s) } // what is gathered does not wait for what has not come
	}
	s.wire.watch.alarm = s.exceed
	s.replies = append([][]byte{ready}, s.replies...)
	s.mu.Unlock()
	s.announce(time.Now())
	s.started.Store(true)
	s.stir()
}

// run serves a socket until either side ends it. The caller's goroutine reads.
func (s *session) run() {
	defer s.finished() // also when a command panics
	s.read()
}

func (s *session) finished() {
	s.kill() // frees who writes
	s.pen.Lock()
	s.fallSilent()
	s.pen.Unlock()
	s.finishing.Wait()
	s.renewal.close()
	s.publisher.close()
	_ = s.conn.CloseNow()
}

// reply queues a frame that goes before events.
func (s *session) reply(frame []byte) {
	s.mu.Lock()
	if s.ending == nil {
		s.replies = append(s.replies, frame)
		s.waiting += len(frame)
	}
	s.mu.Unlock()
	s.stir()
}

// quiet says whether every command has been answered.
func (s *session) quiet() bool {
	if s.commands.Load() > 0 {
		return false
	}
	// An answer is queued before its command is counted off.
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.replies) == 0
}

// read takes commands until the socket ends.
func (s *session) read() {
	defer s.settle()
	for {
		kind, frame, err := s.receive()
		if err != nil {
			return
		}
		if s.over() {
			continue // its words come too late; the close handshake follows
		}
		if s.gatherer != nil && kind == websocket.MessageText && s.gatherer.gather(s, frame) {
			if !s.awaitRoom() {
				return
			}
			continue
		}
		s.settle() // it came before
		if kind != websocket.MessageText {
			s.fail(hub.Errorf(hub.CodeInvalidRequest, "send text frames"))
			continue
		}
		c, fault := parseCommand(s.keep(frame))
		if c == nil {
			s.fail(fault)
			continue
		}
		s.server.metrics.command(c.kind)
		if fault = asFault(s.paced(c, fault)); fault != nil {
			s.reply(errorFrame(c.ref, fault))
		}
		if !s.awaitRoom() {
			return
		}
	}
}

// command does what a client's frame asks for, or refuses it.
func (s *session) command(c *command) error {
	switch c.kind {
	case kindPublish:
		return s.publish(c)
	case kindAuthenticate:
		return s.authenticate(c)
	case kindAddStream, kindSubscribe:
		s.having.Lock()
		defer s.having.Unlock()
	}
	return s.source.command(s, c)
}

// settle has a gatherer do what it has gathered.
func (s *session) settle() {
	if s.gatherer != nil {
		s.gatherer.settle(s)
	}
}

// awaitRoom waits while too many answers wait; false when the socket ends.
func (s *session) awaitRoom() bool {
	for {
		s.mu.Lock()
		full := len(s.replies) >= maxReplies || s.waiting >= maxReplyBytes
		s.mu.Unlock()
		if !full {
			return true
		}
		s.settle() // before a wait
		select {
		case <-s.room:
		case <-s.mute:
			return false
		}
	}
}

func asFault(err error) *hub.Error {
	if err == nil {
		return nil
	}
	return hub.AsError(err)
}

func poke(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
