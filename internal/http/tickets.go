package http

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

const (
	ticketBytes = 32 // of randomness: nobody guesses one
	// keyLimit is how long an event stream may come again with the ticket of a principal
	// that does not expire.
	keyLimit = 24 * time.Hour
	// leaveLimit is how long it may take to say that a ticket is free again. It is after
	// 5 s in any case.
	leaveLimit = 3 * time.Second
)

// makeTicket serves POST /v1/tickets. Whoever shows the ticket, once, and from the same
// origin, is who asks now.
func (h *handler) makeTicket(w http.ResponseWriter, r *http.Request) error {
	if err := hub.NoParams(r.URL.RawQuery); err != nil {
		return err
	}
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	ttl, err := hub.DecodeTicket(body)
	if err != nil {
		return err
	}
	principal, now := who(w), time.Now()
	if err := principal.Account().Ticket(); err != nil { // each is kept in Redis
		return err
	}
	if end := principal.Ended(now); end != nil { // whose token is taken only because clocks differ
		return end
	}
	sealed, err := h.Auth.Seal(principal)
	if err != nil {
		return err
	}
	t := hub.Ticket{Principal: sealed, Origin: r.Header.Get("Origin"), Expires: now.Add(ttl), Until: principal.Expires()}
	if t.Until.IsZero() {
		t.Until = now.Add(keyLimit)
	}
	if t.Until.Before(t.Expires) {
		t.Expires = t.Until
	}
	text := newTicket()
	if err := h.Broker.PutTicket(r.Context(), ticketHash(text), t); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusCreated, struct {
		Ticket  string `json:"ticket"`
		Expires string `json:"expires_at"`
	}{text, hub.FormatTime(t.Expires)})
}

func newTicket() string {
	var random [ticketBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// ticketHash is under what a ticket is kept: who reads Redis learns none.
func ticketHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// hold is one use of a ticket by an event stream; zero: there is none.
type hold struct {
	hash string
	turn int64
}

// noTicket is one answer to all that does not work, as what was wrong helps only who
// tries.
func noTicket() *hub.Error {
	return hub.Errorf(hub.CodeUnauthenticated, "the ticket is not good: it was used, has expired, is of another origin or for another event stream, or there never was one; POST /v1/tickets makes a new one")
}

// useTicket says who a ticket was made for.
func (h *handler) useTicket(r *http.Request, text string, by opening) (*auth.Principal, hold, error) {
	if raw, err := base64.RawURLEncoding.DecodeString(text); err != nil || len(raw) != ticketBytes {
		return nil, hold{}, noTicket()
	}
	used := hold{hash: ticketHash(text)}
	place := ""
	if by == opensStream {
		place = placeOf(r)
	}
	t, turn, err := h.Broker.TakeTicket(r.Context(), used.hash, place)
	if err != nil {
		if hub.AsError(err).Code == hub.CodeUnauthenticated {
			err = noTicket()
		}
		return nil, hold{}, err
	}
	if by == opensStream {
		used.turn = turn
	}
	if !sameOrigin(r, t.Origin, by) {
		return nil, used, noTicket()
	}
	principal, err := h.Auth.Open(t.Principal)
	return principal, used, err
}

// placeOf is what an event stream must have in common with that which used its ticket
// before.
func placeOf(r *http.Request) string {
	return r.URL.Path + "?" + r.URL.RawQuery + " " + r.Header.Get("Origin")
}

// sameOrigin says whether a ticket's page, or program, may be who shows it. Browsers send
// no Origin with an event stream of the page's own host: then that must have been the
// page's. A page of another site that could read the answer would send one.
func sameOrigin(r *http.Request, origin string, by opening) bool {
	shown, ok := r.Header["Origin"]
	if ok || origin == "" || by != opensStream {
		return r.Header.Get("Origin") == origin && len(shown) <= 1
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "" || site == "same-origin") && sameHost(origin, r.Host)
}

// leave has the ticket used again at once. Its event stream has ended, and so perhaps has
// the context of its request.
func (h *handler) leave(r *http.Request, used hold) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), leaveLimit)
	defer cancel()
	if err := h.Broker.LeaveTicket(ctx, used.hash, used.turn); err != nil {
		h.Log.DebugContext(ctx, "a ticket could not be left", slog.String("request_id", requestIDOf(r)), slog.Any("error", err))
	}
}
