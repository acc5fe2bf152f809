package main

import (
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// sockets is the least that keeps WebSockets: net/http, coder/websocket, and for each
// socket the goroutine that net/http has for it. What memory it keeps once they have left,
// Go and these two keep of any server. As a hub, it gives what is free back to the
// system; there is no other work that this could disturb.
type sockets struct {
	mu   sync.Mutex // protects the field below; held while a message is written
	open map[*websocket.Conn]struct{}
}

// newSockets gives memory back until the process is killed.
func newSockets() *sockets {
	const every = 2 * time.Second
	go func() {
		for range time.Tick(every) {
			debug.FreeOSMemory()
		}
	}()
	return &sockets{open: map[*websocket.Conn]struct{}{}}
}

func (s *sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.post(w, r)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow() //nolint:errcheck // nothing depends on it
	s.mu.Lock()
	s.open[conn] = struct{}{}
	err = conn.Write(r.Context(), websocket.MessageText, []byte(`{"type":"ready"}`))
	s.mu.Unlock()
	if err == nil {
		_, _, _ = conn.Read(r.Context()) // nothing comes until it has ended
	}
	s.mu.Lock()
	delete(s.open, conn)
	s.mu.Unlock()
}

// post writes a message to everybody.
func (s *sockets) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		http.Error(w, "no message", http.StatusBadRequest)
		return
	}
	frame := fmt.Appendf(nil, `{"type":"events","events":[{"id":"1",%s]}`, body[1:])
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Write(r.Context(), websocket.MessageText, frame) // who does not get it is missed
	}
	s.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}
