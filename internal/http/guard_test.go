package http_test

import (
	"log/slog"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/auth"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

func origins(t *testing.T, list string) http.Origins {
	t.Helper()
	origins, err := http.ParseOrigins(list)
	if err != nil {
		t.Fatal(err)
	}
	return origins
}

// asked is a request for example.com, as a browser or a program sends it.
type asked struct {
	by      string
	header  []string
	refused bool // whatever is asked
	changes bool // refused where something would change
}

// askers are all sorts of them, of a hub that lists https://app.example.com.
var askers = []asked{
	{by: "a program"},
	{by: "a page of the host", header: []string{"Origin: http://example.com", "Sec-Fetch-Site: same-origin"}},
	{by: "a page of the host, behind a proxy with TLS", header: []string{"Origin: https://example.com"}},
	{by: "a page of the host in other letters", header: []string{"Origin: https://Example.COM"}},
	{by: "a page of the host that sends no Origin", header: []string{"Sec-Fetch-Site: same-origin"}},
	{by: "somebody who types the address", header: []string{"Sec-Fetch-Site: none"}},
	{by: "a page that is listed", header: []string{"Origin: https://app.example.com", "Sec-Fetch-Site: same-site"}},

	{by: "a page of another site", header: []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, refused: true},
	{by: "a page of another port", header: []string{"Origin: http://example.com:8080"}, refused: true},
	{by: "a page of another scheme than that listed", header: []string{"Origin: http://app.example.com"}, refused: true},
	{by: "a file, or a sandboxed frame", header: []string{"Origin: null"}, refused: true},
	{by: "an Origin of nothing", header: []string{"Origin: "}, refused: true},
	{by: "an Origin that is none", header: []string{"Origin: example.com"}, refused: true},
	{by: "an Origin with the host behind it", header: []string{"Origin: https://evil.example/://example.com"}, refused: true},
	{by: "a page that a proxy vouches for", header: []string{"Origin: https://evil.example", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"}, refused: true},
	{by: "a page of another site that says it is of this one", header: []string{"Origin: https://evil.example", "Sec-Fetch-Site: same-origin"}, refused: true},
	{by: "a form of another site", header: []string{"Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"}, refused: true},
	{by: "a link on another site", header: []string{"Sec-Fetch-Site: cross-site"}, changes: true},
	{by: "a link on a site of the same domain", header: []string{"Sec-Fetch-Site: same-site"}, changes: true},
	{
		by: "a WebSocket of another site", header: []string{
			"Origin: https://evil.example", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
		}, refused: true,
	},
}

var fill = strings.NewReplacer("{stream}", "orders", "{sink}", "billing", "{channel}", "room-1", "{id}", "1-0")

func TestOtherSitesAreRefusedOnEveryRouteBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	socket := func(nethttp.ResponseWriter, *nethttp.Request, *auth.Principal) error { panic("a socket was asked") }
	listed := origins(t, "https://app.example.com")
	served := newEdgeWith(t, http.Options{Origins: listed, Auth: opened(may(t, everything))})
	// Without an engine whatever is asked of it panics, which is 500.
	idle := &edge{t: t, server: http.NewServer(http.Options{Sink: socket, Reader: socket, Broadcast: socket, Origins: listed})}
	for _, route := range append(routes(t), "GET /nowhere", "PATCH /v1/events", "OPTIONS /v1/events") {
		method, path, _ := strings.Cut(fill.Replace(route), " ")
		for _, asker := range askers {
			if asker.refused || asker.changes && !slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, method) {
				p := idle.call(method, path, `{"data":1}`, asker.header...).problem(hub.CodeForbidden)
				if !strings.Contains(p.Detail, "HUB_ALLOWED_ORIGINS") {
					t.Errorf("%s for %s: the detail does not name the setting: %s", route, asker.by, p.Detail)
				}
			} else if a := served.call(method, path, `{"data":1}`, asker.header...); a.Code == nethttp.StatusForbidden {
				t.Errorf("%s for %s is answered %d %s", route, asker.by, a.Code, a.Body)
			}
		}
	}
}

func TestTwoOriginsAreOneTooMany(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/livez", nil)
	r.Header["Origin"] = []string{"https://example.com", "https://evil.example"}
	newEdge(t).send(r).problem(hub.CodeForbidden)
}

func TestHostThatIsMissingIsTheOriginOfNobody(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"null", "file://", "", "https://"} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/livez", nil)
		r.Host = ""
		r.Header.Set("Origin", origin)
		newEdge(t).send(r).problem(hub.CodeForbidden)
	}
}

func TestRefusedRequestsAreCounted(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("POST", "/v1/streams/orders/events", `{"data":1}`, "Origin: https://evil.example").problem(hub.CodeForbidden)
	want := map[string]string{"name": "hub_http_requests_total", "route": "none", "method": "POST", "status": "403"}
	if got := e.series(); !slices.ContainsFunc(got, func(labels map[string]string) bool { return maps.Equal(labels, want) }) {
		t.Errorf("counted is %v, want %v", got, want)
	}
}

// A name that is made to lead to a hub on loopback is of the same origin as the page that
// it was made for.
func TestHubOnLoopbackIsAskedOnlyByNamesThatCannotBeAnotherSites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list, host string
		answered   bool
	}{
		{"", "127.0.0.1:8080", true},
		{"", "127.0.0.1", true},
		{"", "[::1]:8080", true},
		{"", "[::1]", true},
		{"", "192.168.1.7:8080", true}, // of a proxy, say
		{"", "localhost:8080", true},
		{"", "LocalHost", true},
		{"", "localhost.:8080", true},
		{"", "hub.localhost:8080", true},
		{"", "", true},
		{"", "evil.example", false},
		{"", "evil.example:8080", false},
		{"", "localhost.evil.example", false},
		{"", "evillocalhost", false},
		{"", "127.0.0.1.evil.example", false},
		{"", "hub", false},
		{"https://hub.example.com", "hub.example.com", true},
		{"https://hub.example.com:8443", "hub.example.com:8080", true}, // names are what others can give away
		{"https://hub.example.com", "HUB.example.com.", true},
		{"https://hub.example.com", "evil.example", false},
		{"https://hub.example.com", "localhost", true},
		{"https://*.example.com", "hub.example.com", true},
		{"https://*.example.com", "example.com", false},
		{"*", "evil.example", true},
	} {
		for local, answered := range map[bool]bool{true: c.answered, false: true} {
			e := newEdgeWith(t, http.Options{Origins: origins(t, c.list), Local: local})
			for _, origin := range []string{"", "http://" + c.host} {
				if origin == "http://" {
					continue
				}
				r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/streams/orders/events", strings.NewReader(`{"data":1}`))
				if r.Host = c.host; origin != "" {
					r.Header.Set("Origin", origin)
				}
				a := e.send(r)
				if answered && a.Code != 201 {
					t.Errorf("with %q listed, Host %q and Origin %q are answered %d %s", c.list, c.host, origin, a.Code, a.Body)
				} else if !answered && !strings.Contains(a.problem(hub.CodeForbidden).Detail, "HUB_ALLOWED_ORIGINS") {
					t.Errorf("the detail does not name the setting: %s", a.Body)
				}
			}
		}
	}
}

func TestMetricsOnAListenerOfTheirOwnAreGuardedToo(t *testing.T) {
	t.Parallel()
	metrics := nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {})
	e := &edge{t: t, server: http.NewAdminServer(&http.Admin{Metrics: metrics}, http.Origins{}, true, slog.New(slog.DiscardHandler))}
	for host, want := range map[string]int{"localhost:9090": 200, "evil.example:9090": 403} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
		r.Host = host
		if a := e.send(r); a.Code != want {
			t.Errorf("%s is answered %d %s, want %d", host, a.Code, a.Body, want)
		}
	}
}
