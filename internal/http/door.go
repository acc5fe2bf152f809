package http

import (
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/time/rate"

	"eventhub/internal/hub"
)

// door lets nobody in who is not known. What is not public needs a principal, also what
// a route will be added for tomorrow; what is not there is told to anybody.
type door struct {
	*handler
	routes chi.Routes
	next   http.Handler
	// Handshakes in a second; nil: as many as come. Anybody can show a ticket that is not
	// good, so those are counted apart.
	handshakes, tickets *rate.Limiter
}

func newDoor(h *handler, routes chi.Routes, next http.Handler) *door {
	d := &door{handler: h, routes: routes, next: next}
	if n := h.HandshakesPerSecond; n > 0 {
		d.handshakes, d.tickets = rate.NewLimiter(rate.Limit(n), n), rate.NewLimiter(rate.Limit(n), n)
	}
	return d
}

// public says who needs no principal: what probes and generators of clients ask.
func public(path string) bool {
	switch path {
	case "/livez", "/readyz", "/openapi.yaml", "/asyncapi.yaml":
		return true
	}
	return false
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if public(r.URL.Path) {
		d.next.ServeHTTP(w, r)
		return
	}
	rec, ok := w.(*recorder)
	if !ok {
		d.problem(w, r, hub.Errorf(hub.CodeInternal, "nobody can be known here")) // somebody has wrapped what observe made
		return
	}
	err := d.admit(rec, r)
	if rec.ticket.turn > 0 {
		defer d.leave(r, rec.ticket)
	}
	if err != nil && d.leads(r) {
		d.problem(w, r, err)
		return
	}
	d.next.ServeHTTP(w, r)
}

// admit finds out who asks, and counts the request as theirs. What is costly comes after
// what is not; and those whom nobody knows, or who ask for too much, leave the handshakes
// to the others. A ticket takes Redis, and is not to be used up in vain, so with one that
// is counted first.
func (d *door) admit(rec *recorder, r *http.Request) error {
	begins := opens(r)
	shown, err := takeCredential(r, begins)
	if err != nil {
		return err
	}
	switch {
	case shown.ticket != "":
		if err := d.begin(begins, d.tickets); err != nil {
			return err
		}
		rec.who, rec.ticket, err = d.useTicket(r, shown.ticket, begins)
	case shown.token != "":
		rec.tokenShown = true
		rec.who, err = d.Auth.Authenticate(r.Context(), shown.token)
	default:
		rec.who, err = d.Auth.Anonymous(addressOf(r))
	}
	if err != nil {
		rec.who = nil
		return err
	}
	if rec.who == nil {
		return hub.Errorf(hub.CodeUnauthenticated, "it is not known who asks")
	}
	if err := rec.who.Account().Request(); err != nil || shown.ticket != "" {
		return err
	}
	return d.begin(begins, d.handshakes)
}

// begin counts a handshake, if it is one.
func (d *door) begin(what opening, bucket *rate.Limiter) error {
	if what == opensNothing || bucket == nil || bucket.Allow() {
		return nil
	}
	d.Limited("handshakes")
	return &hub.Error{Code: hub.CodeRateLimited, RetryAfter: time.Second, Detail: "too many WebSockets and event streams begin on this hub at the moment (HUB_HANDSHAKES_PER_SECOND)"}
}

// leads says whether there is something where a request goes to.
func (d *door) leads(r *http.Request) bool {
	if d.routes.Match(chi.NewRouteContext(), r.Method, r.URL.Path) {
		return true
	}
	return r.Method == http.MethodHead && d.routes.Match(chi.NewRouteContext(), http.MethodGet, r.URL.Path) // GetHead
}

// addressOf is the IP address that a request has come from. What a proxy says of it is
// not believed.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
