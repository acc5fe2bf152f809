package http_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventhub/internal/auth"

	"eventhub/internal/http"
)

// sink swallows an answer, without allocating anything of its own.
type sink struct {
	header nethttp.Header
	status int
}

func (s *sink) Header() nethttp.Header         { return s.header }
func (s *sink) WriteHeader(status int)         { s.status = status }
func (s *sink) Write(text []byte) (int, error) { return len(text), nil }

// benchmarkPost has a request answered with the engine left out: what is counted is the
// edge's.
func benchmarkPost(b *testing.B, path, body string, want int) {
	b.Helper()
	benchmarkPostAs(b, nil, path, body, want)
}

// benchmarkPostAs is benchmarkPost for who shows a token; nil: for whoever asks.
func benchmarkPostAs(b *testing.B, who http.Authenticator, path, body string, want int) {
	b.Helper()
	refuse := func(nethttp.ResponseWriter, *nethttp.Request, *auth.Principal) error { return nil }
	handler := http.NewServer(http.Options{Broker: &fakeBroker{}, Auth: who, Sink: refuse, Reader: refuse, Broadcast: refuse}).Handler()
	content := bytes.NewReader([]byte(body))
	r := httptest.NewRequestWithContext(b.Context(), nethttp.MethodPost, path, content)
	r.Header.Set("Content-Type", "application/json")
	r.Body = io.NopCloser(content)
	w := &sink{header: nethttp.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		content.Reset([]byte(body))
		clear(w.header)
		if who != nil {
			r.Header["Authorization"] = bearer
		}
		handler.ServeHTTP(w, r)
		if w.status != want {
			b.Fatalf("answered %d, want %d", w.status, want)
		}
	}
}

// postedEvent is one as clients publish it, of about 300 bytes.
var postedEvent = fmt.Sprintf(`{"type":"order.created","topic":"eu.de","key":"customer-42","data":{"x":%q}}`, strings.Repeat("x", 200))

func postedArray(n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(postedEvent+",", n), ",") + "]"
}

func BenchmarkPostEvent(b *testing.B) {
	benchmarkPost(b, "/v1/streams/orders/events", postedEvent, nethttp.StatusCreated)
}

// keyring is one key.
type keyring struct {
	http.Authenticator
	who *auth.Principal
}

func (k keyring) Authenticate(context.Context, string) (*auth.Principal, error) { return k.who, nil }

var bearer = []string{"Bearer hub_0123456789012345678901234567890123456789012"}

// BenchmarkPostEventWithKey is of who may publish to the stream by one of some
// permissions, with a bound that is never met.
func BenchmarkPostEventWithKey(b *testing.B) {
	grant := auth.Grant{Permissions: []auth.Permission{
		{Allow: []string{"subscribe"}, Channels: []string{"room-*"}}, {Allow: []string{"publish"}, Streams: []string{"orders", "shop.**"}},
	}}
	who, err := auth.New("key:shop", grant, noEnd, auth.NewAccount(auth.Limits{Requests: 1e9, Events: 1e9}, 1000))
	if err != nil {
		b.Fatal(err)
	}
	benchmarkPostAs(b, keyring{who: who}, "/v1/streams/orders/events", postedEvent, nethttp.StatusCreated)
}

// BenchmarkPostRefused is of who may not publish to the stream, and asks all the same: how
// many do is not up to the hub.
func BenchmarkPostRefused(b *testing.B) {
	grant := auth.Grant{Permissions: []auth.Permission{{Allow: []string{"publish"}, Streams: []string{"shop.**"}}}}
	who, err := auth.New("key:shop", grant, noEnd, nil)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkPostAs(b, keyring{who: who}, "/v1/streams/orders/events", postedEvent, nethttp.StatusForbidden)
}

func BenchmarkPostArrayOf100(b *testing.B) {
	benchmarkPost(b, "/v1/streams/orders/events", postedArray(100), nethttp.StatusCreated)
}

func BenchmarkPostBroadcast(b *testing.B) {
	benchmarkPost(b, "/v1/broadcast/room", postedEvent, nethttp.StatusAccepted)
}
