package http_test

import (
	"context"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// fakeTickets keeps tickets as the engine does.
type fakeTickets struct {
	mu   sync.Mutex // protects the fields below
	kept map[string]*fakeTicket
	down error // of all that is asked
}

type fakeTicket struct {
	hub.Ticket
	place string
	turn  int64
	used  time.Time // zero: it may be used at once
}

func (f *fakeTickets) PutTicket(_ context.Context, hash string, t hub.Ticket) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept == nil {
		f.kept = map[string]*fakeTicket{}
	}
	f.kept[hash] = &fakeTicket{Ticket: t}
	return f.down
}

func (f *fakeTickets) TakeTicket(_ context.Context, hash, place string) (hub.Ticket, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.kept[hash]
	now := time.Now()
	none := hub.Errorf(hub.CodeUnauthenticated, "there is no such ticket")
	switch {
	case f.down != nil:
		return hub.Ticket{}, 0, f.down
	case t == nil, t.turn == 0 && now.After(t.Expires), t.turn > 0 && (t.place != place || now.After(t.Until) || now.Sub(t.used) < 5*time.Second):
		return hub.Ticket{}, 0, none
	}
	t.place, t.used = place, now
	if t.turn++; place == "" {
		delete(f.kept, hash)
	}
	return t.Ticket, t.turn, nil
}

func (f *fakeTickets) HoldsTicket(_ context.Context, hash string, turn int64) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down == nil && f.kept[hash] != nil && f.kept[hash].turn == turn, f.down
}

func (f *fakeTickets) LeaveTicket(_ context.Context, hash string, turn int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.kept[hash]; t != nil && t.turn == turn {
		t.used = time.Time{}
	}
	return f.down
}

// set changes what there is.
func (f *fakeTickets) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}
