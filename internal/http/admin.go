package http

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/go-chi/chi/v5"

	"eventhub/internal/hub"
)

// Admin is what administrators are served: /metrics, /debug/pprof/ and /log-level.
type Admin struct {
	Metrics http.Handler   // of /metrics
	Level   *slog.LevelVar // of the hub's log
}

const (
	metricsPath  = "/metrics"
	profilesPath = "/debug/pprof/"
)

// routeAdmin has what is about the whole hub. Each of them is served by what guard makes
// of it.
func (h *handler) routeAdmin(r chi.Router, a *Admin, guard func(endpoint) endpoint) {
	serve := func(f http.HandlerFunc) http.HandlerFunc {
		return h.handle(guard(func(w http.ResponseWriter, r *http.Request) error {
			f(w, r)
			return nil
		}))
	}
	r.Get(metricsPath, serve(a.Metrics.ServeHTTP))
	r.Get("/log-level", h.handle(guard(a.getLevel)))
	r.Put("/log-level", h.handle(guard(h.setLevel(a))))
	r.Get(profilesPath+"*", serve(profile))
}

// profile serves GET /debug/pprof/*, as net/http/pprof does for http.DefaultServeMux.
func profile(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, profilesPath) {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}

// administrators serves who may administer. Where nobody is asked who they are, and more
// than this machine reaches the hub, there are metrics only: whoever comes could else
// read its memory's layout, or have it busy with profiles.
func (h *handler) administrators(serve endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		principal := who(w)
		if err := principal.MayAdminister(); err != nil {
			return err
		}
		if principal.Anonymous() && !h.Local && r.URL.Path != metricsPath {
			return hub.Errorf(hub.CodeForbidden, "this hub does not ask who comes, and listens beyond loopback: set HUB_ADMIN_ADDR to have %q on a listener of its own", clip(r.URL.Path))
		}
		return serve(w, r)
	}
}

type levelAnswer struct {
	Level string `json:"level"`
}

// getLevel serves GET /log-level.
func (a *Admin) getLevel(w http.ResponseWriter, r *http.Request) error {
	if err := hub.NoParams(r.URL.RawQuery); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, levelAnswer{strings.ToLower(a.Level.Level().String())})
}

// setLevel serves PUT /log-level.
func (h *handler) setLevel(a *Admin) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := hub.NoParams(r.URL.RawQuery); err != nil {
			return err
		}
		level, err := readLevel(http.MaxBytesReader(w, r.Body, 1<<10))
		if err != nil {
			return err
		}
		a.Level.Set(level)
		h.Log.Warn("the log's level was changed", slog.String("level", level.String()), slog.String("principal", logged(who(w).ID())), slog.String("request_id", requestIDOf(r)))
		return a.getLevel(w, r)
	}
}

func readLevel(body io.Reader) (level slog.Level, err error) {
	wrong := hub.Errorf(hub.CodeInvalidRequest, `want {"level":"debug"}, or info, warn or error`)
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	var said levelAnswer
	if decoder.Decode(&said) != nil {
		return level, wrong
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return level, wrong
	}
	switch said.Level {
	case "debug", "info", "warn", "error":
		err := level.UnmarshalText([]byte(said.Level))
		return level, err
	}
	return level, wrong
}

// NewAdminServer serves administrators on a listener of its own, to whoever reaches it;
// local says that it is on loopback.
func NewAdminServer(a *Admin, origins Origins, local bool, log *slog.Logger) *Server {
	h := &handler{Options: Options{Log: log}}
	routes := chi.NewRouter()
	routes.NotFound(h.handle(notFound))
	routes.MethodNotAllowed(h.handle(methodNotAllowed(routes)))
	h.routeAdmin(routes, a, func(serve endpoint) endpoint { return serve })
	g := &guard{origins: origins, local: local}
	return &Server{server: newHTTPServer(requestID(g.handler(routes, h.problem)), headerBytes, log), log: log, drain: func() {}}
}
