package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// The answers of a hub to a page (testdata/page.html) that may use it, and to one that
// may not.
var (
	welcomed = map[string]string{
		"plain": "sent", "form": "sent", "put": "201", "publish": "201", "replay": "200 true true", "CloudEvent": "201", "problem": "stream_not_found",
		"read": "greeting", "feed": "greeting", "socket": "ok", "delete": "204",
	}
	turnedAway = map[string]string{
		"plain": "sent", "form": "sent", "put": "refused", "publish": "refused", "replay": "refused", "CloudEvent": "refused", "problem": "refused",
		"read": "refused", "feed": "refused", "socket": "refused", "delete": "refused",
	}
	// A page that is of the hub's own origin to the browser may read that it is refused.
	rebound = map[string]string{
		"plain": "sent", "form": "sent", "put": "403", "publish": "403", "replay": "403 null true", "CloudEvent": "403", "problem": "forbidden",
		"read": "refused", "feed": "refused", "socket": "refused", "delete": "403",
	}
)

// A real browser decides what a page is told, and which headers tell the hub of it.
func TestPagesInABrowserDoWhatTheirOriginMay(t *testing.T) {
	t.Parallel()
	browser := findBrowser(t)
	s := startSite(t)
	listed := "HUB_ALLOWED_ORIGINS=" + s.at("127.0.0.1", "")
	for _, c := range []struct {
		name, host, path string // of the page
		proxied          bool   // the page's host is a proxy for the hub, which lists nothing
		told             map[string]string
	}{
		{name: "of a listed origin", host: "127.0.0.1", path: "/", told: welcomed},
		{name: "of another origin", host: "localhost", path: "/", told: turnedAway},
		{name: "of no origin", host: "127.0.0.1", path: "/sandboxed", told: turnedAway},
		{name: "of the host, which is a proxy", host: "127.0.0.1", path: "/", proxied: true, told: welcomed},
		{name: "of a name that is made to lead to the hub", host: "evil.example", path: "/", proxied: true, told: rebound},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := startHub(t, listed)
			address := s.at(c.host, c.path) + "?hub=" + url.QueryEscape(h.base)
			if c.proxied {
				h, address = startHub(t), s.at(c.host, c.path)
				s.hub.Store(&h.base)
			}
			if told := s.visit(t, browser, address); !maps.Equal(told, c.told) {
				t.Errorf("it has met\n%v, want\n%v", told, c.told)
			}
			want := http.StatusNotFound
			if maps.Equal(c.told, welcomed) {
				want = http.StatusOK
			}
			for _, path := range []string{"/v1/streams/plain", "/v1/streams/pages", "/v1/sinks/forged"} {
				if got := h.call("GET", path, "").StatusCode; got != want {
					t.Errorf("afterwards %s is %d, want %d", path, got, want)
				}
			}
		})
	}
}

// site serves the page, hears what it tells, and is a proxy for a hub.
type site struct {
	*httptest.Server
	hub     atomic.Pointer[string] // its base
	reports chan []byte
}

func startSite(t *testing.T) *site {
	t.Helper()
	s := &site{reports: make(chan []byte, 1)}
	page := func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/page.html") }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page)
	mux.HandleFunc("GET /tickets", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/tickets.html") })
	mux.HandleFunc("GET /sandboxed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "sandbox allow-scripts allow-forms") // as for a frame: its Origin is null
		page(w, r)
	})
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.reports <- text
	})
	mux.Handle("/v1/", &httputil.ReverseProxy{
		Transport: client.Transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			to, err := url.Parse(*s.hub.Load())
			if err != nil {
				t.Error(err)
				return
			}
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// at is an address of the site, whatever host it is reached by.
func (s *site) at(host, path string) string {
	return "http://" + host + s.URL[strings.LastIndexByte(s.URL, ':'):] + path
}

// visit has the browser show the page, and returns what that tells.
func (s *site) visit(t *testing.T, browser, address string) (told map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-breakpad", "--host-resolver-rules=MAP evil.example 127.0.0.1",
		"--user-data-dir="+filepath.Join(t.TempDir(), "profile"), address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a wrapper and many children, to be ended together
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	logs := newLogBuffer()
	cmd.Stderr = logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var report []byte
	select {
	case report = <-s.reports:
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // it has ended if that fails
	case <-ctx.Done():
	}
	_ = cmd.Wait() // in which way it ends does not matter
	if err := json.Unmarshal(report, &told); err != nil {
		t.Fatalf("the page tells %q: %v; the browser:\n%s", report, err, logs)
	}
	return told
}

func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: run `make tools`, or `apt-get install chromium`")
	return ""
}
