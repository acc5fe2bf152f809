package main

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"eventhub/internal/redistest"
)

// replayed says whether an answer tells that all of it had been stored before.
func replayed(answer response) bool {
	return answer.StatusCode == http.StatusOK && answer.Header.Get("Idempotency-Replayed") == "true"
}

func TestSameKeyIsStoredOnceAndAnsweredAlikeOnEveryHub(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	cloud := []string{"Content-Type: application/cloudevents+json"}
	for i, c := range []struct {
		name, path, body string
		header           []string
		other            string // content
		place            string // of the key
	}{
		{"an event's key", "events", `{"idempotency_key":"a","data":{"n":1}}`, nil, `{"idempotency_key":"a","data":{"n":2}}`, "/idempotency_key"},
		{
			"keys of a batch", "events", `[{"idempotency_key":"a","data":1},{"idempotency_key":"b","data":2}]`, nil,
			`[{"idempotency_key":"a","data":1},{"idempotency_key":"b","data":3}]`, "/1/idempotency_key",
		},
		{
			"lines", "events", "{\"idempotency_key\":\"a\",\"data\":1}\n",
			[]string{"Content-Type: application/x-ndjson"},
			"{\"idempotency_key\":\"a\",\"data\":1,\"type\":\"t\"}\n", "/0/idempotency_key",
		},
		{"a request's key", "events", `[{"data":1},{"data":2}]`, []string{"Idempotency-Key: a"}, `[{"data":2},{"data":1}]`, "header Idempotency-Key"},
		{"a request's key of raw", "raw?type=t", `1`, []string{"Idempotency-Key: a"}, `2`, "header Idempotency-Key"},
		{
			"a CloudEvent", "events", `{"specversion":"1.0","id":"1","source":"/a","type":"t","data":1}`, cloud,
			`{"specversion":"1.0","id":"1","source":"/a","type":"t","data":2}`, "/id",
		},
		{"a binary CloudEvent", "events", `1`, []string{"ce-specversion: 1.0", "ce-id: 1", "ce-source: /a", "ce-type: t"}, `2`, "header ce-id"},
	} {
		stream := fmt.Sprint("orders-", i)
		path := "/v1/streams/" + stream + "/" + c.path
		first := one.call("POST", path, c.body, c.header...)
		if first.StatusCode != http.StatusCreated || first.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: %d %s", c.name, first.StatusCode, first.body)
		}
		for _, h := range []*testHub{two, one} {
			if again := h.call("POST", path, c.body, c.header...); !replayed(again) || !bytes.Equal(again.body, first.body) {
				t.Errorf("%s once more: %d %s, the first time %s", c.name, again.StatusCode, again.body, first.body)
			}
		}
		other := two.call("POST", path, c.other, c.header...)
		if got := fmt.Sprint(other.StatusCode, " ", faults(other.json(t))); got != "409 conflict "+c.place {
			t.Errorf("%s with other content was answered %s, want %s: %s", c.name, got, c.place, other.body)
		}
		if n, want := len(two.everything(stream)), max(1, strings.Count(c.body, `"data"`)); n != want {
			t.Errorf("%s: %d events were stored, want %d", c.name, n, want)
		}
	}
	// A key belongs to one stream, and an event's is not a request's.
	one.want(http.StatusCreated, "POST", "/v1/streams/another/events", `{"idempotency_key":"a","data":5}`)
	if answer := one.call("POST", "/v1/streams/another/events", `{"data":6}`, "Idempotency-Key: a"); answer.StatusCode != http.StatusCreated {
		t.Errorf("a request's key that is an event's: %d %s", answer.StatusCode, answer.body)
	}
	// A CloudEvent is told from others by both its source and its id.
	for _, body := range []string{
		`{"specversion":"1.0","id":"1","source":"/b","type":"t","data":2}`, `{"specversion":"1.0","id":"2","source":"/a","type":"t","data":3}`,
	} {
		if answer := one.call("POST", "/v1/streams/orders-5/events", body, cloud...); answer.StatusCode != http.StatusCreated {
			t.Errorf("another CloudEvent: %d %s", answer.StatusCode, answer.body)
		}
	}
}

func TestBatchOfWhichSomeEventsAreReplaysIsStoredInPart(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const path = "/v1/streams/orders/events"
	old := one.want(http.StatusCreated, "POST", path, `[{"idempotency_key":"b","data":1},{"idempotency_key":"d","data":3}]`)["ids"].([]any)
	answer := two.want(http.StatusCreated, "POST", path,
		`[{"data":0},{"idempotency_key":"b","data":1},{"idempotency_key":"c","data":2},{"idempotency_key":"d","data":3},{"data":4}]`)
	id := answer["ids"].([]any)
	if len(id) != 5 || id[1] != old[0] || id[3] != old[1] || fmt.Sprint(answer["replayed"]) != "[1 3]" {
		t.Errorf("the batch was answered %v, stored were %v", answer, old)
	}
	var want []string
	for _, i := range []int{1, 3, 0, 2, 4} {
		want = append(want, id[i].(string))
	}
	assertRead(t, one.everything("orders"), want)
	// The same key twice in a batch is the same event.
	answer = one.want(http.StatusCreated, "POST", path, `[{"idempotency_key":"e","data":5},{"idempotency_key":"e","data":5}]`)
	if id := answer["ids"].([]any); id[0] != id[1] {
		t.Errorf("a key twice in a batch was answered %v", answer)
	}
	if problem := one.want(http.StatusConflict, "POST", path, `[{"idempotency_key":"f","data":5},{"idempotency_key":"f","data":6}]`); faults(problem) != "conflict /1/idempotency_key" {
		t.Errorf("a key twice with other content was answered %v", problem)
	}
	if n := len(two.everything("orders")); n != 6 {
		t.Errorf("%d events were stored, want 6", n)
	}
}

func TestKeysCountInEachStreamOfARequest(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	publish := func(h *testHub, body string) (response, []result) {
		answer := h.call("POST", "/v1/events", body, "Idempotency-Key: a")
		var told struct{ Results []result }
		into(t, answer, &told)
		return answer, told.Results
	}
	const body = `[{"stream":"orders","data":1},{"stream":"payments","data":2},{"stream":"orders","data":3}]`
	_, first := publish(one, body)
	answer, again := publish(two, body)
	if !replayed(answer) || len(first) != 3 || len(again) != 3 {
		t.Errorf("once more: %d %s", answer.StatusCode, answer.body)
	}
	for i, r := range again {
		if !r.Replayed || r.ID != first[i].ID || first[i].Replayed {
			t.Errorf("event %d was answered %+v, the first time %+v", i, r, first[i])
		}
	}
	answer, mixed := publish(two, `[{"stream":"orders","data":1},{"stream":"payments","data":7},{"stream":"orders","data":3},{"stream":"refunds","data":1}]`)
	if answer.StatusCode != http.StatusMultiStatus || !mixed[0].Replayed || mixed[1].Code != "conflict" || !mixed[2].Replayed || mixed[3].ID == "" || mixed[3].Replayed {
		t.Errorf("with other content for one stream: %d %s", answer.StatusCode, answer.body)
	}
	if orders, payments := len(one.everything("orders")), len(one.everything("payments")); orders != 2 || payments != 1 {
		t.Errorf("%d orders and %d payments were stored", orders, payments)
	}
}

func TestKeysExpire(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL(), "HUB_IDEMPOTENCY_WINDOW=1s")
	h.want(http.StatusCreated, "POST", "/v1/streams/orders/events", `{"idempotency_key":"a","data":1}`)
	eventually(t, func() string {
		answer := h.call("POST", "/v1/streams/orders/events", `{"idempotency_key":"a","data":2}`)
		if answer.StatusCode != http.StatusCreated {
			return fmt.Sprintf("the key is still known: %d %s", answer.StatusCode, answer.body)
		}
		return ""
	})
	if n := len(h.everything("orders")); n != 2 {
		t.Errorf("%d events were stored, want 2", n)
	}
}

func TestKeysEndWithTheirStream(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const body = `{"idempotency_key":"a","data":1}`
	one.publish("orders", body)
	two.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")
	id := one.publish("orders", body)
	assertRead(t, two.everything("orders"), []string{id})
}

func TestConcurrentDuplicatesOnTwoHubsAreStoredOnce(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const keys = 500
	answers := make([]response, 2*keys)
	var late [keys]atomic.Bool
	var publishers sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		h := []*testHub{one, two}[i%2]
		publishers.Go(func() {
			<-start
			answers[i] = h.call("POST", "/v1/streams/orders/events", fmt.Sprintf(`{"idempotency_key":"key-%d","data":%d}`, i/2, i/2))
			// On a loaded machine an answer of Redis may be late: that is what keys are for.
			for tries := 0; tries < 10 && answers[i].StatusCode == http.StatusServiceUnavailable; tries++ {
				late[i/2].Store(true)
				answers[i] = h.call("POST", "/v1/streams/orders/events", fmt.Sprintf(`{"idempotency_key":"key-%d","data":%d}`, i/2, i/2))
			}
		})
	}
	close(start)
	publishers.Wait()
	var want []string
	for i := 0; i < len(answers); i += 2 {
		a, b := answers[i], answers[i+1]
		if replayed(a) {
			a, b = b, a
		}
		if a.StatusCode != http.StatusCreated && !late[i/2].Load() || !replayed(b) || !bytes.Equal(a.body, b.body) {
			t.Fatalf("key %d was answered %d %s and %d %s", i/2, a.StatusCode, a.body, b.StatusCode, b.body)
		}
		want = append(want, a.json(t)["id"].(string))
	}
	got := ids(two.everything("orders"))
	if !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("%d entries were stored, want exactly the %d that were answered", len(got), keys)
	}
}

func TestLostReplyWithAKeyNeverMakesTwoEntries(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	cut, whole := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+redis.URL())
	eventually(t, func() string { return notReady(cut) })
	cut.publish("orders", `{"idempotency_key":"first","data":0}`) // Redis has the script now
	for i, h := range []*testHub{cut, whole} {
		body := fmt.Sprintf(`{"idempotency_key":"key-%d","data":1}`, i)
		proxy.DropReplies(1, "EVALSHA")
		answer := cut.call("POST", "/v1/streams/orders/events", body)
		if answer.StatusCode != http.StatusServiceUnavailable || answer.json(t)["code"] != "unconfirmed" {
			t.Errorf("a publish without a reply was answered %d %s", answer.StatusCode, answer.body)
		}
		eventually(t, func() string {
			if answer := h.call("POST", "/v1/streams/orders/events", body); !replayed(answer) {
				return fmt.Sprintf("once more: %d %s", answer.StatusCode, answer.body)
			}
			return ""
		})
	}
	if n := len(whole.everything("orders")); n != 3 {
		t.Errorf("%d events were stored, want 3", n)
	}
}
