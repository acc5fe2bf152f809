package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestEverySocketPublishesToStreamsAndChannels(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	live := two.dial("/v1/broadcast/ws?channel=room")
	reader := two.dial("/v1/readers/ws?stream=orders")
	for name, path := range map[string]string{
		"sink": "/v1/sinks/billing/ws?stream=other", "reader": "/v1/readers/ws?stream=other", "broadcast": "/v1/broadcast/ws?channel=other",
	} {
		s := one.dial(path)
		f := s.ok(`{"type":"publish","stream":"orders","events":[{"type":"t","topic":"eu","key":"k","headers":{"a":"b"},"data":{"b":1.10,"a":1}},{"data_base64":"AP8="}]}`)
		if len(f.IDs) != 2 || f.Stream != "orders" || f.Replayed != nil {
			t.Errorf("%s: publish was answered %+v", name, f)
		}
		got := reader.events(2)
		assertRead(t, got, f.IDs)
		if shown(got[0]) != `t|eu|k|application/json|{"b":1.10,"a":1}|map[a:b]` || shown(got[1]) != `|||application/octet-stream|"\x00\xff" <nil>|map[]` {
			t.Errorf("%s: what was published came as %s and %s", name, shown(got[0]), shown(got[1]))
		}
		f = s.ok(`{"type":"publish","channel":"room","events":[{"data":1.10},{"data":2}]}`)
		messages := live.events(2)
		if len(f.IDs) != 2 || f.Channel != "room" || !slices.Equal(ids(messages), f.IDs) || string(messages[0].Data) != "1.10" {
			t.Errorf("%s: publish was answered %+v, and came as %+v", name, f, messages)
		}

		// Keys count as everywhere.
		key := fmt.Sprintf(`{"type":"publish","stream":"orders","events":[{"data":1,"idempotency_key":%q},{"data":2}]}`, name)
		first, again := s.ok("%s", key), s.ok("%s", key)
		if first.IDs[0] != again.IDs[0] || fmt.Sprint(again.Replayed) != "[0]" || first.Replayed != nil {
			t.Errorf("%s: with a key it was answered %+v, then %+v", name, first, again)
		}
		reader.events(3)
		if f := s.do(`{"type":"publish","stream":"orders","events":[{"data":9},{"data":3,"idempotency_key":%q}]}`, name); f.Code != "conflict" || !strings.Contains(f.Detail, "/events/1/idempotency_key") {
			t.Errorf("%s: a key with other content was answered %+v", name, f)
		}
		for command, want := range map[string]string{
			`{"type":"publish","stream":"orders","channel":"room","events":[{"data":1}]}`:            "invalid_request",
			`{"type":"publish","events":[{"data":1}]}`:                                               "invalid_request",
			`{"type":"publish","stream":"orders"}`:                                                   "invalid_request",
			`{"type":"publish","stream":"orders","events":[]}`:                                       "invalid_request",
			`{"type":"publish","stream":"orders","events":{"data":1}}`:                               "invalid_request",
			`{"type":"publish","stream":"-","events":[{"data":1}]}`:                                  "invalid_name",
			`{"type":"publish","stream":"orders","if_exists":true,"events":[{"data":1}]}`:            "invalid_request",
			`{"type":"publish","channel":"room","events":[{"data":1,"idempotency_key":"a"}]}`:        "invalid_request /events/0/idempotency_key",
			`{"type":"publish","stream":"orders","events":[{"data":1},{"type":7},{"colour":"red"}]}`: "invalid_request /events/1",
		} {
			code, place, _ := strings.Cut(want, " ")
			if f := s.do("%s", command); f.Type != "error" || f.Code != code || !strings.Contains(f.Detail, place) {
				t.Errorf("%s: %s was answered %+v, want %s", name, command, f, want)
			}
		}
		s.send(`{"type":"publish","stream":"orders","events":[{"data":"no ref"}]}`)
		if e := reader.events(1)[0]; string(e.Data) != `"no ref"` {
			t.Errorf("%s: got %+v", name, e)
		}
		if s.ok(`{"type":"publish","stream":"orders","events":[{"data":"fence"}]}`); len(s.frames) > 0 || len(s.aside) > 0 {
			t.Errorf("%s: a command without ref was answered %+v", name, s.aside)
		}
		reader.events(1)
	}
}

func TestPublishesOfASocketAreStoredInTheirOrder(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/broadcast/ws?channel=room")
	reader := two.dial("/v1/readers/ws?stream=orders")
	const total = 600
	go func() {
		for i := range total {
			s.send(fmt.Sprintf(`{"type":"publish","stream":"orders","events":[{"data":%d}],"ref":"r%d"}`, i, i))
		}
	}()
	var want []string
	for i := range total {
		f := s.next("ok")
		if f.Ref != fmt.Sprint("r", i) {
			t.Fatalf("command %d was answered %+v", i, f)
		}
		want = append(want, f.IDs...)
	}
	got := reader.events(total)
	assertRead(t, got, want)
	for i, e := range got {
		if string(e.Data) != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, e.Data)
		}
	}
}

func TestSocketPublishHasTheSameBounds(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const limit = 1 << 20
	s := one.dial("/v1/readers/ws?stream=orders")
	text := `"` + strings.Repeat("x", limit-2) + `"`
	f := s.do(`{"type":"publish","stream":"orders","events":[{"data":%s}]}`, text)
	if e := s.events(1)[0]; f.Type != "ok" || string(e.Data) != text {
		t.Errorf("data of exactly the limit was answered %+v, and came with %d bytes", f, len(e.Data))
	}
	f = s.do(`{"type":"publish","stream":"orders","events":[{"data":1},{"data":"x%s}]}`, text[1:])
	if f.Code != "payload_too_large" || !strings.Contains(f.Detail, "/events/1/data") {
		t.Errorf("one byte too many was answered %+v", f)
	}
	bytes := base64.StdEncoding.EncodeToString(make([]byte, limit))
	f = s.do(`{"type":"publish","stream":"orders","events":[{"data_base64":%q}]}`, bytes)
	if e := s.events(1)[0]; f.Type != "ok" || *e.DataBase64 != bytes {
		t.Errorf("bytes of exactly the limit were answered %+v", f)
	}
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat(`{"data":1},`, n), ",") }
	if f := s.ok(`{"type":"publish","stream":"orders","events":[%s]}`, many(1000)); len(f.IDs) != 1000 {
		t.Errorf("1,000 events were answered with %d ids", len(f.IDs))
	}
	s.events(1000)
	if f := s.do(`{"type":"publish","stream":"orders","events":[%s]}`, many(1001)); f.Code != "payload_too_large" {
		t.Errorf("1,001 events were answered %+v", f)
	}
	if n := two.stream("orders").Events; n != 1002 {
		t.Errorf("%d events are stored, want 1,002", n)
	}
	one.putStream("full", `{"max_events":1,"on_full":"reject"}`)
	s.ok(`{"type":"publish","stream":"full","events":[{"data":1}]}`)
	if f := s.do(`{"type":"publish","stream":"full","events":[{"data":1}]}`); f.Code != "stream_full" {
		t.Errorf("a full stream was answered %+v", f)
	}
	two.want(http.StatusOK, "GET", "/v1/streams/full", "")
}
