package http_test

import (
	"context"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

const page = "Origin: https://app.example.com"

// preflight asks whether a page of https://app.example.com may send the request.
func (e *edge) preflight(request, headers string) answer {
	e.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	header := []string{page, "Access-Control-Request-Method: " + method}
	if headers != "" {
		header = append(header, "Access-Control-Request-Headers: "+headers)
	}
	return e.call("OPTIONS", path, "", header...)
}

func TestListedPagesMaySendAndReadWhatTheAPIHas(t *testing.T) {
	t.Parallel()
	for list, told := range map[string]string{"https://*.example.com": "https://app.example.com", "*": "*"} {
		e := newEdgeWith(t, http.Options{Origins: origins(t, list)})
		for _, route := range routes(t) {
			request := fill.Replace(route)
			a := e.preflight(request, "authorization,content-type,idempotency-key,last-event-id,x-request-id")
			method, path, _ := strings.Cut(request, " ")
			header := a.Header()
			if a.Code != nethttp.StatusOK || header.Get("Access-Control-Allow-Origin") != told || header.Get("Access-Control-Allow-Methods") != method ||
				header.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, Idempotency-Key, Last-Event-Id, X-Request-Id" ||
				header.Get("Access-Control-Max-Age") != "7200" || header.Get("Access-Control-Allow-Credentials") != "" ||
				!slices.Equal(header.Values("Vary"), []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"}) {
				t.Errorf("the preflight of %s is answered %d %v", request, a.Code, header)
			}
			header = e.call(method, path, `{"data":1}`, page).Header()
			if header.Get("Access-Control-Allow-Origin") != told || !slices.Equal(header.Values("Vary"), []string{"Origin"}) ||
				header.Get("Access-Control-Expose-Headers") != "X-Request-Id, Idempotency-Replayed, Retry-After, Allow, Www-Authenticate" {
				t.Errorf("%s is answered with %v", request, header)
			}
		}
	}
}

func TestPreflightsAskNothingOfTheEngine(t *testing.T) {
	t.Parallel()
	e := newEdgeWith(t, http.Options{Origins: origins(t, "https://app.example.com")})
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
		t.Error("something was published")
		return hub.Published{}, nil
	}
	const publish = "POST /v1/streams/orders/events"
	for headers, allowed := range map[string]bool{
		"": true, "content-type": true, "ce-specversion,ce-id,ce-source,ce-type,ce-subject,ce-time,ce-dataschema,ce-partitionkey,ce-traceparent": true,
		"ce-mine": false, "x-forwarded-for": false, "content-type,cookie": false,
	} {
		if got := e.preflight(publish, headers).Header().Get("Access-Control-Allow-Origin") != ""; got != allowed {
			t.Errorf("the headers %q are allowed: %v", headers, got)
		}
	}
	for request, allowed := range map[string]bool{publish: true, "TRACE /v1/events": false, "PATCH /v1/events": false} {
		if got := e.preflight(request, "").Header().Get("Access-Control-Allow-Origin") != ""; got != allowed {
			t.Errorf("%s is allowed: %v", request, got)
		}
	}
	// What does not ask for leave is no preflight.
	e.call("OPTIONS", "/v1/streams/orders/events", "", page).problem(hub.CodeMethodNotAllowed)
}

func TestPagesOfOtherOriginsAreToldNothing(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"", "https://b.example"} {
		e := newEdgeWith(t, http.Options{Origins: origins(t, list)})
		for _, a := range []answer{
			e.preflight("POST /v1/streams/orders/events", "content-type"),
			e.call("GET", "/v1/streams/orders", "", page),
			e.call("GET", "/v1/streams/orders", "", "Origin: null"),
		} {
			a.problem(hub.CodeForbidden)
			for name := range a.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("it is told %s: %v", name, a.Header())
				}
			}
			if !slices.Equal(a.Header().Values("Vary"), []string{"Origin"}) {
				t.Errorf("a cache could give the refusal to others: %v", a.Header())
			}
		}
	}
}

func TestPagesOfTheHostNeedNoLeave(t *testing.T) {
	t.Parallel()
	for list, vary := range map[string]string{"": "", "https://app.example.com": "Origin"} {
		e := newEdgeWith(t, http.Options{Origins: origins(t, list)})
		for _, header := range [][]string{nil, {"Origin: https://example.com"}} {
			a := e.call("POST", "/v1/streams/orders/events", `{"data":1}`, header...)
			if a.Code != 201 || a.Header().Get("Access-Control-Allow-Origin") != "" || a.Header().Get("Vary") != vary {
				t.Errorf("with %q listed, %q is answered %d %v", list, header, a.Code, a.Header())
			}
		}
		e.call("OPTIONS", "/v1/streams/orders/events", "", "Origin: https://example.com", "Access-Control-Request-Method: POST").problem(hub.CodeMethodNotAllowed)
	}
}

// Programs, which send no Origin, do not pay for the looks at it.
func TestLooksAtRequestsWithoutAnOriginAllocateNothing(t *testing.T) {
	const name = "hub.example.com"
	metrics := nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {})
	asked := func(origins http.Origins, local bool, host string) float64 {
		handler := http.NewAdminServer(&http.Admin{Metrics: metrics}, origins, local, slog.New(slog.DiscardHandler)).Handler()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
		r.Host = host
		w := &sink{header: nethttp.Header{}}
		return testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) })
	}
	for _, host := range []string{"127.0.0.1:8080", "[::1]:8080", "localhost:8080", name + ":8080"} {
		without, with := asked(http.Origins{}, false, host), asked(origins(t, "https://"+name), true, host)
		if with > without {
			t.Errorf("asked as %s there are %v allocations, without what is looked at %v", host, with, without)
		}
	}
}
