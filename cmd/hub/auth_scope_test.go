package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// european may do everything with topics of its own, and nothing with others.
const european = `[{"allow":["publish","read","consume","subscribe"],"streams":["orders"],"sinks":["eu-*"],"channels":["room"],"topics":["eu.**"]}]`

// topicsOf are those of events, in order.
func topicsOf(events []event) string {
	var topics []string
	for _, e := range events {
		topics = append(topics, e.Topic)
	}
	return strings.Join(topics, " ")
}

func TestImposedTopicsCannotBeWidened(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	key := keys.add("eu", european)
	eventually(t, func() string { return notYet(one, key) + notYet(two, key) })
	boss, h := one.by(keys.text["boss"]), two.by(key)
	const events = `[{"topic":"eu.de","data":1},{"topic":"us.ny","data":2},{"data":3},{"topic":"eu.fr","data":4}]`
	stored := boss.want(http.StatusCreated, "POST", "/v1/streams/orders/events", events)["ids"].([]any)
	const live = `[{"topic":"us.la","data":5},{"topic":"eu.it","data":6}]`

	readers := map[string]*socket{}
	for _, query := range []string{"", "&topic=**", "&topic=us.**&topic=eu.**", "&type=**"} {
		readers[query] = h.dial("/v1/readers/ws?stream=orders&from=oldest" + query)
		if query == "&type=**" {
			continue // events without a type match ** only
		}
		if got := topicsOf(h.page("orders", "?from=oldest"+query).Events); got != "eu.de eu.fr" {
			t.Errorf("a page%s has the topics %q", query, got)
		}
	}
	feed := h.sse("/v1/readers/sse?stream=orders&from=oldest&topic=**")
	room, rooms := h.dial("/v1/broadcast/ws?channel=room&topic=**"), h.sse("/v1/broadcast/sse?channel=room")
	sink := h.dial("/v1/sinks/eu-billing/ws?stream=orders&from=oldest")

	boss.want(http.StatusCreated, "POST", "/v1/streams/orders/events", live)
	boss.broadcast("room", live)
	for query, s := range readers {
		if got := topicsOf(s.events(3)); got != "eu.de eu.fr eu.it" {
			t.Errorf("a reader with %q gets the topics %q", query, got)
		}
	}
	if got := topicsOf(feed.events(3)); got != "eu.de eu.fr eu.it" {
		t.Errorf("an event stream gets the topics %q", got)
	}
	if got := topicsOf(sink.events(3)); got != "eu.de eu.fr eu.it" {
		t.Errorf("a sink gets the topics %q", got)
	}
	if got := topicsOf(append(room.events(1), rooms.events(1)...)); got != "eu.it eu.it" {
		t.Errorf("listeners get the topics %q", got)
	}
	for i, want := range []int{200, 404, 404, 200} {
		if answer := h.call("GET", fmt.Sprint("/v1/streams/orders/events/", stored[i]), ""); answer.StatusCode != want {
			t.Errorf("event %d is answered %d %s, want %d", i, answer.StatusCode, answer.body, want)
		}
	}
	hidden, _ := stored[1].(string)
	told := h.call("GET", "/v1/streams/orders/events/"+hidden, "").json(t)["detail"].(string)
	if never := h.call("GET", "/v1/streams/orders/events/1-0", "").json(t)["detail"].(string); strings.ReplaceAll(told, hidden, "1-0") != never {
		t.Errorf("what is hidden can be told from what never was: %q, %q", told, never)
	}
	refusals(t, h)
	for _, command := range []string{
		`{"type":"publish","stream":"orders","events":[{"topic":"eu.de","data":1},{"topic":"us.ny","data":1}]}`,
		`{"type":"publish","channel":"room","events":[{"data":1}]}`,
	} {
		if f := room.do("%s", command); f.Code != "forbidden" {
			t.Errorf("%s is answered %+v", command, f)
		}
	}
	room.ok(`{"type":"publish","stream":"orders","events":[{"topic":"eu.de","data":1}]}`)
	if n := len(boss.everything("orders")); n != 7 {
		t.Errorf("there are %d events, want the 6 of before and one", n)
	}
}

// refusals are of what would reach beyond the topics that are imposed.
func refusals(t *testing.T, h *testHub) {
	t.Helper()
	for request, body := range map[string]string{
		"POST /v1/streams/orders/events":                                 `[{"topic":"eu.de","data":1},{"topic":"us.ny","data":1},{"data":1}]`,
		"POST /v1/streams/orders/raw?topic=us":                           `1`,
		"POST /v1/streams/orders/raw":                                    `1`,
		"POST /v1/events":                                                `[{"stream":"orders","topic":"eu.de","data":1},{"stream":"orders","topic":"eux.de","data":1}]`,
		"POST /v1/broadcast/room":                                        `{"topic":"us.ny","data":1}`,
		"POST /v1/sinks/eu-all/pull?stream=orders&topic=**":              ``,
		"POST /v1/sinks/eu-all/pull?stream=orders&topic=eu.*&topic=us.*": ``,
		"POST /v1/sinks/eu-all/pull?stream=orders&topic=re:eu.*":         ``,
	} {
		method, path, _ := strings.Cut(request, " ")
		answer := h.call(method, path, body)
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", request, body, answer.StatusCode, answer.body)
		}
		if strings.HasPrefix(body, "[") && !strings.Contains(string(answer.body), `"pointer":"/1`) {
			t.Errorf("%s: no fault names the event: %s", request, answer.body)
		}
	}
}

// What a sink shows beyond the imposed topics is not theirs to settle either: an id is
// easily guessed, pending lists them, and up_to needs none.
func TestEventsBeyondTheImposedTopicsCannotBeSettled(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	key := keys.add("eu", european)
	eventually(t, func() string { return notYet(one, key) + notYet(two, key) })
	boss, h := one.by(keys.text["boss"]), two.by(key)
	stored := boss.want(http.StatusCreated, "POST", "/v1/streams/orders/events", `[{"topic":"us.ny","data":1}]`)["ids"].([]any)
	boss.put("eu-all", `{"streams":["orders"],"from":"oldest"}`)
	boss.want(http.StatusOK, "POST", "/v1/sinks/eu-all/pull", `{"max":1,"wait":"20s"}`)
	ids := fmt.Sprintf(`"ids":[%q]`, stored[0])
	for _, c := range []struct{ verb, which string }{{"acks", ids}, {"acks", fmt.Sprintf(`"up_to":%q`, stored[0])}, {"nacks", ids + `,"dead_letter":true`}, {"extend", ids}} {
		if answer := h.call("POST", "/v1/sinks/eu-all/"+c.verb, `{"stream":"orders",`+c.which+`}`); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", c.verb, c.which, answer.StatusCode, answer.body)
		}
	}
	if answer := boss.want(http.StatusOK, "POST", "/v1/sinks/eu-all/acks", `{"stream":"orders",`+ids+`}`); len(answer["acked"].([]any)) != 1 {
		t.Errorf("the event was not pending any more: %v", answer)
	}
	boss.put("eu-own", `{"streams":["orders"],"topics":["eu.*"]}`)
	own := h.publish("orders", `{"topic":"eu.de","data":1}`)
	h.pull("eu-own", "", "")
	if got := h.want(http.StatusOK, "POST", "/v1/sinks/eu-own/acks", `{"stream":"orders","ids":["`+own+`"]}`)["acked"]; fmt.Sprint(got) != "["+own+"]" {
		t.Errorf("of the event of a sink within the topics %v was acked", got)
	}
}

func TestListsHaveOnlyWhatOneMaySee(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	shop := keys.add("shop", `[{"allow":["read"],"streams":["shop.**"]},{"allow":["consume"],"sinks":["shop.*"],"streams":["shop.orders"]},{"allow":["subscribe"],"channels":["shop.*"]}]`)
	eventually(t, func() string { return notYet(one, shop) + notYet(two, shop) })
	boss, h := one.by(keys.text["boss"]), two.by(shop)
	for _, name := range []string{"a", "m", "shop.orders", "shop.other", "z"} {
		boss.publish(name, `{"data":1}`)
		boss.put(name, `{"streams":["shop.orders","z"]}`)
		boss.dial("/v1/broadcast/ws?channel=" + name)
	}
	eventually(t, func() string {
		if n := len(listed(boss, "channels", "channel")); n != 5 {
			return fmt.Sprint(n, " channels are listed")
		}
		return ""
	})
	for _, c := range []struct{ list, field string }{{"streams", "stream"}, {"sinks", "sink"}, {"channels", "channel"}} {
		if got := listed(h, c.list, c.field); !slices.Equal(got, []string{"shop.orders", "shop.other"}) {
			t.Errorf("%s: %q", c.list, got)
		}
	}
	status := h.want(http.StatusOK, "GET", "/v1/sinks/shop.orders", "")
	if text := fmt.Sprint(status["streams"]); strings.Contains(text, "stream:z") || !strings.Contains(text, "stream:shop.orders") {
		t.Errorf("of the sink's streams it is told %s", text)
	}
	stream := h.want(http.StatusOK, "GET", "/v1/streams/shop.orders", "")
	if text := fmt.Sprint(stream["sinks"]); strings.Contains(text, "sink:m") || !strings.Contains(text, "sink:shop.orders") {
		t.Errorf("of the stream's sinks it is told %s", text)
	}
	if answer := h.call("POST", "/v1/sinks/shop.orders/pull", ""); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a pull from all streams of a sink, one of which is not allowed: %d %s", answer.StatusCode, answer.body)
	}
}

// listed are the names of all pages of a list, two at a time.
func listed(h *testHub, list, field string) (names []string) {
	h.t.Helper()
	for cursor := ""; ; {
		page := h.want(http.StatusOK, "GET", "/v1/"+list+"?limit=2&cursor="+cursor, "")
		for _, item := range page[list].([]any) {
			names = append(names, item.(map[string]any)[field].(string))
		}
		next, more := page["next"].(string)
		if !more {
			return names
		}
		cursor = next
	}
}

// A list goes on from the last name that was told, and by no other.
func TestListsNameNothingThatOneMayNotSee(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	shop := keys.add("shop", `[{"allow":["read"],"streams":["shop"]},{"allow":["consume"],"sinks":["shop"],"streams":["shop"]},{"allow":["subscribe"],"channels":["shop"]}]`)
	eventually(t, func() string { return notYet(one, shop) + notYet(two, shop) })
	boss, h := one.by(keys.text["boss"]), two.by(shop)
	for _, name := range []string{"hidden-a", "hidden-b", "shop"} {
		boss.publish(name, `{"data":1}`)
		boss.put(name, `{"streams":["hidden-a","shop"],"from":"oldest"}`)
		boss.dial("/v1/broadcast/ws?channel=" + name)
	}
	for _, e := range boss.pull("shop", "", `{"max":2}`) {
		boss.want(http.StatusOK, "POST", "/v1/sinks/shop/nacks", fmt.Sprintf(`{"stream":%q,"ids":[%q],"dead_letter":true}`, e.Stream, e.ID))
	}
	eventually(t, func() string {
		if n := len(listed(boss, "channels", "channel")); n != 3 {
			return fmt.Sprint(n, " channels are listed")
		}
		return ""
	})
	for list, name := range map[string]string{"streams": "stream", "sinks": "sink", "channels": "channel"} {
		page := h.want(http.StatusOK, "GET", "/v1/"+list+"?limit=1", "")
		if items := page[list].([]any); len(items) != 1 || items[0].(map[string]any)[name] != "shop" || page["next"] != nil {
			t.Errorf("%s: %v", list, page)
		}
	}
	letters := h.want(http.StatusOK, "GET", "/v1/sinks/shop/dead-letters?limit=1", "")
	if items := letters["dead_letters"].([]any); len(items) != 1 || letters["next"] != nil {
		t.Errorf("dead letters: %v", letters)
	}
	for _, request := range []string{"POST /v1/sinks/shop/pull", "GET /v1/sinks/shop/ws"} {
		method, path, _ := strings.Cut(request, " ")
		if answer := h.call(method, path, ""); strings.Contains(string(answer.body), "hidden") {
			t.Errorf("%s: %s", request, answer.body)
		}
	}
}
