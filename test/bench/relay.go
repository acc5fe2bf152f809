package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
)

// relay is broadcasting as one writes it first: a goroutine for each socket, one
// Conn.Write for each message and socket, and nothing between processes. The frames
// are those of a hub, made once for all.
type relay struct {
	ids atomic.Int64

	mu       sync.RWMutex // protects the map and its slices
	channels map[string][]*listener
}

type listener struct {
	frames chan []byte
	gone   <-chan struct{} // closed when the socket has ended
}

func newRelay() *relay { return &relay{channels: map[string][]*listener{}} }

func (y *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		y.post(w, r)
		return
	}
	y.listen(w, r)
}

// listen writes what is posted until the socket ends.
func (y *relay) listen(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow() //nolint:errcheck // nothing depends on it
	ctx := conn.CloseRead(r.Context())
	const slots = 512 // more than a publisher goes ahead
	l := &listener{frames: make(chan []byte, slots), gone: ctx.Done()}
	channel := r.URL.Query().Get("channel")
	y.mu.Lock()
	y.channels[channel] = append(y.channels[channel], l)
	y.mu.Unlock()
	frame := []byte(`{"type":"ready"}`)
	for {
		if err := conn.Write(ctx, websocket.MessageText, frame); err != nil {
			return
		}
		select {
		case frame = <-l.frames:
		case <-l.gone:
			return
		}
	}
}

// post hands a message to everybody in the channel.
func (y *relay) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		http.Error(w, "no message", http.StatusBadRequest)
		return
	}
	channel := strings.TrimPrefix(r.URL.Path, broadcastPath(""))
	id := y.ids.Add(1)
	frame := fmt.Appendf(nil, `{"type":"events","events":[{"id":"%026d","channel":%q,"time":"2026-01-01T00:00:00.000Z",%s]}`, id, channel, body[1:])
	y.mu.RLock()
	listeners := y.channels[channel] // only ever appended to
	y.mu.RUnlock()
	for _, l := range listeners {
		select {
		case l.frames <- frame:
		case <-l.gone:
		}
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprintf(w, `{"id":"%026d"}`, id) // who does not get it asks again
}
