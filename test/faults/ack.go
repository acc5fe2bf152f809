package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// asks are the acks of one socket that were not answered. Its methods may be called from
// any goroutine.
type asks struct {
	mu   sync.Mutex // protects the fields below
	ref  int
	open map[int]asked // by their reference
}

// asked is one ack frame, or one such request.
type asked struct {
	first int // of its acks in the history
	ids   []string
}

// ask notes acks before they are sent.
func ask(rec *history.Recorder, conn int, stream string, ids []string) asked {
	list := make([]history.Ack, len(ids))
	for i, text := range ids {
		id, _ := hub.ParseID(text)
		list[i] = history.Ack{Conn: conn, Topic: stream, ID: id}
	}
	return asked{rec.Acks(list), ids}
}

// answer notes what became of them.
func (a asked) answer(rec *history.Recorder, acked []string) {
	done := map[string]bool{}
	for _, id := range acked {
		done[id] = true
	}
	for i, id := range a.ids {
		rec.Answer(a.first+i, done[id])
	}
}

// fail notes that the answer is an error: they may have had an effect.
func (a asked) fail(rec *history.Recorder) {
	for i := range a.ids {
		rec.Fail(a.first + i)
	}
}

// ack acks events of a stream, and notes the answer once it comes. That the socket has
// ended is noticed by who reads from it.
func (s *socket) ack(stream string, ids ...string) {
	s.asks.mu.Lock()
	if s.asks.open == nil {
		s.asks.open = map[int]asked{}
	}
	s.asks.ref++
	ref := s.asks.ref
	s.asks.open[ref] = ask(s.load.rec, s.id, stream, ids)
	s.asks.mu.Unlock()
	list, _ := json.Marshal(ids)
	_ = s.send(fmt.Sprintf(`{"type":"ack","stream":%q,"ids":%s,"ref":%d}`, stream, list, ref))
}

// answered notes what became of an ack.
func (s *socket) answered(f frame) {
	ref, err := strconv.Atoi(string(f.Ref))
	if err != nil {
		return
	}
	s.asks.mu.Lock()
	a, ok := s.asks.open[ref]
	delete(s.asks.open, ref)
	s.asks.mu.Unlock()
	switch {
	case ok && f.Type == "ok":
		a.answer(s.load.rec, f.Acked)
	case ok:
		a.fail(s.load.rec)
	}
}
