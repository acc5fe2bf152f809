package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNothingIsMissedAfterReady(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	for i := range 200 {
		channel := fmt.Sprint("room-", i%3) // which the last one just leaves, or another has left
		kind := []string{overSocket, overSocket, overSocket, overSSE}[i%4]
		l := one.listen(kind, "channel="+channel)
		l.hears(two.broadcast(channel, fmt.Sprintf(`{"data":%d}`, i))...)
		l.leave()
	}
}

// numbered are n messages as publishers send them, and what is between them.
func numbered(n int, between string) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`{"data":%d}`, i))
	}
	return strings.Join(parts, between)
}

func TestMessagesOfOneCallComeInTheirOrder(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	listeners := slices.Concat(one.listenBoth("channel=room&channel=other"), two.listenBoth("channel=room"))
	const n = 500
	for name, answer := range map[string]response{
		"array":  two.call("POST", "/v1/broadcast/room", "["+numbered(n, ",")+"]"),
		"NDJSON": two.call("POST", "/v1/broadcast/room", numbered(n, "\n"), "Content-Type: application/x-ndjson"),
	} {
		if got, _ := answer.json(t)["ids"].([]any); answer.StatusCode != http.StatusAccepted || len(got) != n {
			t.Fatalf("%s: %d %.500s", name, answer.StatusCode, answer.body)
		}
	}
	for _, l := range listeners {
		for i := range 2 * n {
			if e := l.event(); string(e.Data) != fmt.Sprint(i%n) {
				t.Fatalf("message %d is %s", i, e.Data)
			}
		}
	}
}

func TestMessagesOfConcurrentCallersComeEachInItsOrder(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	listeners := slices.Concat(one.listenBoth("channel=room"), two.listenBoth("channel=room"))
	const callers, each = 6, 25
	var calling sync.WaitGroup
	for caller := range callers {
		h := []*testHub{one, two}[caller%2]
		calling.Go(func() {
			for i := range each {
				h.broadcast("room", fmt.Sprintf(`{"key":"%d","data":%d}`, caller, i))
			}
		})
	}
	calling.Wait()
	for _, l := range listeners {
		due := map[string]int{}
		for range callers * each {
			e := l.event()
			if string(e.Data) != fmt.Sprint(due[e.Key]) {
				t.Fatalf("caller %s: %s came, want %d", e.Key, e.Data, due[e.Key])
			}
			due[e.Key]++
		}
	}
}

func TestFiltersConcernAllChannelsOfASubscriber(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const query = "channel=room&topic=eu.*&topic=us.**&type=order.*"
	listeners := one.listenBoth(query + "&channel=later")
	late := one.listen(overSocket, query)
	late.change("subscribe", "later")
	listeners = append(listeners, late)
	var want []string
	for _, channel := range []string{"room", "later"} {
		for _, m := range []struct {
			topic, kind string
			fits        bool
		}{
			{"eu.de", "order.created", true},
			{"eu.de.berlin", "order.created", false},
			{"us.ny.soho", "order.paid", true},
			{"asia", "order.paid", false},
			{"eu.de", "order.created.twice", false},
			{"eu.de", "", false},
			{"", "order.created", false},
			{"", "", false},
			{"us.ny", "order.sent", true}, // the last, so that all the others have been there
		} {
			id := two.broadcast(channel, fmt.Sprintf(`{"topic":%q,"type":%q,"data":1}`, m.topic, m.kind))
			if m.fits {
				want = append(want, id...)
			}
		}
	}
	for _, l := range listeners {
		l.hears(want...)
	}
	for query, want := range map[string]string{
		"channel=a&topic=re:(": "400 invalid_request ?topic", "channel=a&type=": "400 invalid_request ?type", "channel=a&slow=never": "400 invalid_request ?slow",
		"slow=drop": "400 invalid_request ?channel",
	} {
		for _, kind := range []string{overSocket, overSSE} {
			answer := one.call("GET", "/v1/broadcast/"+kind+"?"+query, "")
			if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != want {
				t.Errorf("%s?%s was refused as %s, want %s", kind, query, got, want)
			}
		}
	}
}

func TestForeignMessagesAreEventsWithoutTopicAndType(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	all := slices.Concat(one.listenBoth("channel=room"), two.listenBoth("channel=room&topic=**&type=**"))
	some := slices.Concat(one.listenBoth("channel=room&topic=*"), two.listenBoth("channel=room&type=?*"))
	for _, m := range []struct{ payload, data string }{
		{`{"a":1.10}`, `{"a":1.10}`}, {`no "json"`, `"no \"json\""`}, {"hub2", `"hub2"`}, {"hub2 hub-x 1 2 3\n{}", ""}, {"", `""`},
	} {
		if err := direct.Publish(t.Context(), "hub:live:room", m.payload).Err(); err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			e := l.event()
			if m.data != "" && string(e.Data) != m.data || e.Channel != "room" || e.ID == "" || e.Time == "" || !json.Valid(e.Data) {
				t.Errorf("%s came as %+v %s", m.payload, e, e.Data)
			}
		}
	}
	id := one.broadcast("room", `{"topic":"eu","type":"t","data":1}`)
	for _, l := range slices.Concat(all, some) {
		l.hears(id...) // no gap either
	}
}

func TestBroadcastFeedsCarryTheSameAsSockets(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	listeners := one.listenBoth("channel=room")
	for _, body := range []string{
		`{"type":"t","topic":"eu.de","key":"k","headers":{"a":"b"},"data":{"b":1.10,"a":[null,"ü\n"]}}`, `{"data_base64":"AP8=","content_type":"image/png"}`, `{"data":null}`,
	} {
		began := time.Now()
		id := two.broadcast("room", body)[0]
		var first event
		for i, l := range listeners {
			e := l.event()
			if i == 0 {
				first = e
			}
			at, err := time.Parse("2006-01-02T15:04:05.000Z", e.Time)
			if e.ID != id || e.Channel != "room" || e.Stream != "" || e.Attempt != 0 || fmt.Sprint(e.Time, shown(e)) != fmt.Sprint(first.Time, shown(first)) {
				t.Errorf("%s came as %+v, over the socket as %+v", body, e, first)
			}
			if err != nil || at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
				t.Errorf("its time is %s (%v), and it was published at %s", e.Time, err, began)
			}
		}
	}
}

func TestEmbeddedRedisCarriesBroadcast(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	listeners := h.listenBoth("channel=room&topic=eu")
	l := h.listen(overSocket, "channel=other")
	l.change("subscribe", "room")
	occupancy(t, []*testHub{h}, "", "other 1", "room 3")
	id := h.broadcast("room", `[{"topic":"eu","data":1},{"topic":"eu","data":2}]`)
	for _, l := range append(listeners, l) {
		l.hears(id...)
	}
	l.hush(1500 * time.Millisecond) // by then there was a probe, and whatever hubs tell one another
	l.change("unsubscribe", "room")
	listeners[1].leave()
	occupancy(t, []*testHub{h}, "", "other 1", "room 1")
	id = h.broadcast("room", `{"topic":"eu","data":3}`)
	listeners[0].hears(id...)
	l.hears(h.broadcast("other", `{"data":4}`)...)
}
