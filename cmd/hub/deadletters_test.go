package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// deadLetter is a dead letter as it is shown.
type deadLetter struct {
	Event          event
	Reason         string
	Attempts       int
	FirstDelivered time.Time `json:"first_delivered"`
	LastDelivered  time.Time `json:"last_delivered"`
	LastConsumer   string    `json:"last_consumer"`
	DeadSince      time.Time `json:"dead_since"`
}

// deadLetters are all of a sink, which are fewer than a page holds.
func deadLetters(t *testing.T, h *testHub, sink string) []deadLetter {
	t.Helper()
	letters, next := deadLetterPage(t, h, "/v1/sinks/"+sink+"/dead-letters")
	if next != "" {
		t.Fatalf("there are more than %d dead letters", len(letters))
	}
	return letters
}

func deadLetterPage(t *testing.T, h *testHub, path string) (letters []deadLetter, next string) {
	t.Helper()
	answer := h.call("GET", path, "")
	var page struct {
		DeadLetters []deadLetter `json:"dead_letters"`
		Next        string
	}
	if err := json.Unmarshal(answer.body, &page); err != nil || answer.StatusCode != http.StatusOK || page.DeadLetters == nil {
		t.Fatalf("the dead letters: %d %s", answer.StatusCode, answer.body)
	}
	return page.DeadLetters, page.Next
}

// letterIDs are the ids of dead letters.
func letterIDs(letters []deadLetter) []string {
	var ids []string
	for _, l := range letters {
		ids = append(ids, l.Event.ID)
	}
	return ids
}

// buried waits until the sink has so many dead letters.
func buried(t *testing.T, h *testHub, sink string, n int) []deadLetter {
	t.Helper()
	var letters []deadLetter
	eventually(t, func() string {
		if letters = deadLetters(t, h, sink); len(letters) != n {
			return fmt.Sprintf("there are %d dead letters, want %d", len(letters), n)
		}
		return ""
	})
	return letters
}

func TestPoisonEventBecomesADeadLetterAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	began := time.Now().Add(-truncated)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=300ms&max_deliveries=3&consumer=worker-7")
	audit := two.dial("/v1/sinks/audit/ws?stream=orders")
	poison := one.publish("orders", `{"type":"order.created","topic":"eu.de","key":"k","headers":{"a":"b"},"data":{"total":12.50}}`)
	one.publishMany("orders", 5)
	audit.ack("orders", ids(audit.events(6))...)

	var attempts []int
	for acked := 0; acked < 5 || len(attempts) < 3; {
		for _, e := range s.next("events").Events {
			if e.ID == poison {
				attempts = append(attempts, e.Attempt)
				continue
			}
			if s.ack("orders", e.ID); e.Attempt != 1 || len(attempts) == 3 && acked < 5 {
				t.Errorf("event %s came with attempt %d, the poison one %d times before", e.ID, e.Attempt, len(attempts))
			}
			acked++
		}
	}
	if !slices.Equal(attempts, []int{1, 2, 3}) {
		t.Errorf("the attempts were %v", attempts)
	}
	l := buried(t, two, "billing", 1)[0]
	if e := l.Event; e.ID != poison || e.Stream != "orders" || e.Type != "order.created" || e.Topic != "eu.de" || e.Key != "k" ||
		e.Headers["a"] != "b" || string(e.Data) != `{"total":12.50}` || e.Attempt != 0 || e.Time == "" {
		t.Errorf("the dead letter's event is %+v with data %s", e, e.Data)
	}
	if l.Reason != "ack_timeout" || l.Attempts != 3 || l.LastConsumer != "worker-7" {
		t.Errorf("the dead letter is %+v", l)
	}
	if l.FirstDelivered.Before(began) || l.LastDelivered.Sub(l.FirstDelivered) < 600*time.Millisecond-truncated ||
		l.DeadSince.Sub(l.LastDelivered) < 300*time.Millisecond-truncated || l.DeadSince.After(time.Now().Add(time.Second)) {
		t.Errorf("the dead letter's times are %+v, the test began at %s", l, began)
	}
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 || f["dead_letters"] != 1.0 || f["redelivered"] != 2.0 {
		t.Errorf("figures: %v", f)
	}

	answer := two.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"ids":[`+fmt.Sprintf("%q", poison)+`]}`)
	if got := fmt.Sprint(answer); got != "map[count:1 not_found:[] redriven:["+poison+"]]" {
		t.Errorf("the redrive was answered %s", got)
	}
	assertEvents(t, s.events(1), []string{poison}, 1)
	s.ack("orders", poison)
	if letters := deadLetters(t, one, "billing"); len(letters) > 0 {
		t.Errorf("after the redrive there are %+v", letters)
	}
	// Another sink has seen nothing of it.
	fence := one.publish("orders", `{"data":"fence"}`)
	assertEvents(t, audit.until(fence), []string{fence}, 1)
	assertEvents(t, s.until(fence), []string{fence}, 1)
}

// bury makes dead letters of n new events, and returns their ids.
func bury(h *testHub, s *socket, stream string, n int) []string {
	h.t.Helper()
	id := h.publishMany(stream, n)
	s.events(n)
	if f := s.ok(`{"type":"nack","stream":%q,"ids":%s,"dead_letter":true,"reason":"no such customer"}`, stream, list(id...)); len(f.Nacked) != n {
		h.t.Fatalf("the nack was answered %+v", f)
	}
	return id
}

func TestDeadLettersAreRedrivenSomeOrAll(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&stream=payments&ack_wait=1h")
	id, paid := bury(one, s, "orders", 5), bury(one, s, "payments", 2)
	for _, l := range deadLetters(t, two, "billing") {
		if l.Reason != "no such customer" || l.Attempts != 1 {
			t.Errorf("dead letter %+v", l)
		}
	}
	answer := two.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"ids":`+list(id[1], "1-1", id[3])+`}`)
	if got := fmt.Sprint(answer); got != fmt.Sprintf("map[count:2 not_found:[1-1] redriven:[%s %s]]", id[1], id[3]) {
		t.Errorf("the redrive of some was answered %s", got)
	}
	assertEvents(t, s.events(2), []string{id[1], id[3]}, 1)
	if n := sinkFigures(t, two, "billing")["dead_letters"]; n != 3.0 {
		t.Errorf("%v dead letters are left, want 3", n)
	}
	answer = two.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"all":true,"stream":"payments"}`)
	if fmt.Sprint(answer) != "map[count:2]" {
		t.Errorf("the redrive of a stream was answered %v", answer)
	}
	assertEvents(t, s.events(2), paid, 1)
	one.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"all":true}`)
	assertEvents(t, s.events(3), []string{id[0], id[2], id[4]}, 1)
	s.ok(`{"type":"nack","stream":"orders","ids":[%q],"delay":"0s"}`, id[0])
	assertEvents(t, s.events(1), id[:1], 2) // counted anew
	for body, want := range map[string]int{
		`{}`: 400, `{"all":false}`: 400, `{"all":true,"ids":["1-1"]}`: 400, `{"ids":["x"]}`: 400, `{"ids":["1-1"],"colour":1}`: 400,
	} {
		one.want(want, "POST", "/v1/sinks/billing/dead-letters/redrive", body)
	}
	one.want(http.StatusNotFound, "POST", "/v1/sinks/unknown/dead-letters/redrive", `{"all":true}`)
}

func TestRedrivenEventOutlivesTheLog(t *testing.T) {
	t.Parallel()
	redis, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=400ms&max_deliveries=4")
	id := one.publish("orders", `{"type":"t","topic":"eu","headers":{"a":"b"},"data":{"n":1.50}}`)
	s.events(1)
	s.ok(`{"type":"nack","ids":[%q],"dead_letter":true}`, id)
	if err := redis.Client(t).XTrimMaxLen(t.Context(), "hub:{orders}:log", 0).Err(); err != nil {
		t.Fatal(err)
	}
	redrive := func() {
		t.Helper()
		if answer := two.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"all":true}`); answer["count"] != 1.0 {
			t.Fatalf("the redrive was answered %v", answer)
		}
	}
	redrive()
	e := s.events(1)[0]
	if e.ID != id || e.Attempt != 1 || e.Type != "t" || e.Topic != "eu" || e.Headers["a"] != "b" || string(e.Data) != `{"n":1.50}` {
		t.Errorf("got %+v with data %s", e, e.Data)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 1.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	s.ok(`{"type":"nack","ids":[%q],"delay":"0s"}`, id)
	assertEvents(t, s.events(1), []string{id}, 2)
	assertEvents(t, s.events(1), []string{id}, 3) // a timeout
	s.drop()
	s = two.dial("/v1/sinks/billing/ws?stream=orders")
	assertEvents(t, s.events(1), []string{id}, 4)
	s.ok(`{"type":"nack","ids":[%q],"reason":"still no"}`, id)
	if l := buried(t, one, "billing", 1)[0]; l.Event.ID != id || l.Attempts != 4 || l.Reason != "still no" || string(l.Event.Data) != `{"n":1.50}` {
		t.Errorf("dead again: %+v", l)
	}
	redrive()
	assertEvents(t, s.events(1), []string{id}, 1)
	if f := s.ack("orders", id); len(f.Acked) != 1 {
		t.Errorf("the ack was answered %+v", f)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	fence := one.publish("orders", `{"data":1}`)
	assertEvents(t, s.until(fence), []string{fence}, 1)
}

func TestRedrivenEventOutlivesItsHub(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	setting := "HUB_REDIS_URL=" + redis.URL()
	doomed, other := startProcess(t, setting), startHub(t, setting)
	s := doomed.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=500ms")
	trimmed, kept := bury(doomed, s, "orders", 1)[0], bury(doomed, s, "orders", 1)[0]
	if err := redis.Client(t).XDel(t.Context(), "hub:{orders}:log", trimmed).Err(); err != nil {
		t.Fatal(err)
	}
	doomed.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"all":true}`)
	assertEvents(t, s.events(2), []string{trimmed, kept}, 1)
	doomed.kill()
	var got []event
	for len(got) < 2 { // nobody was connected here, and nobody knew of it
		got = append(got, other.pull("billing", "", `{"wait":"10s"}`)...)
	}
	assertEvents(t, got, []string{trimmed, kept}, 2)
	other.settle("billing", "nacks", `{"stream":"orders","ids":%s,"dead_letter":true}`, list(trimmed, kept))
	other.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"all":true}`) // for nobody yet
	got = nil
	for len(got) < 2 {
		got = append(got, other.pull("billing", "", `{"wait":"10s"}`)...)
	}
	assertEvents(t, got, []string{trimmed, kept}, 1)
	if f := sinkFigures(t, other, "billing"); f["pending"] != 2.0 || f["lag"] != 0.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	if acked := other.settle("billing", "acks", `{"stream":"orders","up_to":%q}`, kept)["acked"]; len(acked) != 2 {
		t.Errorf("acked: %v", acked)
	}
}

func TestDeadLettersArePagedAndPurged(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&stream=payments")
	want := slices.Concat(bury(one, s, "orders", 5), bury(one, s, "payments", 2))
	var got []string
	path, pages := "/v1/sinks/billing/dead-letters?limit=2", 0
	for path != "" {
		letters, next := deadLetterPage(t, two, path)
		if pages++; len(letters) > 2 || pages > 7 {
			t.Fatalf("page %d of %s has %d dead letters", pages, path, len(letters))
		}
		got = append(got, letterIDs(letters)...)
		path = ""
		if next != "" {
			path = "/v1/sinks/billing/dead-letters?limit=2&cursor=" + url.QueryEscape(next)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages hold %v, want %v", got, want)
	}
	for _, query := range []string{"?cursor=nonsense", "?limit=0", "?limit=1001", "?colour=red"} {
		one.want(http.StatusBadRequest, "GET", "/v1/sinks/billing/dead-letters"+query, "")
	}
	for range 2 {
		two.want(http.StatusNoContent, "DELETE", "/v1/sinks/billing/dead-letters", "")
	}
	if letters := deadLetters(t, one, "billing"); len(letters) > 0 {
		t.Errorf("after the purge there are %+v", letters)
	}
	if answer := one.want(http.StatusOK, "POST", "/v1/sinks/billing/dead-letters/redrive", `{"all":true}`); answer["count"] != 0.0 {
		t.Errorf("after the purge a redrive was answered %v", answer)
	}
	for _, method := range []string{"GET", "DELETE"} {
		one.want(http.StatusNotFound, method, "/v1/sinks/unknown/dead-letters", "")
	}
}

func TestUndecodableEntriesBecomeDeadLettersAndBlockNobody(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	direct := redis.Client(t)
	for _, order := range []string{"none", "strict"} {
		stream, sink := "orders-"+order, "billing-"+order
		s := h.dial("/v1/sinks/" + sink + "/ws?stream=" + stream + "&order=" + order + "&ack_wait=1h")
		var bad []string
		for _, fields := range [][]any{{"v", "2", "data", "1"}, {"v", "1", "type", "x"}} {
			bad = append(bad, direct.Do(t.Context(), append([]any{"XADD", "hub:{" + stream + "}:log", "*"}, fields...)...).Val().(string))
		}
		fence := h.publish(stream, `{"data":"fence"}`)
		assertEvents(t, s.until(fence), []string{fence}, 1)
		s.ack(stream, fence)
		letters := buried(t, h, sink, 2)
		if !slices.Equal(letterIDs(letters), bad) {
			t.Errorf("the dead letters are %+v, want %v", letters, bad)
		}
		for _, l := range letters {
			if !strings.HasPrefix(l.Reason, "undecodable") {
				t.Errorf("dead letter: %+v", l)
			}
		}
		if f := sinkFigures(t, h, sink); f["pending"] != 0.0 || f["lag"] != 0.0 {
			t.Errorf("figures: %v", f)
		}
		// Redriven, they are what they were.
		h.want(http.StatusOK, "POST", "/v1/sinks/"+sink+"/dead-letters/redrive", `{"all":true}`)
		buried(t, h, sink, 2)
	}
}

func TestDeadLettersTellWhyTheyDied(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	h := startHub(t, setting)
	for reason, fail := range map[string]func(s *socket, id string){
		"nacked":                 func(s *socket, id string) { s.ok(`{"type":"nack","ids":[%q]}`, id) },
		"no such customer: 7 \"": func(s *socket, id string) { s.ok(`{"type":"nack","ids":[%q],"reason":"no such customer: 7 \""}`, id) },
		"ack_timeout":            func(*socket, string) {},
		"connection_closed":      func(s *socket, _ string) { s.drop() },
	} {
		name, _, _ := strings.Cut(reason, " ")
		s := h.dial("/v1/sinks/" + name + "/ws?stream=" + name + "&max_deliveries=1&ack_wait=400ms")
		id := h.publish(name, `{"data":1}`)
		s.events(1)
		fail(s, id)
		if l := buried(t, h, name, 1)[0]; l.Reason != reason || l.Attempts != 1 || l.Event.ID != id {
			t.Errorf("the dead letter is %+v, want the reason %s", l, reason)
		}
	}
}

func TestDeadLetterOfAHubThatDied(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed, h := startProcess(t, setting), startHub(t, setting)
	id := h.publish("orders", `{"data":1}`)
	doomed.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&max_deliveries=1&ack_wait=1h").events(1)
	h.dial("/v1/sinks/billing/ws?stream=orders")
	doomed.kill()
	if l := buried(t, h, "billing", 1)[0]; l.Reason != "hub_gone" || l.Event.ID != id || l.Attempts != 1 {
		t.Errorf("the dead letter is %+v", l)
	}
}
