package http

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

const (
	// lookEvery is how often an event stream looks whether it may go on: so long may a
	// key that was taken away be of use.
	lookEvery = 4 * time.Second
)

// tenure is how long a client may have its event stream: as long as its principal has not
// ended, and nobody else has used its ticket. The handler's goroutine alone has it.
type tenure struct {
	who    *auth.Principal
	keeps  func() error // whether the ticket is still its own; nil: there is none
	kept   time.Time    // when that was asked
	warned bool         // that the token expires
	next   time.Time    // when there is something to look at
	timer  *time.Timer  // fires then; nil: never
}

// newTenure is ended by stop.
func newTenure(who *auth.Principal, keeps func() error) *tenure {
	t := &tenure{who: who, keeps: keeps, kept: time.Now()}
	forever := who.Scope(auth.Read, auth.Stream) == nil && who.Expires().IsZero() // nobody has given it a key
	if !forever || keeps != nil {
		t.timer = time.NewTimer(0)
	}
	return t
}

func (t *tenure) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// due gets a signal when look has something to do; nil: never.
func (t *tenure) due() <-chan time.Time {
	if t.timer == nil {
		return nil
	}
	return t.timer.C
}

// look returns what the client is to be told, mostly nothing. It fails with an *hub.Error
// where it is the end. Who has much to tell calls it before it does: it is cheap where
// nothing is due.
func (t *tenure) look(now time.Time) (text []byte, err error) {
	if t.timer == nil || now.Before(t.next) {
		return nil, nil
	}
	if end := t.who.Ended(now); end != nil {
		return nil, end
	}
	if t.keeps != nil && now.Sub(t.kept) >= heartbeat {
		t.kept = now
		if err := t.keeps(); err != nil {
			return nil, err
		}
	}
	wait := lookEvery
	if at := t.who.Expires(); !at.IsZero() {
		left := at.Sub(now)
		wait = min(wait, left)
		if !t.warned && left <= hub.ExpiringBefore {
			t.warned = true
			text = appendControl(nil, "hub.expiring", struct {
				At string `json:"at"`
			}{hub.FormatTime(at)})
		}
		if !t.warned {
			wait = min(wait, left-hub.ExpiringBefore)
		}
	}
	t.next = now.Add(wait)
	t.timer.Reset(wait)
	return text, nil
}

// errTaken ends an event stream whose client has come again.
var errTaken error = hub.Errorf(hub.CodeUnauthenticated, "the ticket of this event stream was used again, for another one in its place")

// ticketOf says, when it is called, whether the ticket of an event stream is still its
// own; nil where it has none. A Redis that is away takes nobody's.
func (s *feeds) ticketOf(w http.ResponseWriter, r *http.Request) func() error {
	rec, ok := w.(*recorder)
	if !ok || rec.ticket.turn == 0 {
		return nil
	}
	used := rec.ticket
	return func() error {
		ctx, cancel := context.WithTimeout(r.Context(), leaveLimit)
		defer cancel()
		mine, err := s.Broker.HoldsTicket(ctx, used.hash, used.turn)
		if err != nil {
			s.Log.DebugContext(ctx, "it could not be seen who has a ticket", slog.String("request_id", requestIDOf(r)), slog.Any("error", err))
			return nil
		}
		if !mine {
			return errTaken
		}
		return nil
	}
}
