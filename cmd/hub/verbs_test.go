package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// settle sends a verb over REST: "acks", "nacks" or "extend".
func (h *testHub) settle(sink, verb, body string, args ...any) map[string][]string {
	h.t.Helper()
	answer := h.want(http.StatusOK, "POST", "/v1/sinks/"+sink+"/"+verb, fmt.Sprintf(body, args...))
	ids := map[string][]string{}
	for name, value := range answer {
		list, isList := value.([]any)
		if !isList {
			h.t.Fatalf("%s is %v in %v", name, value, answer)
		}
		ids[name] = []string{}
		for _, id := range list {
			ids[name] = append(ids[name], id.(string))
		}
	}
	return ids
}

func TestVerbsOverRESTAreAnsweredPerID(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h")
	id := one.publishMany("orders", 4)
	s.events(4)
	for _, c := range []struct{ verb, body, want string }{
		{"acks", `"ids":["` + id[0] + `","1-1"]`, "map[acked:[0] not_pending:[1-1]]"},
		{"acks", `"ids":["` + id[0] + `"]`, "map[acked:[] not_pending:[0]]"},
		{"extend", `"ids":["` + id[1] + `","1-1",{"id":"` + id[2] + `","attempt":2},{"id":"` + id[3] + `","attempt":1}]`, "map[extended:[1 3] not_pending:[1-1] stale:[2]]"},
		{"nacks", `"ids":[{"id":"` + id[1] + `","attempt":7},"` + id[0] + `"]`, "map[nacked:[] not_pending:[0] stale:[1]]"},
		{"nacks", `"ids":["` + id[1] + `",{"id":"` + id[2] + `","attempt":1}],"delay":"0s","reason":"not now"`, "map[nacked:[1 2] not_pending:[] stale:[]]"},
	} {
		answer := two.settle("billing", c.verb, `{"stream":"orders",%s}`, c.body)
		got := fmt.Sprint(answer)
		for i := range id {
			got = strings.ReplaceAll(got, id[i], fmt.Sprint(i))
		}
		if got != c.want {
			t.Errorf("%s {%s} was answered %s, want %s", c.verb, c.body, got, c.want)
		}
	}
	assertEvents(t, s.events(2), id[1:3], 2)
	// The first delivery is over: who speaks of it is told.
	answer := two.settle("billing", "nacks", `{"stream":"orders","ids":[{"id":%q,"attempt":1}],"dead_letter":true}`, id[1])
	if !slices.Equal(answer["stale"], id[1:2]) {
		t.Errorf("a nack of the first delivery was answered %v", answer)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 3.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestVerbsOfASocketConcernWhatItHolds(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	holder := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h")
	id := one.publishMany("orders", 3)
	holder.events(3)
	for _, h := range []*testHub{one, two} {
		other := h.dial("/v1/sinks/billing/ws?stream=orders")
		for verb, answered := range map[string]func(f frame) []string{
			"nack": func(f frame) []string { return f.Nacked }, "extend": func(f frame) []string { return f.Extended },
		} {
			f := other.ok(`{"type":%q,"ids":[%q,{"id":%q,"attempt":1}]}`, verb, id[0], id[1])
			if !slices.Equal(f.Stale, id[:2]) || len(answered(f)) > 0 || len(f.NotPending) > 0 {
				t.Errorf("%s of what another connection holds was answered %+v", verb, f)
			}
		}
		other.drop()
	}
	if f := holder.ok(`{"type":"extend","ids":[%q,{"id":%q,"attempt":1},{"id":%q,"attempt":2}]}`, id[0], id[1], id[2]); !slices.Equal(f.Extended, id[:2]) || !slices.Equal(f.Stale, id[2:]) {
		t.Errorf("extend was answered %+v", f)
	}
	f := holder.ok(`{"type":"nack","ids":[{"id":%q,"attempt":1},%q],"reason":"busy","delay":"0s"}`, id[0], id[1])
	if !slices.Equal(f.Nacked, id[:2]) || len(f.Stale) > 0 {
		t.Errorf("nack was answered %+v", f)
	}
	assertEvents(t, holder.events(2), id[:2], 2)
	// An ack counts wherever it comes from.
	if f := two.dial("/v1/sinks/billing/ws?stream=orders").ack("orders", append(id, "1-1")...); !slices.Equal(f.Acked, id) || !slices.Equal(f.NotPending, []string{"1-1"}) {
		t.Errorf("ack was answered %+v", f)
	}
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 || f["redelivered"] != 2.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestThousandsOfIDsInOneCallAreAnsweredEach(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const total = 5000
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h&prefetch=5000")
	id := two.publishMany("orders", total)
	s.events(total)
	unknown := []string{}
	for i := range 100 {
		unknown = append(unknown, fmt.Sprintf("1-%d", i+1))
	}
	all := list(append(slices.Clone(id), unknown...)...)
	check := func(what string, done, rest []string) {
		t.Helper()
		if !slices.Equal(done, id) || !slices.Equal(rest, unknown) {
			t.Errorf("%s: %d done and %d not, want %d and %d", what, len(done), len(rest), total, len(unknown))
		}
	}
	f := s.ok(`{"type":"extend","ids":%s}`, all)
	check("extend on a socket", f.Extended, append(f.Stale, f.NotPending...))
	f = s.ok(`{"type":"nack","ids":%s,"delay":"0s"}`, all)
	check("nack on a socket", f.Nacked, append(f.Stale, f.NotPending...))
	assertEvents(t, s.events(total), id, 2)
	answer := two.settle("billing", "extend", `{"stream":"orders","ids":%s}`, all)
	check("extend over REST", answer["extended"], answer["not_pending"])
	answer = two.settle("billing", "nacks", `{"stream":"orders","ids":%s,"delay":"0s"}`, all)
	check("nacks over REST", answer["nacked"], answer["not_pending"])
	assertEvents(t, s.events(total), id, 3)
	answer = two.settle("billing", "acks", `{"stream":"orders","ids":%s}`, all)
	check("acks over REST", answer["acked"], answer["not_pending"])
	if f := s.ok(`{"type":"ack","ids":%s}`, all); len(f.Acked) != 0 || len(f.NotPending) != total+len(unknown) {
		t.Errorf("a second ack was answered with %d acked and %d not", len(f.Acked), len(f.NotPending))
	}
}

func TestUpToAcksWhatIsPendingAndNeverMovesBack(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 10)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=8&ack_wait=1h")
	s.events(8)
	upTo := func(id string) []string {
		return two.settle("billing", "acks", `{"stream":"orders","up_to":%q}`, id)["acked"]
	}
	s.ok(`{"type":"pause"}`)
	if acked := upTo(id[3]); !slices.Equal(acked, id[:4]) {
		t.Errorf("up to the 4th: %v, want %v", acked, id[:4])
	}
	if acked := upTo(id[1]); len(acked) > 0 {
		t.Errorf("up to the 2nd, later: %v", acked)
	}
	// What was not delivered yet is not acknowledged with it.
	if acked := upTo("9999999999999-0"); !slices.Equal(acked, id[4:8]) {
		t.Errorf("up to the future: %v, want %v", acked, id[4:8])
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["lag"] != 2.0 {
		t.Errorf("figures: %v", f)
	}
	s.ok(`{"type":"resume"}`)
	assertEvents(t, s.events(2), id[8:], 1)
	if acked := upTo(id[7]); len(acked) > 0 {
		t.Errorf("up to the 8th, again: %v", acked)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 2.0 || f["lag"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestUpToOfASocketAcksWhatItHolds(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 6)
	first := one.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=3&ack_wait=1h")
	got := ids(first.events(3))
	second := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=3")
	second.events(3)
	if f := second.ok(`{"type":"ack","up_to":%q}`, id[4]); !slices.Equal(sorted(f.Acked), id[3:5]) {
		t.Errorf("up_to was answered %+v, want %v", f, id[3:5])
	}
	if f := first.ok(`{"type":"ack","up_to":%q}`, id[5]); !slices.Equal(sorted(f.Acked), got) {
		t.Errorf("up_to was answered %+v, want %v", f, got)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 1.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestExtendKeepsAnEventWithItsHandler(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const wait = 600 * time.Millisecond
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=" + wait.String())
	id := one.publishMany("orders", 2)
	s.events(2)
	two.dial("/v1/sinks/billing/ws?stream=orders") // who would get them
	if got := one.pull("pulled", "?stream=orders&from=oldest&ack_wait="+wait.String(), ""); len(got) != 2 {
		t.Fatalf("the pull got %v", ids(got))
	}
	tick := time.NewTicker(wait / 4)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < 3*wait; <-tick.C { // the handler's work
		if f := s.ok(`{"type":"extend","ids":[%q]}`, id[0]); !slices.Equal(f.Extended, id[:1]) {
			t.Fatalf("extend was answered %+v", f)
		}
		answer := two.settle("billing", "extend", `{"stream":"orders","ids":[%q]}`, id[1])
		if !slices.Equal(answer["extended"], id[1:]) {
			t.Fatalf("extend over REST was answered %v", answer)
		}
		answer = two.settle("pulled", "extend", `{"stream":"orders","ids":%s}`, list(id...))
		if !slices.Equal(answer["extended"], id) {
			t.Fatalf("extend of what was pulled was answered %v", answer)
		}
	}
	if f := s.ack("orders", id...); len(f.Acked) != 2 {
		t.Errorf("the ack was answered %+v", f)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["redelivered"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	if f := sinkFigures(t, two, "pulled"); f["pending"] != 2.0 || f["redelivered"] != 0.0 {
		t.Errorf("figures of what was pulled: %v", f)
	}
}

func TestExtendedEventComesAgainAfterItsLastExtension(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=500ms")
	id := h.publish("orders", `{"data":1}`)
	s.events(1)
	extended := time.Now()
	s.ok(`{"type":"extend","ids":[%q]}`, id)
	assertEvents(t, s.events(1), []string{id}, 2)
	if took := time.Since(extended); took < 495*time.Millisecond {
		t.Errorf("the event came again %s after it was extended, want 500 ms", took)
	}
}

func TestLateAckStopsTheRedelivery(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=200ms&backoff=1h")
	id := one.publishMany("orders", 4)
	s.events(4)
	s.ok(`{"type":"nack","ids":[%q],"delay":"2h"}`, id[3])
	eventually(t, func() string {
		for _, p := range pendingEvents(t, two, "billing") {
			if p.State != "waiting" {
				return fmt.Sprint("an event is still held: ", p)
			}
		}
		return ""
	})
	// All leases are over. The work was done all the same.
	if f := s.ack("orders", id[0], id[3]); len(f.Acked) != 2 {
		t.Errorf("the ack on the socket was answered %+v", f)
	}
	if acked := two.settle("billing", "acks", `{"stream":"orders","ids":[%q]}`, id[1])["acked"]; len(acked) != 1 {
		t.Errorf("the ack over REST was answered %v", acked)
	}
	if f := two.dial("/v1/sinks/billing/ws?stream=orders").ack("orders", id[2]); len(f.Acked) != 1 {
		t.Errorf("the ack on another socket was answered %+v", f)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["redelivered"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	if pending := pendingEvents(t, one, "billing"); len(pending) > 0 {
		t.Errorf("pending: %v", pending)
	}
}

func TestNackOfAnotherConnectionsEventOverRESTFreesItsCredit(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&prefetch=1&ack_wait=1h")
	id := one.publishMany("orders", 2)
	assertEvents(t, s.events(1), id[:1], 1)
	two.settle("billing", "nacks", `{"stream":"orders","ids":[%q],"delay":"1h"}`, id[0])
	assertEvents(t, s.events(1), id[1:], 1)
	two.settle("billing", "nacks", `{"stream":"orders","ids":[%q],"dead_letter":true}`, id[1])
	last := one.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{last}, 1)
}

func TestVerbsAreRefusedWithEveryFault(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.put("billing", `{"streams":["orders"]}`)
	for _, c := range []struct {
		verb, body string
		status     int
		want       string
	}{
		{"acks", `{"stream":"orders"}`, 400, "invalid_request"},
		{"acks", `{"stream":"orders","ids":["1-1"],"up_to":"1-1"}`, 400, "invalid_request"},
		{"acks", `{"stream":"orders","ids":["x","1-1","y"]}`, 400, "invalid_request /ids/0 /ids/2"},
		{"acks", `{"stream":"orders","up_to":"x"}`, 400, "invalid_request /up_to"},
		{"acks", `{"stream":"orders","ids":[{"id":"1-1","attempt":1}]}`, 400, "invalid_request /ids/0"},
		{"acks", `{"ids":["1-1"],"delay":"1s"}`, 400, "invalid_request /delay /stream"},
		{"nacks", `{"stream":"orders","ids":["1-1"],"delay":"soon","reason":7,"dead_letter":"no"}`, 400, "invalid_request /dead_letter /delay /reason"},
		{"nacks", `{"stream":"orders","up_to":"1-1"}`, 400, "invalid_request /ids /up_to"},
		{"extend", `{"stream":"orders","ids":["1-1"],"delay":"1s"}`, 400, "invalid_request /delay"},
		{"extend", `{"stream":"orders","ids":[]}`, 400, "invalid_request /ids"},
		{"acks", `{"stream":"nope","ids":["1-1"]}`, 404, "stream_not_found"},
		{"nacks", `{"stream":"nope","ids":["1-1"]}`, 404, "stream_not_found"},
		{"extend", `{"stream":"nope","ids":["1-1"]}`, 404, "stream_not_found"},
	} {
		problem := h.want(c.status, "POST", "/v1/sinks/billing/"+c.verb, c.body)
		got := faults(problem)
		if code, _, hasPlaces := strings.Cut(c.want, " "); !hasPlaces {
			got, _, _ = strings.Cut(got, " ")
			c.want = code
		}
		if got != c.want {
			t.Errorf("%s %s was refused as %s, want %s", c.verb, c.body, got, c.want)
		}
	}
	for _, verb := range []string{"acks", "nacks", "extend"} {
		if problem := h.want(http.StatusNotFound, "POST", "/v1/sinks/unknown/"+verb, `{"stream":"orders","ids":["1-1"]}`); problem["code"] != "sink_not_found" {
			t.Errorf("%s on an unknown sink: %v", verb, problem)
		}
	}
}
