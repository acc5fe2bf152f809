package http_test

import (
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"eventhub/internal/auth"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

const publishPath = "/v1/streams/orders/events"

// keyed is an edge that knows the token "good".
func keyed(t *testing.T, permissions ...string) (*edge, *fakeAuth) {
	t.Helper()
	who := knowing("good", may(t, permissions...))
	return newEdgeWith(t, http.Options{Auth: who}), who
}

func TestTokenOfTheHeaderSaysWhoAsks(t *testing.T) {
	t.Parallel()
	for value, shown := range map[string]string{
		"Bearer good": "good", "bearer good": "good", "BEARER   good ": "good", "Bearer bad": "bad", "Bearer a b": "a b",
		"": "", "Bearer": "", "Bearer ": "", "Bearergood": "", "Basic Z29vZA==": "", "good": "",
	} {
		e, who := keyed(t, everything)
		r := httptest.NewRequestWithContext(t.Context(), "POST", publishPath, strings.NewReader(`{"data":1}`))
		if value != "" {
			r.Header.Set("Authorization", value)
		}
		a := e.send(r)
		if shown == "" && len(who.asked) > 0 || shown != "" && !slices.Equal(who.asked, []string{shown}) {
			t.Errorf("%q shows %q, want %q", value, who.asked, shown)
		}
		if shown == "good" {
			a.is(201, `{"id":"1763650000000-0","stream":"orders"}`)
			continue
		}
		a.problem(hub.CodeUnauthenticated)
		want := `Bearer realm="eventhub"`
		if shown != "" {
			want += `, error="invalid_token"`
		}
		if got := a.Header().Get("WWW-Authenticate"); got != want {
			t.Errorf("with %q the challenge is %q, want %q", value, got, want)
		}
	}
}

func TestWhoShowsNothingIsKnownByTheirAddress(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{"192.0.2.1:1234": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1"} {
		who := opened(may(t, everything))
		e := newEdgeWith(t, http.Options{Auth: who})
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/streams", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.Header.Set("Forwarded", "for=203.0.113.9")
		if a := e.send(r); a.Code != 200 || !slices.Equal(who.addresses, []string{want}) {
			t.Errorf("%s is %q, want %q; it is answered %d", remote, who.addresses, want, a.Code)
		}
	}
}

func TestWhatIsNotThereIsToldToAnybody(t *testing.T) {
	t.Parallel()
	e, _ := keyed(t)
	for _, request := range []string{"GET /nowhere", "GET /v1/nothing", "GET /", "POST /v1/streams/a/b/events", "HEAD /nowhere"} {
		method, path, _ := strings.Cut(request, " ")
		if a := e.call(method, path, ""); a.Code != nethttp.StatusNotFound {
			t.Errorf("%s is answered %d %s", request, a.Code, a.Body)
		}
	}
	for _, request := range []string{"PATCH /v1/streams/orders", "OPTIONS /v1/events", "DELETE /livez", "GET /v1/tickets"} {
		method, path, _ := strings.Cut(request, " ")
		e.call(method, path, "", "Authorization: Bearer bad").problem(hub.CodeMethodNotAllowed)
	}
	for _, request := range []string{"HEAD /v1/streams/orders", "HEAD /metrics", "GET /v1/streams/%6frders", "POST /v1/streams/a%2Fb"} {
		method, path, _ := strings.Cut(request, " ")
		if a := e.call(method, path, ""); a.Code != nethttp.StatusUnauthorized && a.Code != nethttp.StatusNotFound {
			t.Errorf("%s is answered %d %s", request, a.Code, a.Body)
		}
	}
}

func TestPreflightsNeedNoToken(t *testing.T) {
	t.Parallel()
	e := newEdgeWith(t, http.Options{Origins: origins(t, "https://app.example.com"), Auth: knowing("good", nil)})
	a := e.preflight("POST "+publishPath, "authorization,content-type")
	if a.Code != 200 || a.Header().Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" {
		t.Errorf("it is answered %d %v", a.Code, a.Header())
	}
}

func TestTokensThatCannotBeCheckedNowAreNotRefusedForGood(t *testing.T) {
	t.Parallel()
	e, who := keyed(t)
	who.down = true
	if a := e.call("GET", "/v1/streams", "", "Authorization: Bearer x"); a.Header().Get("Retry-After") == "" || a.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("the answer has %v", a.Header())
	} else {
		a.problem(hub.CodeUnavailable)
	}
}

// careless forgets to say who asks.
type careless struct{ fakeAuth }

func (*careless) Anonymous(string) (*auth.Principal, error) { return nil, nil } //nolint:nilnil // that is its fault

func TestNobodyIsLetInAsNobody(t *testing.T) {
	t.Parallel()
	e := newEdgeWith(t, http.Options{Auth: &careless{}})
	for _, path := range []string{"/v1/streams", "/v1/channels", "/metrics", "/v1/readers/ws?stream=orders"} {
		e.call("GET", path, "").problem(hub.CodeUnauthenticated)
	}
}

const upgrade = "/v1/broadcast/ws?channel=room-1"

func TestTokenMayBeASubprotocolOfASocket(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offered []string
		status  int
		left    string
	}{
		{[]string{"hub.v1, hub.bearer.good"}, 204, "hub.v1"},
		{[]string{"hub.bearer.good,hub.v1"}, 204, "hub.v1"},
		{[]string{"hub.bearer.good", "hub.v1"}, 204, "hub.v1"},
		{[]string{"hub.v1 , chat,\thub.bearer.good"}, 204, "hub.v1, chat"},
		{[]string{"hub.bearer.good"}, 400, ""},
		{[]string{"hub.bearer.good, chat"}, 400, ""},
		{[]string{"hub.v1, hub.bearer.good, hub.bearer.good"}, 400, ""},
		{[]string{"hub.v1, hub.bearer.bad"}, 401, ""},
		{[]string{"hub.v1, hub.bearer."}, 401, ""},
		{[]string{"hub.v1"}, 401, ""},
	} {
		e, _ := keyed(t, everything)
		var left []string
		e.socket = func(w nethttp.ResponseWriter, r *nethttp.Request, _ *auth.Principal) error {
			left = r.Header["Sec-Websocket-Protocol"]
			w.WriteHeader(nethttp.StatusNoContent)
			return nil
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", upgrade, nil)
		r.Header["Sec-Websocket-Protocol"] = c.offered
		a := e.send(r)
		if a.Code != c.status || strings.Join(left, ";") != c.left {
			t.Errorf("%q is answered %d and goes on as %q, want %d and %q", c.offered, a.Code, left, c.status, c.left)
		}
		if c.status == 401 && strings.Contains(c.offered[0], "bad") && !strings.Contains(a.Header().Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("the challenge is %q", a.Header().Get("WWW-Authenticate"))
		}
	}
	// Other routes have no subprotocols.
	e, _ := keyed(t, everything)
	e.call("GET", "/v1/streams", "", "Sec-WebSocket-Protocol: hub.v1, hub.bearer.good").problem(hub.CodeUnauthenticated)
}

func TestTwoWaysToSayWhoAsksAreOneTooMany(t *testing.T) {
	t.Parallel()
	e, who := keyed(t, everything)
	const bearer, protocol = "Authorization: Bearer good", "Sec-WebSocket-Protocol: hub.v1, hub.bearer.good"
	for _, c := range []struct {
		path   string
		header []string
	}{
		{upgrade, []string{bearer, protocol}},
		{upgrade + "&ticket=x", []string{bearer}},
		{upgrade + "&ticket=x", []string{protocol}},
		{upgrade + "&ticket=x&ticket=x", nil},
		{"/v1/readers/sse?ticket=x&stream=orders", []string{bearer}},
	} {
		p := e.call("GET", c.path, "", c.header...).problem(hub.CodeInvalidRequest)
		if !strings.Contains(p.Detail, "more than once") {
			t.Errorf("%s with %q: the detail is %s", c.path, c.header, p.Detail)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/streams", nil)
	r.Header["Authorization"] = []string{"Bearer good", "Bearer good"}
	e.send(r).problem(hub.CodeInvalidRequest)
	if len(who.asked) > 0 {
		t.Errorf("tokens were looked at: %q", who.asked)
	}
}

func TestTokensInTheQueryAreUnknownParameters(t *testing.T) {
	t.Parallel()
	e, _ := keyed(t, everything)
	for _, path := range []string{
		"/v1/streams?access_token=good", "/v1/streams?token=good", "/v1/streams/orders?ticket=x", "/v1/readers/sse?stream=orders&token=good",
		"/v1/readers/sse?stream=orders&t%69cket=x", "/v1/streams/orders/events?ticket=x",
	} {
		e.call("GET", path, "").problem(hub.CodeUnauthenticated)
		e.call("GET", path, "", "Authorization: Bearer good").problem(hub.CodeInvalidRequest)
	}
}

// What a handler does not see it can neither log nor echo.
func TestSecretsAreTakenOffTheRequest(t *testing.T) {
	t.Parallel()
	e, _ := keyed(t, everything)
	var seen *nethttp.Request
	e.socket = func(_ nethttp.ResponseWriter, r *nethttp.Request, _ *auth.Principal) error {
		seen = r
		return hub.Errorf(hub.CodeUpgradeRequired, "no")
	}
	secret := madeTicket(t, e)
	for _, c := range []struct{ path, header string }{
		{upgrade + "&ticket=" + secret + "&topic=a", "X: y"}, {upgrade, "Authorization: Bearer good"}, {upgrade, "Sec-WebSocket-Protocol: hub.v1, hub.bearer.good"},
	} {
		a := e.call("GET", c.path, "", c.header)
		a.problem(hub.CodeUpgradeRequired)
		var text strings.Builder
		_ = seen.Header.Write(&text)
		text.WriteString(seen.URL.String() + seen.RequestURI)
		_ = a.Header().Write(&text)
		if strings.Contains(text.String(), "good") || strings.Contains(text.String(), secret) {
			t.Errorf("%s with %s is seen as %s", c.path, c.header, text.String())
		}
	}
}

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestRequestsAreCountedBeforeTheirBodiesAreRead(t *testing.T) {
	t.Parallel()
	who := knowing("good", granted(t, noEnd, auth.Limits{Requests: 3}, everything))
	e := newEdgeWith(t, http.Options{Auth: who})
	for i := range 4 {
		if i < 3 {
			e.call("GET", "/v1/streams", "", "Authorization: Bearer good").is(200, `{"streams":[]}`)
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", publishPath, untouched{t})
		r.Header.Set("Authorization", "Bearer good")
		a := e.send(r)
		a.problem(hub.CodeRateLimited)
		if a.Header().Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
	}
	e.call("GET", "/livez", "").is(200, `{"status":"ok"}`)
}

func TestPermissionsAreLookedAtBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	e, _ := keyed(t, `{"allow":["manage"],"streams":["other"]}`)
	for route, n := range needs {
		method, path, _ := strings.Cut(fill.Replace(route)+parameters[route], " ")
		if n.body == "" || route == "POST /v1/events" { // whose streams are in the body
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), method, path, untouched{t})
		r.Header.Set("Authorization", "Bearer good")
		e.send(r).problem(hub.CodeForbidden)
	}
}

func TestTooManyEventsOfOnePrincipalAreRefusedAndNotStored(t *testing.T) {
	t.Parallel()
	for path, body := range map[string]string{
		publishPath: `[{"data":1},{"data":2}]`, "/v1/broadcast/room-1": `[{"data":1},{"data":2}]`, "/v1/events": `[{"stream":"a","data":1},{"stream":"b","data":2}]`,
	} {
		e := newEdgeWith(t, http.Options{Auth: opened(granted(t, noEnd, auth.Limits{Events: 3}, everything))})
		var stored atomic.Int64 // parts are published side by side
		e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
			stored.Add(int64(len(p.Events)))
			return hub.Published{IDs: make([]hub.ID, len(p.Events))}, nil
		}
		e.broker.broadcast = func(_ string, events []hub.Event) ([]string, error) {
			stored.Add(int64(len(events)))
			return make([]string, len(events)), nil
		}
		if a := e.call("POST", path, body); a.Code >= 300 || stored.Load() != 2 {
			t.Errorf("%s is answered %d %s, and %d events were stored", path, a.Code, a.Body, stored.Load())
		}
		e.call("POST", path, body).problem(hub.CodeRateLimited)
		if stored.Load() != 2 {
			t.Errorf("%s has stored %d events, want 2", path, stored.Load())
		}
	}
}

func TestFailureOfTheAuthenticatorTellsTheClientNothing(t *testing.T) {
	t.Parallel()
	e := newEdgeWith(t, http.Options{Auth: failing{}})
	if a := e.call("GET", "/v1/streams", "", "Authorization: Bearer x"); a.Code != 500 || strings.Contains(a.Body.String(), "hunter2") {
		t.Errorf("it is answered %d %s", a.Code, a.Body)
	}
}

type failing struct{ *fakeAuth }

func (failing) Authenticate(context.Context, string) (*auth.Principal, error) {
	return auth.Everybody(), errors.New("hunter2")
}
