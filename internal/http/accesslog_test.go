package http_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

func TestAccessLogTellsWhoAskedForWhat(t *testing.T) {
	t.Parallel()
	var text syncBuffer
	e := newEdgeWith(t, http.Options{Auth: knowing("good", may(t, everything)), AccessLog: slog.New(slog.NewJSONHandler(&text, nil))})
	for _, c := range []struct {
		request, token string
		status         int
		path, who      string
	}{
		{"POST /v1/streams/orders/events?if_exists=true", "good", 201, "/v1/streams/{stream}/events", "key:test"},
		{"GET /v1/streams/orders?x=1", "good", 400, "/v1/streams/{stream}", "key:test"},
		{"GET /v1/streams/orders", "bad", 401, "/v1/streams/orders", "nobody"},
		{"GET /livez", "bad", 200, "/livez", "nobody"},
		{"GET /nowhere?secret=1", "", 404, "/nowhere", "nobody"},
		{"BREW /v1/streams", "", 405, "/v1/streams", "nobody"},
	} {
		before := len(text.String())
		method, path, _ := strings.Cut(c.request, " ")
		header := []string{"X-Request-Id: mine"}
		if c.token != "" {
			header = append(header, "Authorization: Bearer "+c.token)
		}
		e.call(method, path, `{"data":1}`, header...)
		line := text.String()[before:]
		var got struct {
			Msg, Method, Path, Principal, Remote string
			RequestID                            string `json:"request_id"`
			Status                               int
			Duration                             *int64
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil || strings.Count(line, "\n") != 1 {
			t.Fatalf("%s: the log has %q (%v)", c.request, line, err)
		}
		if method == "BREW" {
			method = "other"
		}
		if got.Msg != "request" || got.Method != method || got.Path != c.path || got.Principal != c.who || got.Status != c.status || got.RequestID != "mine" ||
			got.Remote != "192.0.2.1:1234" || got.Duration == nil {
			t.Errorf("%s is logged as %s", c.request, line)
		}
	}
}

// Whatever a client shows to say who it is, no log has it, at any level, nor what else it
// puts into the query.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry"
	var access syncBuffer
	who := knowing("good", may(t, everything))
	e := newEdgeWith(t, http.Options{Auth: who, AccessLog: slog.New(slog.NewTextHandler(&access, nil))})
	e.level.Set(slog.LevelDebug)
	ticket := madeTicket(t, e)
	e.broker.stream = func(string) (hub.StreamStatus, error) { return hub.StreamStatus{}, errors.New("Redis is away") }
	e.broker.fakeTickets.set(func() { e.broker.down = errors.New("Redis is away") })
	for _, path := range []string{"/v1/streams/orders", "/v1/streams?x=" + canary, upgrade, upgrade + "&ticket=" + canary, readerPath + "&ticket=" + ticket, "/v1/nothing?ticket=" + ticket, "/%zz" + canary} {
		for _, header := range []string{"Authorization: Bearer " + canary, "Authorization: Bearer good", "Authorization: Basic " + canary, "Sec-WebSocket-Protocol: hub.v1, hub.bearer." + canary, "X: y"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			r.RequestURI = path
			u, err := url.Parse(path)
			if err != nil {
				continue
			}
			r.URL = u
			name, value, _ := strings.Cut(header, ": ")
			r.Header.Set(name, value)
			e.send(r)
		}
	}
	for _, secret := range []string{canary, ticket} {
		if all := e.log.String() + access.String(); strings.Contains(all, secret) {
			t.Errorf("%q is in the log:\n%s", secret, all)
		}
	}
	if !strings.Contains(e.log.String(), "Redis is away") || !strings.Contains(access.String(), "request") {
		t.Errorf("nothing was logged: %q, %q", e.log, access.String())
	}
}

// hostile are texts that would be a line, a header or a field of their own somewhere.
var hostile = []string{"a\r\nX-Evil: 1", "a\nlevel=ERROR msg=evil", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\u202eb", "a\x7fb", `a","msg":"evil`, "a\xff"}

func TestNoTextOfAClientBreaksALogLine(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"json", "text"} {
		var text syncBuffer
		var handler slog.Handler = slog.NewJSONHandler(&text, nil)
		if form == "text" {
			handler = slog.NewTextHandler(&text, nil)
		}
		e := &edge{t: t, server: http.NewServer(http.Options{Log: slog.New(handler), AccessLog: slog.New(handler)})}
		lines := 0
		for _, evil := range hostile {
			for _, path := range []string{"/", "/v1/streams/", "/v1/streams/x/events/"} {
				r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
				r.URL = &url.URL{Path: path + evil}
				r.Header["X-Request-Id"] = []string{evil}
				r.Method = "GET"
				e.send(r)
				lines++
			}
		}
		all := []byte(text.String())
		if got := bytes.Count(all, []byte("\n")); got != lines {
			t.Errorf("%s: %d requests are %d lines:\n%s", form, lines, got, all)
		}
		for _, c := range []string{"\r", "\x00", "\x1b", "\u2028", "\u202e", "\x7f"} {
			if bytes.Contains(all, []byte(c)) {
				t.Errorf("%s: the log has %q:\n%q", form, c, all)
			}
		}
	}
}

func TestNoTextOfAClientBreaksAnAnswer(t *testing.T) {
	t.Parallel()
	for _, evil := range hostile {
		e := newEdgeWith(t, http.Options{})
		reader := newFakeReader()
		reader.ended = hub.Errorf(hub.CodeUnavailable, "%s", evil)
		e.broker.give(reader)
		for _, name := range []string{"X-Request-Id", "Idempotency-Key", "Content-Type", "Content-Encoding", "Ce-Id", "Ce-Type", "Ce-Subject", "Last-Event-Id", "Origin", "Sec-Fetch-Site", "Authorization", "Host"} {
			for _, path := range []string{publishPath, "/v1/streams/" + url.PathEscape(evil) + "/events", readerPath} {
				method := "POST"
				if path == readerPath {
					method = "GET"
				}
				r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"data":1}`))
				if r.Header[name] = []string{evil}; name == "Host" {
					r.Host = evil
				}
				if strings.HasPrefix(name, "Ce-") {
					r.Header["Ce-Specversion"] = []string{"1.0"}
				}
				a := e.send(r)
				for key, values := range a.Header() {
					for _, value := range values {
						if strings.ContainsAny(value, "\r\n\x00") {
							t.Errorf("with %s %q the answer's %s is %q", name, evil, key, value)
						}
					}
				}
				if path != readerPath || a.Code != 200 {
					continue
				}
				for line := range strings.SplitSeq(a.Body.String(), "\n") {
					if field, _, _ := strings.Cut(line, ":"); field != "" && field != "id" && field != "data" && field != "event" {
						t.Errorf("the event stream has the line %q", line)
					}
				}
				receive(t, reader.closed, "the reader's end")
			}
		}
	}
}
