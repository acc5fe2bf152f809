package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"time"
)

// message is a block of an event stream, or a comment in it.
type message struct {
	event, id, data, retry string
	comment                bool
}

// kind is the message's event, "event" for those of the hub, "comment", and "place"
// for an id alone, which browsers don't dispatch.
func (m message) kind() string {
	switch {
	case m.comment:
		return "comment"
	case m == message{id: m.id}:
		return "place"
	case m.event == "":
		return "event"
	}
	return m.event
}

// told is a gap as pages and event streams have it.
type told struct {
	Stream, Channel, From, To, Reason string
	Events                            int64
}

// feed is a client of an event stream (SSE). A goroutine reads it.
type feed struct {
	t        *testing.T
	header   http.Header
	messages chan message // closed when the stream ends
	ended    error        // why, nil for an end as it should be; set before messages is closed
	last     string       // id of the last message that a method returned or passed over
	hangUp   func()       // idempotent; waits for the goroutine
}

// sse opens an event stream; header is "Name: value".
func (h *testHub) sse(path string, header ...string) *feed {
	h.t.Helper()
	f, refusal := h.trySSE(path, header...)
	if refusal != "" {
		h.t.Fatal(refusal)
	}
	return f
}

// trySSE is sse, or says how it was refused.
func (h *testHub) trySSE(path string, header ...string) (_ *feed, refusal string) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context())) // the cleanup ends it
	opened := &feed{t: h.t, messages: make(chan message, 10_000), hangUp: cancel}
	h.t.Cleanup(func() { opened.hangUp() })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	answer, err := (&http.Client{Transport: h.client().Transport}).Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		return nil, fmt.Sprintf("%s was answered %d %s %s", path, answer.StatusCode, kind, body)
	}
	opened.header = answer.Header
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		defer close(opened.messages)
		opened.ended = opened.read(answer.Body)
		_ = answer.Body.Close()
	}()
	opened.hangUp = func() {
		cancel()
		<-reading
	}
	return opened, ""
}

func (f *feed) read(body io.Reader) error {
	lines := bufio.NewReaderSize(body, 64<<10)
	var m message
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return nil
		}
		if err != nil {
			return err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if m != (message{}) {
				f.messages <- m
			}
			m = message{}
		case name == "":
			f.messages <- message{comment: true}
		case name == "id":
			m.id = value
		case name == "event":
			m.event = value
		case name == "retry":
			m.retry = value
		case name == "data" && m.data == "":
			m.data = value
		default:
			return fmt.Errorf("a line that is not expected: %q", line)
		}
	}
}

// next waits for a message of this kind and passes over comments and places. Nothing
// else may come before it.
func (f *feed) next(kind string) message {
	f.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m, open := <-f.messages:
			if m.id != "" {
				f.last = m.id
			}
			switch {
			case !open:
				f.t.Fatalf("the event stream ended while %q was awaited: %v", kind, f.ended)
			case m.kind() == kind:
				return m
			case !m.comment && m.kind() != "place":
				f.t.Fatalf("%+v came while %q was awaited", m, kind)
			}
		case <-timeout:
			f.t.Fatalf("no message %q came", kind)
		}
	}
}

// gap waits for one.
func (f *feed) gap() told {
	f.t.Helper()
	var gap told
	if m := f.next("hub.gap"); json.Unmarshal([]byte(m.data), &gap) != nil {
		f.t.Fatalf("a gap that is no JSON object: %+v", m)
	}
	return gap
}

// one waits for the next event.
func (f *feed) one() event {
	f.t.Helper()
	var e event
	if m := f.next("event"); json.Unmarshal([]byte(m.data), &e) != nil {
		f.t.Fatalf("an event that is no JSON object: %+v", m)
	}
	return e
}

// events waits for n events.
func (f *feed) events(n int) []event {
	f.t.Helper()
	list := make([]event, n)
	for i := range list {
		list[i] = f.one()
	}
	return list
}

// until waits for this event, and returns it after all that came before it.
func (f *feed) until(id string) []event {
	f.t.Helper()
	var list []event
	for {
		list = append(list, f.one())
		if list[len(list)-1].ID == id {
			return list
		}
	}
}

// over waits until the hub ends the stream, and returns what came until then.
func (f *feed) over() []message {
	f.t.Helper()
	var list []message
	timeout := time.After(patience)
	for {
		select {
		case m, open := <-f.messages:
			if !open {
				if f.ended != nil {
					f.t.Errorf("the event stream ended with: %v", f.ended)
				}
				return list
			}
			list = append(list, m)
		case <-timeout:
			f.t.Fatal("the hub does not end the event stream")
		}
	}
}

// page is a page of a stream's events.
type page struct {
	Events []event
	Next   string
	Gap    *told
}

// page reads one; query may be "".
func (h *testHub) page(stream, query string) page {
	h.t.Helper()
	answer := h.call("GET", "/v1/streams/"+stream+"/events"+query, "")
	var p page
	if err := json.Unmarshal(answer.body, &p); err != nil || answer.StatusCode != http.StatusOK || p.Events == nil || p.Next == "" {
		h.t.Fatalf("a page of %s%s: %d %.1000s", stream, query, answer.StatusCode, answer.body)
	}
	return p
}

// everything reads all of a stream, page by page.
func (h *testHub) everything(stream string) []event {
	h.t.Helper()
	var all []event
	for query := "?limit=1000"; ; {
		p := h.page(stream, query)
		if p.Gap != nil {
			h.t.Errorf("reading all of %s: %+v", stream, *p.Gap)
		}
		if len(p.Events) == 0 {
			return all
		}
		all = append(all, p.Events...)
		query = "?limit=1000&from=" + p.Next
	}
}

// reading is what sockets and event streams of readers have in common.
type reading interface {
	events(n int) []event
	until(id string) []event
}

// readings opens readers of both kinds; query starts behind the question mark.
func (h *testHub) readings(query string) map[string]reading {
	h.t.Helper()
	return map[string]reading{"WebSocket": h.dial("/v1/readers/ws?" + query), "SSE": h.sse("/v1/readers/sse?" + query)}
}

// assertRead wants exactly these events in this order, as readers get them.
func assertRead(t *testing.T, got []event, want []string) {
	t.Helper()
	list := ids(got)
	if !slices.Equal(list, want) {
		same := 0
		for same < min(len(list), len(want)) && list[same] == want[same] {
			same++
		}
		t.Fatalf("got %d events, want %d; after the first %d came %q, want %q", len(list), len(want), same,
			list[same:min(len(list), same+5)], want[same:min(len(want), same+5)])
	}
	for _, e := range got {
		if e.Attempt != 0 {
			t.Errorf("event %s came with attempt %d, though nobody is to acknowledge it", e.ID, e.Attempt)
		}
	}
}

// into reads the body of an answer.
func into(t *testing.T, answer response, value any) {
	t.Helper()
	if err := json.Unmarshal(answer.body, value); err != nil {
		t.Fatalf("%d with a body that is not what was expected: %v: %.1000s", answer.StatusCode, err, answer.body)
	}
}

// pageIn asks for a page in the background, and returns where it comes. The
// request is on its way to the hub when it returns.
func (h *testHub) pageIn(stream, query string) <-chan page {
	h.t.Helper()
	came, sent := make(chan page, 1), make(chan struct{})
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}
	ctx := httptrace.WithClientTrace(h.t.Context(), trace)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/v1/streams/"+stream+"/events"+query, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	go func() {
		defer close(came)
		answer, err := (&http.Client{Transport: client.Transport}).Do(request)
		if err != nil {
			h.t.Errorf("a page of %s: %v", stream, err)
			return
		}
		defer answer.Body.Close()
		var p page
		if err := json.NewDecoder(answer.Body).Decode(&p); err != nil || answer.StatusCode != http.StatusOK {
			h.t.Errorf("a page of %s was answered %d, %v", stream, answer.StatusCode, err)
		}
		came <- p
	}()
	select {
	case <-sent:
	case <-time.After(patience):
		h.t.Fatal("the request is not sent")
	}
	h.want(http.StatusOK, http.MethodGet, "/livez", "") // behind it
	return came
}
