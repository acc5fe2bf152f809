package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

const (
	dialLimit = 5 * time.Second
	// pingEvery and pongLimit are how a client that is not patient finds a hub that stands
	// still.
	pingEvery = time.Second
	pongLimit = 3 * time.Second
)

// socket is one connection of a feed. The goroutine that opened it reads.
type socket struct {
	load  *load
	conn  *websocket.Conn // nil of a stream of events, which source reads
	id    int             // in the history
	role  history.Kind
	watch sync.WaitGroup // who pings, and who reads for frames
	open  context.Context
	stop  context.CancelFunc // of open
	final atomic.Bool        // something from the end has come
	asks  asks
}

// connect opens a socket and waits until it is ready.
func (l *load) connect(feed string, role history.Kind, at *node, path string, patient bool) (*socket, error) {
	ctx, cancel := context.WithTimeout(l.ctx, dialLimit)
	defer cancel()
	client := newClient()
	defer client.CloseIdleConnections()
	conn, _, err := websocket.Dial(ctx, "ws://"+at.addr+path, &websocket.DialOptions{HTTPClient: client}) //nolint:bodyclose // "You never need to close resp.Body yourself."
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	var first frame
	_, text, err := conn.Read(ctx)
	if err == nil {
		if err = json.Unmarshal(text, &first); err == nil && first.Type != "ready" {
			err = fmt.Errorf("the first frame is %.300s", text)
		}
	}
	if err != nil {
		_ = conn.CloseNow()
		return nil, err
	}
	s := &socket{load: l, conn: conn, id: l.rec.Open(feed, at.name), role: role}
	s.open, s.stop = context.WithCancel(l.ctx)
	if !patient {
		s.watch.Go(s.ping)
	}
	l.keep(s)
	return s, nil
}

// keep adds an open socket to those that are asked at the end.
func (l *load) keep(s *socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sockets[s] = struct{}{}
}

// ping ends the connection when nobody answers.
func (s *socket) ping() {
	for rest(s.open, pingEvery) {
		waiting, cancel := context.WithTimeout(s.open, pongLimit)
		err := s.conn.Ping(waiting)
		cancel()
		if err != nil {
			_ = s.conn.CloseNow()
			return
		}
	}
}

// close ends the socket, if it has not ended, and waits for its goroutines.
func (s *socket) close() {
	s.load.mu.Lock()
	delete(s.load.sockets, s)
	s.load.mu.Unlock()
	if s.load.ctx.Err() == nil { // at the end of all they count as open
		s.load.rec.Close(s.id)
	}
	s.stop()
	if s.conn != nil {
		_ = s.conn.CloseNow()
	}
	s.watch.Wait()
}

func (s *socket) send(text string) error {
	ctx, cancel := context.WithTimeout(s.load.ctx, dialLimit)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, []byte(text))
}

// next reads a frame, and deals with what is the same for all feeds. The wait that a
// drain asks for is returned once the socket has ended.
func (s *socket) next() (f frame, events []event, err error) {
	_, text, err := s.conn.Read(s.load.ctx)
	if err != nil {
		if websocket.CloseStatus(err) == websocket.StatusServiceRestart {
			s.load.rec.Conn(s.id, func(c *history.Conn) { c.Drained = true })
		}
		return f, nil, err
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, nil, fmt.Errorf("reading the frame %.300s: %w", text, err)
	}
	switch f.Type {
	case "events":
		if err := json.Unmarshal(f.Events, &events); err != nil {
			return f, nil, fmt.Errorf("reading the frame %.300s: %w", text, err)
		}
		s.came(events)
	case "gap":
		s.missed(f)
	case "drain":
		s.load.rec.Conn(s.id, func(c *history.Conn) { c.Drained = true })
	case "ok", "error":
		if string(f.Ref) == askRef {
			s.load.rec.Conn(s.id, func(c *history.Conn) { c.Answered = true })
		} else {
			s.answered(f)
		}
	}
	return f, events, nil
}

// received is a frame, with its events.
type received struct {
	frame
	events []event
}

// frames reads frames, for who has more to do than that. The channel is closed with the
// socket, or when it can be read no more.
func (s *socket) frames() <-chan received {
	frames := make(chan received)
	s.watch.Go(func() {
		defer close(frames)
		for {
			f, events, err := s.next()
			if err != nil {
				return
			}
			select {
			case frames <- received{f, events}:
			case <-s.open.Done():
				return
			}
		}
	})
	return frames
}

// came notes events.
func (s *socket) came(events []event) {
	s.load.rec.Deliver(deliveries(s.id, events))
	for i := range events {
		if strings.HasPrefix(valueOf(events[i].Data), finalPrefix) {
			s.final.Store(true)
		}
	}
}

func deliveries(conn int, events []event) []history.Delivery {
	list := make([]history.Delivery, len(events))
	for i, e := range events {
		id, _ := hub.ParseID(e.ID) // those of messages are none
		if e.Channel != "" {
			id = hub.ID{}
		}
		list[i] = history.Delivery{
			Conn: conn, Topic: e.Stream + e.Channel, ID: id, Value: valueOf(e.Data), Digest: digestOf(e.Data), Attempt: e.Attempt,
		}
	}
	return list
}

// askRef is the reference of the question at the end.
const askRef = `"alive"`

// ask asks every socket for an answer that can give one.
func (l *load) ask() {
	l.mu.Lock()
	sockets := make([]*socket, 0, len(l.sockets))
	for s := range l.sockets {
		if s.conn != nil {
			sockets = append(sockets, s)
		}
	}
	l.mu.Unlock()
	for _, s := range sockets {
		command := `{"type":"resume","ref":` + askRef + `}`
		if s.role == history.Broadcast {
			command = `{"type":"subscribe","channels":["` + channel + `"],"ref":` + askRef + `}`
		}
		l.rec.Conn(s.id, func(c *history.Conn) { c.Asked = l.rec.Now() })
		_ = s.send(command) // one that cannot be written to is not answered, or ends
	}
}

// awake says whether all sockets that are open have heard of the end, sinks' apart.
func (l *load) awake() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.sockets {
		if s.role != history.Sink && !s.final.Load() {
			return false
		}
	}
	return true
}
