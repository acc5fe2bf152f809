package http_test

import (
	"encoding/json"
	nethttp "net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

type ticketAnswer struct {
	Ticket  string
	Expires time.Time `json:"expires_at"`
}

// askTicket has the token "good" make a ticket.
func askTicket(t *testing.T, e *edge, body string, header ...string) ticketAnswer {
	t.Helper()
	a := e.call("POST", "/v1/tickets", body, append(header, "Authorization: Bearer good")...)
	var got ticketAnswer
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || a.Code != nethttp.StatusCreated || a.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("it is answered %d %v %s (%v)", a.Code, a.Header(), a.Body, err)
	}
	return got
}

func madeTicket(t *testing.T, e *edge, header ...string) string {
	t.Helper()
	return askTicket(t, e, "", header...).Ticket
}

func TestTicketIsKeptByItsHashOnly(t *testing.T) {
	t.Parallel()
	e, _ := keyed(t, everything)
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for body, ttl := range map[string]time.Duration{"": 30 * time.Second, `{"ttl":"2s"}`: 2 * time.Second, `{"ttl":"5m"}`: 5 * time.Minute} {
		got := askTicket(t, e, body)
		if left := time.Until(got.Expires); left > ttl || left < ttl-patience || !form.MatchString(got.Ticket) || seen[got.Ticket] {
			t.Errorf("%q is answered %+v, %s from now", body, got, left)
		}
		seen[got.Ticket] = true
	}
	for hash, kept := range e.broker.kept {
		if seen[hash] || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(hash) || string(kept.Principal) != "good" || time.Until(kept.Until) > 24*time.Hour {
			t.Errorf("%q is kept as %+v", hash, kept)
		}
	}
	for _, body := range []string{`{"ttl":"0s"}`, `{"ttl":"6m"}`, `{"x":1}`, `[]`} {
		e.call("POST", "/v1/tickets", body, "Authorization: Bearer good").problem(hub.CodeInvalidRequest)
	}
	e.call("POST", "/v1/tickets?x=1", "", "Authorization: Bearer good").problem(hub.CodeInvalidRequest)
}

func TestTicketLivesNoLongerThanItsToken(t *testing.T) {
	t.Parallel()
	end := time.Now().Add(10 * time.Second).Truncate(time.Millisecond)
	e := newEdgeWith(t, http.Options{Auth: knowing("good", granted(t, end, auth.Limits{}, everything))})
	if got := askTicket(t, e, ""); !got.Expires.Equal(end) {
		t.Errorf("it expires at %s, its token at %s", got.Expires, end)
	}
	for _, kept := range e.broker.kept {
		if !kept.Until.Equal(end) {
			t.Errorf("it may come again until %s, its token is good until %s", kept.Until, end)
		}
	}
}

func TestTokenThatHasExpiredMakesNoTicket(t *testing.T) {
	t.Parallel()
	e := newEdgeWith(t, http.Options{Auth: knowing("good", granted(t, time.Now().Add(-time.Second), auth.Limits{}, everything))})
	e.call("POST", "/v1/tickets", "", "Authorization: Bearer good").problem(hub.CodeUnauthenticated)
}

func TestSocketUsesATicketUp(t *testing.T) {
	t.Parallel()
	e, who := keyed(t, everything)
	e.socket = func(w nethttp.ResponseWriter, r *nethttp.Request, got *auth.Principal) error {
		if got != who.known["good"] || r.URL.RawQuery != "channel=room-1" {
			t.Errorf("the socket is asked %q by %s", r.URL.RawQuery, got.ID())
		}
		w.WriteHeader(nethttp.StatusNoContent)
		return nil
	}
	for _, path := range []string{upgrade + "&ticket=", "/v1/broadcast/ws?ticket="} {
		ticket := madeTicket(t, e)
		after := ""
		if strings.HasSuffix(path, "?ticket=") {
			after = "&channel=room-1"
		}
		e.call("GET", path+ticket+after, "").nothing()
		p := e.call("GET", path+ticket+after, "").problem(hub.CodeUnauthenticated)
		if strings.Contains(p.Detail, ticket) {
			t.Errorf("the ticket is repeated: %s", p.Detail)
		}
	}
}

func TestTicketThatDoesNotWorkIsUnauthenticated(t *testing.T) {
	t.Parallel()
	e, who := keyed(t, everything)
	e.broker.give(newFakeReader())
	for _, ticket := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 44), strings.Repeat("A", 42) + "%41", strings.Repeat("A", 42) + "+"} {
		a := e.call("GET", readerPath+"&ticket="+ticket, "")
		a.problem(hub.CodeUnauthenticated)
		if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="eventhub"` {
			t.Errorf("the challenge is %q", got)
		}
	}
	ticket := madeTicket(t, e)
	e.broker.fakeTickets.set(func() { e.broker.down = &hub.Error{Code: hub.CodeUnavailable, Detail: "Redis is away"} })
	e.call("GET", readerPath+"&ticket="+ticket, "").problem(hub.CodeUnavailable)
	e.broker.fakeTickets.set(func() { e.broker.down = nil })
	who.known = nil // the key was taken away
	e.call("GET", readerPath+"&ticket="+ticket, "").problem(hub.CodeUnauthenticated)
}

func TestTicketIsForTheOriginThatAskedForIt(t *testing.T) {
	t.Parallel()
	const own, app = "https://example.com", "https://app.example.com"
	for _, c := range []struct {
		made string // the Origin with which the ticket is made; "": a program
		path string
		used []string // the headers with which it is used
		ok   bool
	}{
		{app, upgrade, []string{"Origin: " + app}, true},
		{app, upgrade, []string{"Origin: https://b.example.com"}, false},
		{app, upgrade, []string{"Origin: " + own}, false},
		{app, upgrade, nil, false},
		{"", upgrade, nil, true},
		{"", upgrade, []string{"Origin: " + app}, false},
		{own, upgrade, []string{"Origin: " + own}, true},
		{own, upgrade, nil, false}, // browsers say who opens a WebSocket
		{app, readerPath, []string{"Origin: " + app}, true},
		{app, readerPath, nil, false},
		{"", readerPath, []string{"Origin: " + app}, false},
		{own, readerPath, nil, true}, // of the page's own host there is no Origin
		{own, readerPath, []string{"Sec-Fetch-Site: same-origin"}, true},
		{own, readerPath, []string{"Sec-Fetch-Site: cross-site"}, false},
		{own, readerPath, []string{"Sec-Fetch-Site: none"}, false},
		{own, readerPath, []string{"Origin: " + app}, false},
	} {
		e := newEdgeWith(t, http.Options{Auth: knowing("good", may(t, everything)), Origins: origins(t, "https://*.example.com")})
		e.socket = func(w nethttp.ResponseWriter, _ *nethttp.Request, _ *auth.Principal) error {
			w.WriteHeader(nethttp.StatusOK)
			return nil
		}
		r := newFakeReader()
		r.ended = gone
		e.broker.give(r)
		var header []string
		if c.made != "" {
			header = []string{"Origin: " + c.made}
		}
		a := e.call("GET", c.path+"&ticket="+madeTicket(t, e, header...), "", c.used...)
		if want := map[bool]int{true: 200, false: 401}[c.ok]; a.Code != want {
			t.Errorf("a ticket made with %q and used with %q at %s is answered %d %s, want %d", c.made, c.used, c.path, a.Code, a.Body, want)
		}
	}
}

func TestEventStreamMayComeAgainWithItsTicket(t *testing.T) {
	t.Parallel()
	e, _ := keyed(t, everything)
	e.broker.read, e.broker.subscribe = nil, nil
	r := newFakeReader()
	r.ended = gone
	e.broker.give(r)
	ticket := madeTicket(t, e)
	for range 3 { // once its connection has ended, at once
		if a := e.call("GET", readerPath+"&ticket="+ticket, "", "Last-Event-ID: 5-0"); a.Code != 200 {
			t.Fatalf("it is answered %d %s", a.Code, a.Body)
		}
		receive(t, r.closed, "the reader's end")
	}
	// Elsewhere it is good for nothing, and that does not spoil it.
	e.call("GET", "/v1/readers/sse?stream=other&ticket="+ticket, "").problem(hub.CodeUnauthenticated)
	e.call("GET", upgrade+"&ticket="+ticket, "").problem(hub.CodeUnauthenticated)
	// What is wrong with the request does not use it up either.
	fresh := madeTicket(t, e)
	for range 2 {
		e.call("GET", readerPath+"&from=x&ticket="+fresh, "").problem(hub.CodeInvalidRequest)
	}
	if a := e.call("GET", readerPath+"&ticket="+ticket, ""); a.Code != 200 {
		t.Errorf("it is answered %d %s", a.Code, a.Body)
	}
}
