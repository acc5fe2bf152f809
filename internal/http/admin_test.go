package http_test

import (
	"io"
	"log/slog"
	nethttp "net/http"
	"strings"
	"testing"

	"eventhub/internal/auth"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

var someMetrics = nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = io.WriteString(w, "hub_up 1\n") })

// adminEdge serves administration, on a listener of its own or with everything else.
func adminEdge(t *testing.T, apart bool, opts http.Options) (*edge, *slog.LevelVar) {
	t.Helper()
	e := newEdge(t)
	level := new(slog.LevelVar)
	admin := &http.Admin{Metrics: someMetrics, Level: level}
	opts.Admin, opts.Log, opts.Broker = admin, slog.New(slog.NewJSONHandler(e.log, nil)), e.broker
	e.server = http.NewServer(opts)
	if apart {
		e.server = http.NewAdminServer(admin, http.Origins{}, opts.Local, opts.Log)
	}
	return e, level
}

func TestAdministratorsAreServedWhereverTheyAre(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]bool{"on a listener of its own": true, "with everything else": false} {
		e, level := adminEdge(t, apart, http.Options{Auth: opened(may(t, everything))})
		for path, want := range map[string]string{
			"/metrics": "hub_up 1", "/log-level": `{"level":"info"}`, "/debug/pprof/": "Types of profiles available", "/debug/pprof/goroutine?debug=1": "goroutine profile:",
			"/debug/pprof/heap?debug=1": "heap profile:", "/debug/pprof/cmdline": "test", "/debug/pprof/symbol": "num_symbols",
		} {
			if a := e.call("GET", path, ""); a.Code != 200 || !strings.Contains(a.Body.String(), want) {
				t.Errorf("%s: %s is answered %d %.300s", name, path, a.Code, a.Body)
			}
		}
		for _, word := range []string{"debug", "info", "warn", "error"} {
			e.call("PUT", "/log-level", `{"level":"`+word+`"}`).is(200, `{"level":"`+word+`"}`)
			if got := strings.ToLower(level.Level().String()); got != word {
				t.Errorf("%s: the level is %s, want %s", name, got, word)
			}
			e.call("GET", "/log-level", "").is(200, `{"level":"`+word+`"}`)
		}
		for _, body := range []string{"", "{}", `{"level":"loud"}`, `{"level":"DEBUG"}`, `{"level":"info","x":1}`, `{"level":"debug"}{}`, `{"level":"` + strings.Repeat("x", 2000) + `"}`} {
			e.call("PUT", "/log-level", body).problem(hub.CodeInvalidRequest)
		}
		e.call("GET", "/log-level?x=1", "").problem(hub.CodeInvalidRequest)
		e.call("POST", "/log-level", "").problem(hub.CodeMethodNotAllowed)
		if a := e.call("GET", "/debug/pprof/nothing", ""); a.Code != 404 {
			t.Errorf("%s: an unknown profile is answered %d", name, a.Code)
		}
		if apart {
			e.call("GET", "/v1/streams", "").problem(hub.CodeNotFound)
		}
		if !strings.Contains(e.log.String(), `"level":"DEBUG","principal":`) {
			t.Errorf("%s: the log does not tell who has changed its level: %s", name, e.log)
		}
	}
}

func TestWhoeverComesFromAfarGetsOnlyMetrics(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{true, false} {
		e, level := adminEdge(t, false, http.Options{Local: local, Auth: opened(auth.Everybody())})
		for _, path := range []string{"/log-level", "/debug/pprof/", "/debug/pprof/heap"} {
			a := e.call("GET", "http://127.0.0.1"+path, "")
			if local && a.Code == 403 {
				t.Errorf("on loopback %s is answered %d %s", path, a.Code, a.Body)
			} else if !local && !strings.Contains(a.problem(hub.CodeForbidden).Detail, "HUB_ADMIN_ADDR") {
				t.Errorf("the detail does not name the setting: %s", a.Body)
			}
		}
		if !local {
			e.call("PUT", "/log-level", `{"level":"debug"}`).problem(hub.CodeForbidden)
			if level.Level() != slog.LevelInfo {
				t.Error("the level was changed all the same")
			}
		}
		if a := e.call("GET", "http://127.0.0.1/metrics", ""); a.Code != 200 {
			t.Errorf("metrics are answered %d %s", a.Code, a.Body)
		}
	}
}

func TestProfilesAreOnNoOtherServer(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.server = http.NewServer(http.Options{Broker: e.broker}) // administration is elsewhere
	for _, path := range []string{"/debug/pprof/", "/metrics", "/log-level"} {
		e.call("GET", path, "").problem(hub.CodeNotFound)
	}
}
