package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// twoHubs share a private Redis.
func twoHubs(t *testing.T) (redis testRedis, one, two *testHub) {
	t.Helper()
	redis = startRedis(t)
	setting := "HUB_REDIS_URL=" + redis.URL()
	return redis, startHub(t, setting), startHub(t, setting)
}

// settled are settings of which none is the default.
const settled = `{"streams":["orders"],"from":"oldest","topics":["us.*","eu.**"],"types":["order.*"],"ack":"explicit","ack_wait":"5s",
 "max_deliveries":7,"backoff":["2s","1s"],"order":"strict","expires_after":"24h"}`

// settledConfig is how they are shown.
const settledConfig = "map[ack:explicit ack_wait:5s backoff:[2s 1s] expires_after:24h from:oldest max_deliveries:7 order:strict" +
	" streams:[orders] topics:[eu.** us.*] types:[order.*]]"

// settledQuery says the same in other words.
const settledQuery = "stream=orders&from=oldest&topic=eu.**&topic=us.*&type=order.*&ack=explicit&ack_wait=5000ms" +
	"&max_deliveries=7&backoff=2s&backoff=1s&order=strict&expires_after=24h"

func TestSettingsAreStoredOnceAndSharedByAllHubs(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	put := one.want(http.StatusCreated, "PUT", "/v1/sinks/put", settled)
	if got := fmt.Sprint(put["config"]); put["sink"] != "put" || got != settledConfig {
		t.Errorf("the PUT was answered %v", put)
	}
	one.dial("/v1/sinks/dialled/ws?" + settledQuery)
	one.pull("pulled", "?"+settledQuery, "")
	for _, sink := range []string{"put", "dialled", "pulled"} {
		if got := fmt.Sprint(two.want(http.StatusOK, "GET", "/v1/sinks/"+sink, "")["config"]); got != settledConfig {
			t.Errorf("another hub shows the sink %s as %s", sink, got)
		}
		s := two.dial("/v1/sinks/" + sink + "/ws?stream=orders")
		if s.ready.AckWait != "5s" || s.ready.From != "oldest" {
			t.Errorf("another hub says of the sink %s: %+v", sink, s.ready)
		}
		two.want(http.StatusOK, "PUT", "/v1/sinks/"+sink, settled)
	}
}

func TestSinkOfFewWordsHasTheDocumentedDefaults(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	const defaults = "map[ack:explicit ack_wait:30s backoff:[] expires_after:720h from:latest max_deliveries:10 order:none" +
		" streams:[orders] topics:[] types:[]]"
	h.put("put", `{"streams":["orders"]}`)
	h.dial("/v1/sinks/dialled/ws?stream=orders")
	for _, sink := range []string{"put", "dialled"} {
		answer := h.call("GET", "/v1/sinks/"+sink, "")
		if got := fmt.Sprint(answer.json(t)["config"]); got != defaults || strings.Contains(string(answer.body), "null") {
			t.Errorf("the sink %s is %s", sink, answer.body)
		}
	}
	// A PUT says everything: what it leaves out is the default again.
	h.put("put", settledWithout(`"order":"strict",`))
	if got := fmt.Sprint(h.put("put", `{}`)["config"]); got != strings.Replace(defaults, "latest", "oldest", 1) && got != defaults {
		t.Errorf("after an empty PUT the sink is %s", got)
	}
}

// settledWithout is settled without a part.
func settledWithout(part string) string { return strings.Replace(settled, part, "", 1) }

func TestContradictionIsAConflictThatNamesBothValues(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.put("billing", settled)
	for asked, stored := range map[string]string{
		"topic=asia.*": "eu.**", "type=bill.*": "order.*", "ack=none": "explicit", "ack_wait=6s": "5s", "max_deliveries=8": "7",
		"backoff=3s": "2s", "order=none": "strict", "expires_after=48h": "24h",
	} {
		name, value, _ := strings.Cut(asked, "=")
		for call, answer := range map[string]response{
			"socket": two.call("GET", "/v1/sinks/billing/ws?stream=orders&"+asked, ""),
			"pull":   two.call("POST", "/v1/sinks/billing/pull?stream=orders&"+asked, ""),
		} {
			problem := answer.json(t)
			detail := fmt.Sprint(problem["detail"], problem["errors"])
			if answer.StatusCode != http.StatusConflict || problem["code"] != "conflict" ||
				!strings.Contains(detail, value) || !strings.Contains(detail, stored) || !strings.Contains(detail, name) {
				t.Errorf("%s with %s: %d %s", call, asked, answer.StatusCode, answer.body)
			}
		}
	}
	// The order of backoff counts, and one value of several is not the same.
	for _, asked := range []string{"backoff=1s&backoff=2s", "topic=eu.**"} {
		one.want(http.StatusConflict, "GET", "/v1/sinks/billing/ws?stream=orders&"+asked, "")
	}
	one.want(http.StatusUpgradeRequired, "GET", "/v1/sinks/billing/ws?"+settledQuery, "")
	if got := fmt.Sprint(one.want(http.StatusOK, "GET", "/v1/sinks/billing", "")["config"]); got != settledConfig {
		t.Errorf("a refused request has changed the sink: %s", got)
	}
}

func TestPutThatWouldChangeWhatASinkIsIsAConflict(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.put("billing", `{"streams":["orders"]}`)
	for body, values := range map[string][2]string{
		`{"ack":"none"}`: {"explicit", "none"}, `{"order":"strict"}`: {"none", "strict"},
	} {
		problem := h.want(http.StatusConflict, "PUT", "/v1/sinks/billing", body)
		if detail := fmt.Sprint(problem["detail"]); problem["code"] != "conflict" ||
			!strings.Contains(detail, values[0]) || !strings.Contains(detail, values[1]) {
			t.Errorf("%s was answered %v", body, problem)
		}
	}
}

func TestFromOnAKnownStreamIsReportedAsIgnored(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	if put := one.put("billing", `{"streams":["orders"],"from":"oldest"}`); put["ignored"] != nil {
		t.Errorf("the first PUT was answered %v", put)
	}
	if put := two.put("billing", `{"streams":["orders"],"from":"latest"}`); fmt.Sprint(put["ignored"]) != "[from]" {
		t.Errorf("the second PUT was answered %v", put)
	}
	if s := two.dial("/v1/sinks/billing/ws?stream=orders&from=latest"); fmt.Sprint(s.ready.Ignored) != "[from]" {
		t.Errorf("ready: %+v", s.ready)
	}
	// A further stream starts where the connection that brings it says.
	id := one.publish("payments", `{"data":1}`)
	s := two.dial("/v1/sinks/billing/ws?stream=payments&from=oldest")
	if len(s.ready.Ignored) > 0 {
		t.Errorf("ready: %+v", s.ready)
	}
	assertEvents(t, s.events(1), []string{id}, 1)
}

func TestSettingsAreRefusedWithEveryFault(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	for body, want := range map[string]string{
		`{"streams":["orders"],"colour":"red","prefetch":5}`: "invalid_request /colour /prefetch",
		`{"streams":["orders"],"order":"key"}`:               "not_supported /order",
		`{}`:                                                 "invalid_request /streams",
		`{"streams":[]}`:                                     "invalid_request /streams",
		`{"streams":["a b"]}`:                                "invalid_request /streams/0",
		`{"streams":["orders"],"ack":"maybe","ack_wait":"1ms"}`:                         "invalid_request /ack /ack_wait",
		`{"streams":["orders"],"max_deliveries":-1,"expires_after":"500ms"}`:            "invalid_request /expires_after /max_deliveries",
		`{"streams":["orders"],"backoff":["1s","soon"],"topics":["re:("],"types":[""]}`: "invalid_request /backoff/1 /topics/0 /types/0",
		`{"streams":["orders"],"from":"yesterday"}`:                                     "invalid_request /from",
		`{"streams":["orders"],"ack_wait":5}`:                                           "invalid_request /ack_wait",
		`{"streams":["orders"],"ack_wait":"5s","ack_wait":"6s"}`:                        "invalid_request /ack_wait",
		`[]`: "invalid_request",
	} {
		if got := faults(h.want(http.StatusBadRequest, "PUT", "/v1/sinks/billing", body)); got != want {
			t.Errorf("%s was refused as %s, want %s", body, got, want)
		}
	}
	for query, want := range map[string]string{
		"order=key":                             "not_supported ?order",
		"topics=eu":                             "invalid_request ?topics",
		"ack=maybe&max_deliveries=x":            "invalid_request ?ack ?max_deliveries",
		"backoff=-1s&expires_after=1ms":         "invalid_request ?backoff ?expires_after",
		"topic=" + url.QueryEscape("re:(?<"):    "invalid_request ?topic",
		"max_bytes=0&max_latency=2m&batch=0":    "invalid_request ?batch ?max_bytes ?max_latency",
		"type=" + strings.Repeat("x", 257):      "invalid_request ?type",
		"ack_wait=25h&prefetch=-1&consumer=%07": "invalid_request ?ack_wait ?consumer ?prefetch",
	} {
		if got := faults(h.want(http.StatusBadRequest, "GET", "/v1/sinks/billing/ws?stream=orders&"+query, "")); got != want {
			t.Errorf("%s was refused as %s, want %s", query, got, want)
		}
	}
	h.want(http.StatusNotFound, "GET", "/v1/sinks/billing", "")
}

// faults are a problem's code and the places of its errors, sorted.
func faults(problem map[string]any) string {
	words := []string{}
	list, _ := problem["errors"].([]any)
	for _, fault := range list {
		words = append(words, fmt.Sprint(fault.(map[string]any)["pointer"]))
	}
	return strings.Join(append([]string{fmt.Sprint(problem["code"])}, sorted(words)...), " ")
}

// soon is when a change is to be seen on another hub: 2 s, and some for a loaded
// machine.
const soon = 4 * time.Second

func TestLiveChangeReachesTheOtherHub(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	for name, test := range map[string]func(t *testing.T, one, two *testHub){
		"ack_wait": changeAckWait, "max_deliveries": changeMaxDeliveries, "backoff": changeBackoff, "topics": changeTopics,
	} {
		t.Run(name, func(t *testing.T) { test(t, one.in(t), two.in(t)) })
	}
}

func changeAckWait(t *testing.T, one, two *testHub) {
	s := two.dial("/v1/sinks/waits/ws?stream=waits&ack_wait=1h")
	id := one.publish("waits", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
	one.put("waits", `{"ack_wait":"300ms"}`)
	changed := time.Now()
	next := one.publish("waits", `{"data":2}`)
	for got := map[string]int{}; got[id] < 2 || got[next] < 2; { // held before the change, and after it
		for _, e := range s.next("events").Events {
			got[e.ID] = e.Attempt
		}
	}
	if took := time.Since(changed); took > soon {
		t.Errorf("the leases ended %s after the change", took)
	}
}

func changeMaxDeliveries(t *testing.T, one, two *testHub) {
	s := two.dial("/v1/sinks/limits/ws?stream=limits&ack_wait=1h&max_deliveries=0")
	id := one.publish("limits", `{"data":1}`)
	var changed time.Time
	for attempt := 1; sinkFigures(t, two, "limits")["dead_letters"] != 1.0; attempt++ {
		assertEvents(t, s.events(1), []string{id}, attempt)
		if attempt == 3 {
			one.put("limits", `{"ack_wait":"1h","max_deliveries":2}`)
			changed = time.Now()
		}
		s.ok(`{"type":"nack","ids":[%q]}`, id)
	}
	if took := time.Since(changed); took > soon {
		t.Errorf("the event was given up %s after the change", took)
	}
}

func changeBackoff(t *testing.T, one, two *testHub) {
	s := two.dial("/v1/sinks/backs/ws?stream=backs&max_deliveries=0")
	id := one.publish("backs", `{"data":1}`)
	one.put("backs", `{"max_deliveries":0,"backoff":["1h"]}`)
	changed := time.Now()
	for waits := false; !waits; {
		s.events(1)
		s.ok(`{"type":"nack","ids":[%q]}`, id)
		pending := pendingEvents(t, two, "backs")
		waits = len(pending) == 1 && pending[0].State == "waiting" && pending[0].DueInSeconds > 60
	}
	if took := time.Since(changed); took > soon {
		t.Errorf("the event was held back %s after the change", took)
	}
}

func changeTopics(t *testing.T, one, two *testHub) {
	s := two.dial("/v1/sinks/filters/ws?stream=filters&topic=eu.**")
	one.put("filters", `{"topics":["us.**"]}`)
	changed := time.Now()
	for seen := ""; seen != "us.ny"; {
		one.publish("filters", `{"topic":"eu.de","data":1}`)
		us := one.publish("filters", `{"topic":"us.ny","data":1}`)
		eventually(t, func() string { // the hub has read it, whether it delivers it or not
			if lag := sinkFigures(t, two, "filters")["lag"]; lag != 0.0 {
				return fmt.Sprintf("the lag is %v at %s", lag, us)
			}
			return ""
		})
		f := s.next("events")
		seen = f.Events[len(f.Events)-1].Topic
		s.ok(`{"type":"ack","ids":%s}`, list(ids(f.Events)...))
	}
	if took := time.Since(changed); took > soon {
		t.Errorf("the filter was another %s after the change", took)
	}
	one.publish("filters", `{"topic":"eu.de","data":2}`)
	fence := one.publish("filters", `{"topic":"us.ny","data":2}`)
	for _, e := range s.until(fence) {
		if e.Topic != "us.ny" && string(e.Data) == "2" {
			t.Errorf("the sink got %+v", e)
		}
	}
}

func TestDeletedSinkIsGoneEverywhere(t *testing.T) {
	t.Parallel()
	redis, one, two := twoHubs(t)
	direct := redis.Client(t)
	sockets := []*socket{
		one.dial("/v1/sinks/billing/ws?stream=orders&stream=payments&prefetch=2"), two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=2"),
	}
	other := two.dial("/v1/sinks/audit/ws?stream=orders")
	one.publishMany("orders", 10)
	for _, s := range sockets {
		s.events(2)
	}
	first := other.events(10)[0].ID
	sockets[0].do(`{"type":"nack","stream":"orders","ids":[%q],"dead_letter":true}`, first)
	for range 2 {
		one.want(http.StatusNoContent, "DELETE", "/v1/sinks/billing", "")
	}
	for _, s := range sockets {
		if f := s.next("error"); f.Code != "sink_not_found" || f.Ref != nil {
			t.Errorf("a consumer was told %+v", f)
		}
		if code := s.closed(); code != 4404 {
			t.Errorf("a consumer was closed with %d, want 4404", code)
		}
	}
	for _, h := range []*testHub{one, two} {
		h.want(http.StatusNotFound, "GET", "/v1/sinks/billing", "")
		if names := sinkNames(h.want(http.StatusOK, "GET", "/v1/sinks", "")); names != "audit" {
			t.Errorf("the sinks are %s", names)
		}
	}
	eventually(t, func() string {
		for _, stream := range []string{"orders", "payments"} {
			if hasGroup(t, direct, stream, "billing") {
				return "the group on " + stream + " is still there"
			}
		}
		for _, key := range direct.Keys(t.Context(), "*billing*").Val() {
			if direct.TTL(t.Context(), key).Val() < 0 {
				return "left in Redis for ever: " + key
			}
		}
		return ""
	})
	id := one.publish("orders", `{"data":1}`)
	assertEvents(t, other.until(id), []string{id}, 1)

	// Who uses the name again makes another sink.
	again := two.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=7s")
	if again.ready.AckWait != "7s" || len(again.ready.Ignored) > 0 {
		t.Errorf("ready: %+v", again.ready)
	}
	id = one.publish("orders", `{"data":2}`)
	assertEvents(t, again.until(id), []string{id}, 1)
}

// sinkNames are those of a list, in its order.
func sinkNames(page map[string]any) string {
	names := []string{}
	for _, sink := range page["sinks"].([]any) {
		names = append(names, sink.(map[string]any)["sink"].(string))
	}
	return strings.Join(names, " ")
}

func TestSinksAreListedByNameAndPage(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	for _, sink := range []string{"delta", "alpha", "echo", "charlie", "bravo"} {
		one.put(sink, `{"streams":["orders"],"ack_wait":"5s"}`)
	}
	var names []string
	path := "/v1/sinks?limit=2"
	for pages := 0; path != ""; pages++ {
		page := two.want(http.StatusOK, "GET", path, "")
		names = append(names, sinkNames(page))
		config := page["sinks"].([]any)[0].(map[string]any)["config"].(map[string]any)
		if config["ack_wait"] != "5s" || pages > 3 {
			t.Fatalf("page %d: %v", pages, page)
		}
		path = ""
		if next, more := page["next"]; more {
			path = "/v1/sinks?limit=2&cursor=" + url.QueryEscape(next.(string))
		}
	}
	if got := strings.Join(names, " | "); got != "alpha bravo | charlie delta | echo" {
		t.Errorf("the pages are %s", got)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?colour=red", "?limit=x"} {
		one.want(http.StatusBadRequest, "GET", "/v1/sinks"+query, "")
	}
}

func TestPutThatLeavesAStreamOutDetachesIt(t *testing.T) {
	t.Parallel()
	redis, one, two := twoHubs(t)
	direct := redis.Client(t)
	one.put("billing", `{"streams":["orders","payments"]}`)
	both := two.dial("/v1/sinks/billing/ws?stream=orders&stream=payments&prefetch=3")
	one.publishMany("payments", 3)
	both.events(3)
	single := two.dial("/v1/sinks/billing/ws?stream=payments")

	one.put("billing", `{"streams":["orders"]}`)
	if f := both.next("error"); f.Code != "stream_not_found" || f.Ref != nil {
		t.Errorf("who reads both was told %+v", f)
	}
	if f := single.next("error"); f.Code != "stream_not_found" || f.Ref != nil {
		t.Errorf("who reads only that one was told %+v", f)
	}
	if code := single.closed(); code != 4404 {
		t.Errorf("who reads only that one was closed with %d, want 4404", code)
	}
	if hasGroup(t, direct, "payments", "billing") {
		t.Error("the stream still has the sink's group")
	}
	if keys := direct.Keys(t.Context(), "hub:{payments}*billing*").Val(); len(keys) > 0 {
		t.Errorf("left in Redis: %v", keys)
	}
	lost := one.publish("payments", `{"data":"lost"}`)
	want := one.publishMany("orders", 3) // with all its credit
	assertEvents(t, both.events(3), want, 1)
	both.ok(`{"type":"ack","stream":"orders","ids":%s}`, list(want...))
	if f := both.do(`{"type":"ack","stream":"payments","ids":[%q]}`, lost); f.Code != "stream_not_found" {
		t.Errorf("an ack for the stream that went was answered %+v", f)
	}
	status := one.want(http.StatusOK, "GET", "/v1/sinks/billing", "")
	if got := fmt.Sprint(status["config"].(map[string]any)["streams"]); got != "[orders]" || len(status["streams"].([]any)) != 1 {
		t.Errorf("the sink is %v", status)
	}

	// Attached again, it begins anew.
	if put := one.put("billing", `{"streams":["orders","payments"]}`); len(put["streams"].([]any)) != 2 {
		t.Errorf("the PUT was answered %v", put)
	}
	again := two.dial("/v1/sinks/billing/ws?stream=payments")
	id := one.publish("payments", `{"data":"again"}`)
	assertEvents(t, again.until(id), []string{id}, 1)
}
