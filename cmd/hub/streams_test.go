package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// stream is a stream with its figures.
type stream struct {
	Stream string
	Config struct {
		MaxEvents int64  `json:"max_events"`
		MaxAge    string `json:"max_age"`
		OnFull    string `json:"on_full"`
		TTL       *struct {
			After   string
			Sliding bool
		}
	}
	Events, Bytes int64
	First         string `json:"first_id"`
	Last          string `json:"last_id"`
	Sinks         []struct {
		Sink         string
		Lag, Pending int64
	}
}

// config is the stream's settings in short.
func (s stream) config() string {
	text := fmt.Sprint(s.Config.MaxEvents, " ", s.Config.MaxAge, " ", s.Config.OnFull)
	if ttl := s.Config.TTL; ttl != nil {
		text += fmt.Sprint(" ", ttl.After, " ", ttl.Sliding)
	}
	return text
}

// putStream makes a stream, or changes it.
func (h *testHub) putStream(name, body string) (s stream) {
	h.t.Helper()
	answer := h.call("PUT", "/v1/streams/"+name, body)
	if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusOK {
		h.t.Fatalf("putting the stream %s: %d %s", name, answer.StatusCode, answer.body)
	}
	into(h.t, answer, &s)
	return s
}

// stream asks for one that there is.
func (h *testHub) stream(name string) (s stream) {
	h.t.Helper()
	answer := h.call("GET", "/v1/streams/"+name, "")
	if answer.StatusCode != http.StatusOK {
		h.t.Fatalf("the stream %s: %d %s", name, answer.StatusCode, answer.body)
	}
	into(h.t, answer, &s)
	return s
}

// stored is how many events a stream has, if there is one.
func (h *testHub) stored(name string) int64 {
	h.t.Helper()
	var s stream
	into(h.t, h.call("GET", "/v1/streams/"+name, ""), &s)
	return s.Events
}

// gone waits until there is no such stream.
func (h *testHub) gone(name string) {
	h.t.Helper()
	eventually(h.t, func() string {
		if answer := h.call("GET", "/v1/streams/"+name, ""); answer.StatusCode != http.StatusNotFound || answer.json(h.t)["code"] != "stream_not_found" {
			return fmt.Sprintf("the stream is still there: %d %s", answer.StatusCode, answer.body)
		}
		return ""
	})
}

func TestStreamIsMadeChangedAndShownAlikeOnEveryHub(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const defaults = "1000000 168h drop_oldest"
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{"", http.StatusCreated, defaults},
		{"{}", http.StatusOK, defaults},
		{`{"max_events":500,"max_age":"90m","on_full":"reject","ttl":{"after":"1h30m","sliding":true}}`, http.StatusOK, "500 1h30m reject 1h30m true"},
		{`{"max_events":0,"max_age":"0s","ttl":{"after":"2h"}}`, http.StatusOK, "0 0s drop_oldest 2h false"},
		{`{"max_events":1000000000000,"max_age":"87600h","ttl":null}`, http.StatusOK, "1000000000000 87600h drop_oldest"},
		{`{"max_events":7}`, http.StatusOK, "7 168h drop_oldest"}, // what is left out is not what it was
	} {
		answer := one.call("PUT", "/v1/streams/orders", c.body)
		var put stream
		into(t, answer, &put)
		if answer.StatusCode != c.status || put.config() != c.want || put.Stream != "orders" || put.Sinks == nil {
			t.Errorf("%s was answered %d %s, want %d %s", c.body, answer.StatusCode, answer.body, c.status, c.want)
		}
		if got := two.call("GET", "/v1/streams/orders", ""); !bytes.Equal(got.body, answer.body) {
			t.Errorf("it is shown as %s, put was %s", got.body, answer.body)
		}
	}
	for body, want := range map[string]string{
		`{"max_events":-1,"max_age":"100ms","on_full":"drop","ttl":{"after":"1ms","sliding":1,"x":1},"colour":1}`: "invalid_request /colour /max_age /max_events /on_full /ttl/after /ttl/sliding /ttl/x",
		`{"max_events":1000000000001,"max_age":"87601h","ttl":{}}`:                                                "invalid_request /max_age /max_events /ttl/after",
		`{"max_events":1.5,"max_age":7,"on_full":null,"ttl":"1h"}`:                                                "invalid_request /max_age /max_events /on_full /ttl",
		`[]`: "invalid_request",
	} {
		if problem := one.want(http.StatusBadRequest, "PUT", "/v1/streams/orders", body); faults(problem) != want {
			t.Errorf("%s was refused as %s, want %s", body, faults(problem), want)
		}
	}
	if got := two.stream("orders").config(); got != "7 168h drop_oldest" {
		t.Errorf("after the refusals it is %s", got)
	}
	if problem := one.want(http.StatusBadRequest, "PUT", "/v1/streams/-orders", ""); problem["code"] != "invalid_name" {
		t.Errorf("a bad name: %v", problem)
	}
}

func TestFiguresOfAStream(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.putStream("orders", "")
	if s := two.stream("orders"); s.Events != 0 || s.First != "" || s.Last != "" || len(s.Sinks) != 0 {
		t.Errorf("an empty stream is %+v", s)
	}
	id := one.publishMany("orders", 5)
	one.put("audit", `{"streams":["orders"],"from":"oldest"}`)
	s := two.dial("/v1/sinks/billing/ws?stream=orders&from=after:" + id[1] + "&prefetch=2")
	s.events(2)
	if got := two.stream("orders"); got.Events != 5 || got.First != id[0] || got.Last != id[4] || got.Bytes <= 0 || fmt.Sprint(got.Sinks) != "[{audit 5 0} {billing 1 2}]" {
		t.Errorf("the stream is %+v", got)
	}
	for range 2 {
		one.want(http.StatusNoContent, "DELETE", "/v1/streams/orders/events/"+id[0], "")
		one.want(http.StatusNoContent, "DELETE", "/v1/streams/orders/events/"+id[4], "")
	}
	if got := two.stream("orders"); got.Events != 3 || got.First != id[1] || got.Last != id[4] || fmt.Sprint(got.Sinks) != "[{audit 3 0} {billing 0 2}]" {
		t.Errorf("after two deletes the stream is %+v", got)
	}
}

func TestStreamsAreListedByNamePrefixAndPage(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("orders-%02d", i))
		one.publish(want[i], `{"data":1}`)
	}
	one.putStream("payments", `{"max_events":5}`)
	names := func(query string) (names []string, next string) {
		var page struct {
			Streams []stream
			Next    string
		}
		into(t, two.call("GET", "/v1/streams"+query, ""), &page)
		for _, s := range page.Streams {
			if names = append(names, s.Stream); s.Sinks != nil || s.Config.OnFull != "drop_oldest" {
				t.Errorf("listed is %+v", s)
			}
		}
		return names, page.Next
	}
	if got, next := names(""); !slices.Equal(got, append(slices.Clone(want), "payments")) || next != "" {
		t.Errorf("all are %v, next %q", got, next)
	}
	var got []string
	for query, pages := "?prefix=orders-&limit=10", 0; pages < 4; pages++ {
		list, next := names(query)
		if got = append(got, list...); next == "" {
			break
		}
		query = "?prefix=orders-&limit=10&cursor=" + next
	}
	if !slices.Equal(got, want) {
		t.Errorf("by pages they are %v", got)
	}
	if got, _ := names("?prefix=nothing"); len(got) != 0 {
		t.Errorf("with another prefix: %v", got)
	}
	if got := faults(one.want(http.StatusBadRequest, "GET", "/v1/streams?limit=1001&prefix=%20&colour=red", "")); got != "invalid_request ?colour ?limit ?prefix" {
		t.Errorf("a bad query was refused as %s", got)
	}
}

func TestOneEventIsReadAndDeleted(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publish("orders", `{"type":"t","topic":"eu","key":"k","headers":{"a":"b"},"data":{"b":1.10}}`)
	later := one.publish("orders", `{"data":2}`)
	answer := two.call("GET", "/v1/streams/orders/events/"+id, "")
	var e event
	into(t, answer, &e)
	if answer.StatusCode != http.StatusOK || e.ID != id || e.Stream != "orders" || shown(e) != `t|eu|k|application/json|{"b":1.10}|map[a:b]` || strings.Contains(string(answer.body), "attempt") {
		t.Errorf("the event is %d %s", answer.StatusCode, answer.body)
	}
	s := two.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=1h&prefetch=1")
	s.events(1) // holds the first
	assertRead(t, two.everything("orders"), []string{id, later})
	for range 2 {
		one.want(http.StatusNoContent, "DELETE", "/v1/streams/orders/events/"+id, "")
	}
	if problem := two.want(http.StatusNotFound, "GET", "/v1/streams/orders/events/"+id, ""); problem["code"] != "event_not_found" {
		t.Errorf("the deleted event: %v", problem)
	}
	eventually(t, func() string { // a hub that has just read it is told by the bell
		if got := ids(two.everything("orders")); !slices.Equal(got, []string{later}) {
			return fmt.Sprintf("what is left is %v, want %s", got, later)
		}
		return ""
	})
	for path, want := range map[string]string{
		"orders/events/x": "400 invalid_request", "orders/events/1-1": "404 event_not_found", "never/events/1-1": "404 stream_not_found", "-/events/1-1": "400 invalid_name",
	} {
		answer := two.call("GET", "/v1/streams/"+path, "")
		if got := fmt.Sprint(answer.StatusCode, " ", answer.json(t)["code"]); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	one.want(http.StatusBadRequest, "DELETE", "/v1/streams/orders/events/x", "")
	one.want(http.StatusNoContent, "DELETE", "/v1/streams/never/events/1-1", "")
	two.want(http.StatusNotFound, "GET", "/v1/streams/never", "")
}

// A reader keeps the latest events at hand for those who come.
func TestDeletedEventIsShownToNobodyThoughOthersReadTheStream(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	readers := two.readings("stream=orders")
	id := one.publishMany("orders", 3)
	for _, r := range readers {
		assertRead(t, r.events(3), id)
	}
	one.want(http.StatusNoContent, "DELETE", "/v1/streams/orders/events/"+id[1], "")
	want := []string{id[0], id[2]}
	eventually(t, func() string { // at once on its own hub, soon on others
		if got := ids(two.page("orders", "").Events); !slices.Equal(got, want) {
			return fmt.Sprintf("the page has %v, want %v", got, want)
		}
		return ""
	})
	assertRead(t, one.everything("orders"), want)
	assertRead(t, two.sse("/v1/readers/sse?stream=orders&from=oldest").events(2), want)
}

func TestDeletedStreamStaysGoneAndItsSinksAndReadersGoOnWithTheNext(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	sink := two.dial("/v1/sinks/billing/ws?stream=orders&from=oldest")
	readers := two.readings("stream=orders")
	filtered := two.dial("/v1/readers/ws?stream=orders&type=other") // which has read nothing at all
	id := one.publishMany("orders", 3)
	sink.events(3)
	sink.ok(`{"type":"nack","ids":[%q],"dead_letter":true}`, id[0])
	for _, r := range readers {
		assertRead(t, r.events(3), id)
	}
	for range 2 {
		one.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")
		two.gone("orders")
	}
	two.gone("orders")
	if got := string(two.call("GET", "/v1/streams", "").body); strings.Contains(got, "orders") {
		t.Errorf("it is still listed: %s", got)
	}
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 || f["dead_letters"] != 0.0 {
		t.Errorf("the sink still has something of it: %v", f)
	}
	next := two.publishMany("orders", 2)
	last := one.publish("orders", `{"type":"other","data":1}`)
	assertEvents(t, sink.until(last), append(slices.Clone(next), last), 1)
	for name, r := range readers {
		var gap told
		if f, ok := r.(*feed); ok {
			gap = f.gap()
		} else {
			f := r.(*socket).only("gap")
			gap = told{Stream: f.Stream, Reason: f.Reason}
		}
		if gap.Stream != "orders" || gap.Reason != "reset" {
			t.Errorf("%s: %+v", name, gap)
		}
		assertRead(t, r.until(last), append(slices.Clone(next), last))
	}
	if gap := filtered.only("gap"); gap.Reason != "reset" {
		t.Errorf("the filtered reader: %+v", gap)
	}
	assertRead(t, filtered.events(1), []string{last})
	if config := two.stream("orders").config(); config != "1000000 168h drop_oldest" {
		t.Errorf("the next stream is %s", config)
	}
}

func TestStreamsDeclaredByConfigurationAreThereFromTheStart(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	one := startHub(t, redis, `HUB_STREAMS={"orders":{"max_events":5000,"on_full":"reject"},"payments":{}}`, "HUB_STREAM_MAX_EVENTS=77",
		"HUB_STREAM_MAX_AGE=1h", "HUB_STREAM_ON_FULL=reject", "HUB_AUTO_CREATE=false")
	made := func(h *testHub, name, want string) {
		t.Helper()
		eventually(t, func() string { // as soon as Redis answers
			answer := h.call("GET", "/v1/streams/"+name, "")
			var s stream
			into(t, answer, &s)
			if answer.StatusCode != http.StatusOK || s.config() != want {
				return fmt.Sprintf("%s is declared as %s, and there is %d %s", name, want, answer.StatusCode, answer.body)
			}
			return ""
		})
	}
	made(one, "orders", "5000 1h reject")
	made(one, "payments", "77 1h reject")
	two := startHub(t, redis, "HUB_STREAMS="+writeFile(t, `{"refunds":{"max_age":"2h","ttl":{"after":"3h","sliding":true}}, "orders":{"max_events":6000}}`))
	made(one, "refunds", "1000000 2h drop_oldest 3h true")
	made(one, "orders", "6000 168h drop_oldest")
	id := two.publish("refunds", `{"data":1}`)
	assertRead(t, one.everything("refunds"), []string{id})
	if got := one.putStream("declared-later", "{}").config(); got != "77 1h reject" {
		t.Errorf("with other defaults a stream is %s", got)
	}
	// Deleted, it comes with the next publish, as it was declared.
	one.want(http.StatusNoContent, "DELETE", "/v1/streams/payments", "")
	one.want(http.StatusNotFound, "GET", "/v1/streams/payments", "")
	one.publish("payments", `{"data":1}`)
	if got := one.stream("payments").config(); got != "77 1h reject" {
		t.Errorf("after a delete and a publish it is %s", got)
	}
}

func TestEveryFaultOfDeclaredStreamsIsNamed(t *testing.T) {
	t.Parallel()
	const bad = `{"orders":{"max_events":-1,"max_age":"x"},"-":{},"payments":{"colour":1,"on_full":"drop"}}`
	for name, value := range map[string]string{"JSON": bad, "file": writeFile(t, bad)} {
		err := run(t.Context(), []string{"hub"}, environment([]string{"HUB_STREAMS=" + value}), io.Discard, new(bytes.Buffer))
		for _, place := range []string{"HUB_STREAMS", "/orders/max_events", "/orders/max_age", "/- ", "/payments/colour", "/payments/on_full"} {
			if err == nil || !strings.Contains(err.Error(), place) {
				t.Errorf("%s: the hub ended with %v, which does not name %s", name, err, place)
			}
		}
	}
	err := run(t.Context(), []string{"hub"}, environment([]string{"HUB_STREAMS=/nowhere/streams.json"}), io.Discard, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "HUB_STREAMS") {
		t.Errorf("without the file the hub ended with %v", err)
	}
}

func TestWithoutAutoCreationAnUnknownStreamIs404AndMakesNoKey(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL(), "HUB_AUTO_CREATE=false", `HUB_STREAMS={"declared":{}}`)
	refused := func(method, path, body string) {
		t.Helper()
		if problem := h.want(http.StatusNotFound, method, path, body); problem["code"] != "stream_not_found" || !strings.Contains(fmt.Sprint(problem["detail"]), "orders") {
			t.Errorf("%s %s: %v", method, path, problem)
		}
	}
	refused("POST", "/v1/streams/orders/events", `{"data":1}`)
	refused("POST", "/v1/streams/orders/events", `[{"idempotency_key":"a","data":1}]`)
	refused("POST", "/v1/streams/orders/raw", `1`)
	refused("GET", "/v1/streams/orders/events", "")
	refused("GET", "/v1/streams/orders/events?wait=1s", "")
	refused("GET", "/v1/readers/ws?stream=declared&stream=orders", "")
	refused("GET", "/v1/readers/sse?stream=orders&from=oldest", "")
	refused("GET", "/v1/sinks/billing/ws?stream=orders", "")
	refused("PUT", "/v1/sinks/billing", `{"streams":["declared","orders"]}`)
	refused("POST", "/v1/sinks/billing/pull?stream=orders", "")
	refused("POST", "/v1/streams/orders/prune", "")
	results := h.want(http.StatusMultiStatus, "POST", "/v1/events", `[{"stream":"orders","data":1},{"stream":"declared","data":1}]`)["results"].([]any)
	if results[0].(map[string]any)["code"] != "stream_not_found" || results[1].(map[string]any)["id"] == nil {
		t.Errorf("results: %v", results)
	}
	reader, sink := h.dial("/v1/readers/ws?stream=declared"), h.dial("/v1/sinks/audit/ws?stream=declared")
	for _, s := range []*socket{reader, sink} {
		if f := s.do(`{"type":"add_stream","stream":"orders"}`); f.Code != "stream_not_found" {
			t.Errorf("add_stream was answered %+v", f)
		}
		if f := s.do(`{"type":"publish","stream":"orders","events":[{"data":1}]}`); f.Code != "stream_not_found" {
			t.Errorf("publish was answered %+v", f)
		}
	}
	if n := redis.Client(t).Exists(t.Context(), "hub:{orders}:log", "hub:{orders}:cfg", "hub:{orders}:sink:billing", "hub:{orders}:idem:a").Val(); n != 0 {
		t.Errorf("%d keys of the stream are there", n)
	}
	if problem := h.want(http.StatusNotFound, "GET", "/v1/sinks/billing", ""); problem["code"] != "sink_not_found" {
		t.Errorf("the sink that was refused: %v", problem)
	}

	h.putStream("orders", "")
	late := h.dial("/v1/sinks/billing/ws?stream=orders")
	reader.ok(`{"type":"add_stream","stream":"orders"}`)
	id := h.publish("orders", `{"data":1}`)
	assertEvents(t, late.events(1), []string{id}, 1)
	assertRead(t, reader.events(1), []string{id})
	// It stays gone also for those who are attached to it.
	h.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")
	h.want(http.StatusNotFound, "POST", "/v1/streams/orders/events", `{"data":1}`)
	h.gone("orders")
}

func TestTTLEndsAStreamWithAllItsEvents(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.putStream("absolute", `{"ttl":{"after":"1s"}}`)
	one.putStream("sliding", `{"ttl":{"after":"1s","sliding":true}}`)
	one.putStream("silent", `{"ttl":{"after":"1s"}}`)
	made := time.Now()
	first := []string{one.publish("absolute", `{"data":1}`), one.publish("sliding", `{"data":1}`)}
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	var between, longest time.Duration
	for last := made; time.Since(made) < 1800*time.Millisecond; {
		two.publish("absolute", `{"data":2}`)
		two.publish("sliding", `{"data":2}`)
		between = time.Since(last)
		longest = max(longest, between)
		last = last.Add(between)
		<-beat.C
	}
	if longest < time.Second { // else it was right to end
		two.want(http.StatusOK, "GET", "/v1/streams/sliding/events/"+first[1], "")
	}
	// What was published since has made it anew, as nobody has said anything of it.
	if answer := one.call("GET", "/v1/streams/absolute/events/"+first[0], ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the first event is there after %s: %d %s", time.Since(made), answer.StatusCode, answer.body)
	}
	if config := one.stream("absolute").config(); config != "1000000 168h drop_oldest" {
		t.Errorf("the stream that was made anew is %s", config)
	}
	one.gone("sliding")
	one.gone("silent")
	eventually(t, func() string {
		if list := string(two.call("GET", "/v1/streams", "").body); strings.Contains(list, "sliding") || strings.Contains(list, "silent") {
			return "they are still listed: " + list
		}
		return ""
	})
	if answer := two.call("POST", "/v1/streams/sliding/events?if_exists=true", `{"data":1}`); answer.StatusCode != http.StatusNotFound {
		t.Errorf("a publish to what has ended was answered %d %s", answer.StatusCode, answer.body)
	}
}
