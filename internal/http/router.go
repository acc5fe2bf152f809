package http

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/auth"
	"eventhub/internal/calm"
	"eventhub/internal/hub"
)

// Socket serves a WebSocket to who asks for it. It returns an error when it has written
// nothing.
type Socket func(w http.ResponseWriter, r *http.Request, who *auth.Principal) error

// Options says what a Server serves. Broker and the sockets are needed.
type Options struct {
	Broker    Broker
	Sink      Socket
	Reader    Socket
	Broadcast Socket
	Auth      Authenticator // nil: everybody may do everything
	Limits    hub.Limits    // default hub.DefaultLimits
	// MaxStreams is how many streams one request may name; default 100.
	MaxStreams int
	// MaxChannels is how many channels one request may name; default 1000.
	MaxChannels int
	// SendBuffer is how many bytes the kernel keeps of one event stream; default
	// 128 KiB.
	SendBuffer int
	// WriteLimit is how long a client of an event stream may take for what was
	// gathered; default 10 s.
	WriteLimit time.Duration
	// Streams is the config of a stream for which nobody says another; default
	// hub.DefaultStreamConfig.
	Streams hub.StreamConfig
	// Origins are those whose pages may use the API; pages of its own host may anyway.
	Origins Origins
	// Local says that the listener is on loopback: then it is asked only by names that
	// cannot be another site's.
	Local bool

	// Certificate is what a listener shows that speaks TLS, as tls.Config has it; nil:
	// without TLS.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// MaxConnections and MaxConnectionsPerAddress bound the connections of the listener,
	// of all kinds; an IPv6 address counts by its /64. 0: no bound.
	MaxConnections, MaxConnectionsPerAddress int
	// HandshakesPerSecond is how many WebSockets and event streams may begin; 0: no bound.
	HandshakesPerSecond int
	// MaxHeaderBytes is about how large the header of a request may be; default 64 KiB.
	MaxHeaderBytes int
	// Limited is told what has refused something: connections, address, handshakes; nil:
	// nobody is.
	Limited func(limit string)

	Admin    *Admin       // nil: it is served elsewhere
	OpenAPI  []byte       // of /openapi.yaml
	AsyncAPI []byte       // of /asyncapi.yaml
	Log      *slog.Logger // default: discard
	// AccessLog gets a line for each request that has ended; nil: there is none.
	AccessLog *slog.Logger
	Registry  prometheus.Registerer // default: a private one
}

// handler has what the endpoints share.
type handler struct {
	Options
	serving context.Context // ends when the hub begins to drain
	metrics *metrics

	complaints calm.Causes[hub.Code] // failed requests that are logged
}

// endpoint is a handler that leaves errors to the edge; it has written nothing
// when it returns one.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// entry is where requests come in: what all of them pass, then the router, or the
// shortcut around it.
type entry struct {
	chi.Router
	first http.Handler
}

func newEntry(h *handler) entry {
	routes := newRouter(h)
	g := &guard{origins: h.Origins, local: h.Local}
	d := newDoor(h, routes, h.shortcut(routes))
	return entry{routes, requestID(h.observe(g.handler(d, h.problem)))}
}

func (e entry) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.first.ServeHTTP(w, r) }

// newRouter has every route of the API.
func newRouter(h *handler) chi.Router {
	r := chi.NewRouter()
	r.Use(plainPath, tellRoute, h.rescue, middleware.GetHead)
	r.NotFound(h.handle(notFound))
	r.MethodNotAllowed(h.handle(methodNotAllowed(r)))

	r.Get("/livez", h.handle(h.livez))
	r.Get("/readyz", h.readyz)
	r.Get("/openapi.yaml", document(h.OpenAPI))
	r.Get("/asyncapi.yaml", document(h.AsyncAPI))
	if h.Admin != nil {
		h.routeAdmin(r, h.Admin, h.administrators)
	}
	r.Post("/v1/tickets", h.handle(h.makeTicket))

	r.Post("/v1/events", h.handle(watchless(h.publishMany)))
	r.Get("/v1/broadcast/ws", h.handle(h.socket(h.Broadcast)))
	r.Post("/v1/broadcast/{channel}", h.handle(watchless(h.broadcast)))
	h.routeStreams(r)
	r.Get("/v1/channels", h.handle(h.listChannels))
	r.Get("/v1/channels/{channel}", h.handle(h.getChannel))
	h.routeReaders(r)
	h.routeSinks(r)
	return r
}

func (h *handler) routeSinks(r chi.Router) {
	const sink = "/v1/sinks/{sink}"
	r.Get("/v1/sinks", h.handle(h.listSinks))
	r.Put(sink, h.handle(h.putSink))
	r.Get(sink, h.handle(h.getSink))
	r.Delete(sink, h.handle(h.deleteSink))
	r.Get(sink+"/ws", h.handle(h.socket(h.Sink)))
	r.Post(sink+"/pull", h.handle(h.pull))
	r.Post(sink+"/acks", h.handle(h.settle(hub.VerbAck, "acked")))
	r.Post(sink+"/nacks", h.handle(h.settle(hub.VerbNack, "nacked")))
	r.Post(sink+"/extend", h.handle(h.settle(hub.VerbExtend, "extended")))
	r.Post(sink+"/seek", h.handle(h.seek))
	r.Get(sink+"/pending", h.handle(h.pending))
	r.Get(sink+"/dead-letters", h.handle(h.listDeadLetters))
	r.Delete(sink+"/dead-letters", h.handle(h.purgeDeadLetters))
	r.Post(sink+"/dead-letters/redrive", h.handle(h.redrive))
}

// plainPath has the router see the decoded path, so that a name matches however
// the client has escaped it.
func plainPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawPath = ""
		next.ServeHTTP(w, r)
	})
}

// handle makes an http.HandlerFunc of an endpoint.
func (h *handler) handle(serve endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			h.problem(w, r, err)
		}
	}
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return hub.Errorf(hub.CodeNotFound, "there is nothing at %q; the API is described at /openapi.yaml", clip(r.URL.Path))
}

func methodNotAllowed(routes chi.Routes) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			asked := method
			if method == http.MethodHead {
				asked = http.MethodGet // GetHead
			}
			if routes.Match(chi.NewRouteContext(), asked, r.URL.Path) {
				w.Header().Add("Allow", method)
			}
		}
		if w.Header().Get("Allow") == "" { // a method that no route has
			return notFound(w, r)
		}
		return hub.Errorf(hub.CodeMethodNotAllowed, "%q has no method %s; see the Allow header", clip(r.URL.Path), clip(r.Method))
	}
}

// clip bounds what of a caller's text an answer repeats.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
