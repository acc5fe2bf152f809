package http

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// requestIDHeader has the id of a request: its answer's, and afterwards its own, too.
const requestIDHeader = "X-Request-Id"

// requestID gives every request an id: the caller's X-Request-Id when it is
// plain, or a new one, that begins as all of this server's do.
func requestID(next http.Handler) http.Handler {
	var requests atomic.Uint64
	server := strings.ReplaceAll(uuid.NewString(), "-", "")[:16] + "-"
	nosniff := []string{"nosniff"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header[requestIDHeader]
		if len(id) != 1 || !plainID(id[0]) {
			var text [40]byte
			id = []string{string(strconv.AppendUint(append(text[:0], server...), requests.Add(1), 10))}
			r.Header[requestIDHeader] = id // a context would copy the request
		}
		header := w.Header()
		header[requestIDHeader] = id
		header["X-Content-Type-Options"] = nosniff // no answer is a page
		next.ServeHTTP(w, r)
	})
}

func requestIDOf(r *http.Request) string { return r.Header.Get(requestIDHeader) }

func plainID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hub_http_requests_total", Help: "HTTP requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hub_http_request_seconds", Help: "Duration of HTTP requests by route; upgraded ones are left out.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"route"}),
	}
	registry.MustRegister(m.requests, m.seconds)
	return m
}

// observe counts requests. Labels are the router's own patterns.
func (h *handler) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		if h.AccessLog != nil {
			h.logAccess(r, rec, time.Since(began))
		}
		if rec.series != nil && rec.status == http.StatusCreated && !rec.hijacked {
			rec.series.count().Inc()
			rec.series.seconds().Observe(time.Since(began).Seconds())
			return
		}
		route := rec.route
		if route == "" || rec.status == http.StatusNotFound && route == "/*" {
			route = "none"
		}
		h.metrics.requests.WithLabelValues(route, method(r.Method), strconv.Itoa(rec.code())).Inc()
		if !rec.hijacked && rec.Header().Get("Content-Type") != streamType { // whose life is no duration of a request
			h.metrics.seconds.WithLabelValues(route).Observe(time.Since(began).Seconds())
		}
	})
}

// tellRoute tells observe which route the router has found.
func tellRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if rec, ok := w.(*recorder); ok {
			rec.route = r.Pattern
		}
	})
}

func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return name
	}
	return "other"
}

// rescue answers 500 when a handler panics, so that one bad request does not
// end the hub.
func (h *handler) rescue(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause) // net/http's own way to drop a connection
			}
			h.Log.Error("a handler panicked", slog.String("request_id", requestIDOf(r)),
				slog.Any("panic", cause), slog.String("stack", string(debug.Stack())))
			if rec, ok := w.(*recorder); ok && rec.status == 0 && !rec.hijacked {
				h.problem(w, r, fmt.Errorf("panic: %v", cause))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status   int
	hijacked bool
	who      *auth.Principal // nil: nobody was asked for
	ticket   hold            // by which who is known, of an event stream
	route    string          // its pattern; "" for none
	series   *series         // of the route's usual answer, where it is known

	tokenShown bool // good or not
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Hijack lets a WebSocket take the connection.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.hijacked = true
	taken, buffer, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if c, ok := taken.(*conn); ok {
		taken = c.release()
	}
	return taken, buffer, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	switch {
	case r.hijacked:
		return http.StatusSwitchingProtocols
	case r.status == 0:
		return http.StatusOK
	}
	return r.status
}

// name reads a name from the path.
func name(r *http.Request, kind string) (string, error) {
	value := chi.URLParam(r, kind)
	if err := hub.CheckName(kind, value); err != nil {
		return "", err
	}
	return value, nil
}
