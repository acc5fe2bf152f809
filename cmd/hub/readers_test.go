package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestReplayTurnsLiveWithNothingLostDoubledOrOutOfOrder(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 1500)
	readers := map[string]reading{}
	for hub, h := range map[string]*testHub{"the publisher's hub": two, "another": one} {
		for kind, r := range h.readings("stream=orders&from=oldest") {
			readers[kind+" on "+hub] = r
		}
	}
	for i := range 60 { // 1,000, in the middle of the replay
		if id = append(id, two.publishMany("orders", 1+i%3*15)...); i == 30 {
			for kind, r := range one.readings("stream=orders&from=oldest") {
				readers[kind+" that came later"] = r
			}
		}
	}
	id = append(id, two.publishMany("orders", 2500-len(id))...)
	for name, r := range readers {
		t.Run(name, func(t *testing.T) { assertRead(t, r.until(id[len(id)-1]), id) })
	}
}

func TestReadersMissNothingThatIsPublishedAfterReady(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	defer publisher.Wait()
	defer close(stop)
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				one.publishMany("busy", 3)
			}
		}
	})
	const workers, trials = 3, 50 // 150 over WebSocket, and some as event streams
	var group sync.WaitGroup
	defer group.Wait()
	for worker := range workers {
		group.Go(func() {
			near, far := one, two
			if worker == 1 {
				near, far = two, one
			}
			for trial := range trials {
				quiet := fmt.Sprintf("quiet-%d-%d", worker, trial%25) // nobody has used it, or it is in mid-stream
				query := "stream=busy&from=latest&stream=" + quiet
				readers := map[string]reading{"WebSocket": far.dial("/v1/readers/ws?" + query)}
				if trial%5 == 0 {
					readers = far.readings(query)
				}
				want := map[string]string{"busy": near.publish("busy", `{"type":"mine","data":1}`), quiet: near.publish(quiet, `{"data":1}`)}
				for name, r := range readers {
					awaitBoth(t, name, r, want)
					if s, ok := r.(*socket); ok {
						s.drop()
					}
				}
			}
		})
	}
}

// awaitBoth reads on until the wanted event of each stream has come.
func awaitBoth(t *testing.T, name string, r reading, want map[string]string) {
	t.Helper()
	last := map[string]string{}
	for found := 0; found < len(want); {
		var events []event
		if s, ok := r.(*socket); ok {
			events = s.next("events").Events
		} else {
			events = r.events(1)
		}
		for _, e := range events {
			if before := last[e.Stream]; before != "" && !slices.Equal(sortedIDs([]string{e.ID, before}), []string{before, e.ID}) {
				t.Errorf("%s: %s came after %s of %s", name, e.ID, before, e.Stream)
			}
			if last[e.Stream] = e.ID; e.ID == want[e.Stream] {
				found++
			}
			if e.Stream != "busy" && e.ID != want[e.Stream] {
				t.Errorf("%s: %s came, which was published before", name, e.ID)
			}
		}
	}
}

func TestReadersOfTheSameStreamAreIndependent(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	old := one.publishMany("orders", 3)
	late, from := one.readings("stream=orders"), two.readings("stream=orders&from=oldest")
	for _, r := range from {
		assertRead(t, r.events(3), old)
	}
	again := two.dial("/v1/readers/ws?stream=orders&from=oldest")
	assertRead(t, again.events(3), old)
	id := two.publish("orders", `{"data":1}`)
	for _, readers := range []map[string]reading{late, from, {"again": again}} {
		for _, r := range readers {
			assertRead(t, r.events(1), []string{id})
		}
	}
	if got := one.stream("orders"); len(got.Sinks) != 0 || got.Events != 4 {
		t.Errorf("readers have left their marks on the stream: %+v", got)
	}
}

func TestEveryStartPositionOfAReader(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.publishMany("orders", 3)
	all := two.everything("orders")
	for range 3 { // each at a time of its own
		for last := all[len(all)-1].Time; all[len(all)-1].Time == last; {
			one.publish("orders", `{"data":1}`)
			all = two.everything("orders")
		}
	}
	middle := all[len(all)-2]
	at, err := time.Parse(time.RFC3339, middle.Time)
	if err != nil {
		t.Fatal(err)
	}
	position := func(at time.Time) string { return "at:" + at.Format("2006-01-02T15:04:05.000Z07:00") }
	fence := one.publish("orders", `{"data":"fence"}`)
	id := append(ids(all), fence)
	n := len(all)
	zone := time.FixedZone("", 2*3600)
	for name, c := range map[string]struct {
		from string
		want []string
	}{
		"oldest": {"oldest", id}, "after an event": {"after:" + id[1], id[2:]}, "after an event that never was": {"after:1-1", nil},
		"at": {position(at), id[n-2:]}, "at in another zone": {position(at.In(zone)), id[n-2:]}, "just after": {position(at.Add(time.Millisecond)), id[n-1:]},
		"long ago": {"at:2001-01-01T00:00:00Z", id}, "after the last": {"after:" + fence, []string{}},
	} {
		want := c.want
		if want == nil {
			continue // told a gap first, see below
		}
		readers := two.readings("stream=orders&from=" + url.QueryEscape(c.from))
		marker := one.publish("orders", `{"data":"marker"}`)
		for kind, r := range readers {
			got := r.until(marker)
			late := slices.Index(ids(got), fence)
			if c.from == "after:"+fence {
				late = -1
			}
			if !slices.Equal(ids(got)[:late+1], want) {
				t.Errorf("%s, %s: got %v, want %v", name, kind, ids(got), want)
			}
		}
		if got := two.page("orders", "?limit=1000&from="+url.QueryEscape(c.from)); len(got.Events) < len(want) || !slices.Equal(ids(got.Events)[:len(want)], want) || got.Gap != nil {
			t.Errorf("%s: the page has %v, want %v first", name, ids(got.Events), want)
		}
	}
	latest := two.readings("stream=orders") // by default
	marker := one.publish("orders", `{"data":"marker"}`)
	for kind, r := range latest {
		if got := ids(r.events(1)); got[0] != marker {
			t.Errorf("latest, %s: got %v, want %s", kind, got, marker)
		}
	}
	s := two.dial("/v1/readers/ws?stream=orders&from=" + url.QueryEscape(position(at)))
	if f := s.ready; f.Role != "reader" || f.Session == "" || f.From != position(at) || fmt.Sprint(f.Streams) != "[orders]" {
		t.Errorf("ready: %+v", f)
	}
}

func TestFiltersOfAReader(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const query = "stream=orders&from=oldest&topic=eu.**&topic=us.ny&type=order.*"
	first := one.publish("orders", `{"type":"order.created","topic":"eu.de","data":1}`)
	one.publishMany("orders", 3000) // a long history that is filtered out
	want := []string{
		first,
		one.publish("orders", `{"type":"order.paid","topic":"us.ny","data":2}`),
	}
	readers := two.readings(query)
	for _, other := range []string{`{"type":"order.paid","data":0}`, `{"type":"order.a.b","topic":"eu.de","data":0}`, `{"type":"order.paid","topic":"us.la","data":0}`} {
		one.publish("orders", other)
	}
	want = append(want, one.publish("orders", `{"type":"order.paid","topic":"eu.fr.paris","data":3}`))
	for _, r := range readers {
		assertRead(t, r.events(3), want)
	}
	p := two.page("orders", "?"+strings.TrimPrefix(query, "stream=orders&"))
	assertRead(t, p.Events, want)
	// What was filtered out was read, all the same.
	marker := one.publish("orders", `{"data":"marker"}`)
	assertRead(t, two.page("orders", "?from="+p.Next).Events, []string{marker})
	s := two.dial("/v1/readers/ws?stream=orders&from=oldest&type=" + url.QueryEscape(`re:order\.(created|paid)`))
	assertRead(t, s.events(5)[:1], want[:1])
}

// three streams, of which a reader has read a part.
var three = []string{"orders", "payments", "refunds"}

func TestReaderOfThreeStreamsResumesEachExactlyOnAnotherHub(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	want := map[string][]string{}
	publish := func() {
		for i := range 20 {
			for j, stream := range three {
				want[stream] = append(want[stream], one.publishMany(stream, 1+(i+j)%3)...)
			}
		}
	}
	publish()
	query := "stream=" + strings.Join(three, "&stream=")

	// Over WebSocket, from the cursor of a frame in the middle.
	got := map[string][]string{}
	note := func(events []event) {
		for _, e := range events {
			got[e.Stream] = append(got[e.Stream], e.ID)
		}
	}
	s := one.dial("/v1/readers/ws?from=oldest&" + query)
	f := s.next("events")
	note(f.Events)
	publish()
	f = s.next("events")
	note(f.Events)
	s.drop()
	publish()
	for hubs := []*testHub{two, one}; count(got) < count(want); hubs[0], hubs[1] = hubs[1], hubs[0] {
		s := hubs[0].dial("/v1/readers/ws?from=after:" + f.Cursor + "&" + query)
		f = s.next("events")
		note(f.Events)
		s.drop()
	}
	for _, stream := range three {
		if !slices.Equal(got[stream], want[stream]) {
			t.Errorf("WebSocket: of %s came %d events, want %d: %v, want %v", stream, len(got[stream]), len(want[stream]), got[stream], want[stream])
		}
	}

	// As event streams, whose every event has a cursor.
	got = map[string][]string{}
	last := ""
	for i := 0; count(got) < count(want); i++ {
		h, header := []*testHub{two, one}[i%2], []string{}
		if last != "" {
			header = append(header, "Last-Event-ID: "+last)
		}
		r := h.sse("/v1/readers/sse?from=oldest&"+query, header...)
		note(r.events(min(47, count(want)-count(got)))) // and not what came behind them
		last = r.last
		r.hangUp()
	}
	for _, stream := range three {
		if !slices.Equal(got[stream], want[stream]) {
			t.Errorf("SSE: of %s came %d events, want %d: %v, want %v", stream, len(got[stream]), len(want[stream]), got[stream], want[stream])
		}
	}

	// A cursor has a place for each of its streams, and for no other.
	if r := two.sse("/v1/readers/sse?stream=refunds", "Last-Event-ID: "+last); true {
		id := one.publish("refunds", `{"data":1}`)
		assertRead(t, r.events(1), []string{id})
	}
	if problem := two.want(http.StatusBadRequest, "GET", "/v1/readers/ws?stream=other&stream=orders&from=after:"+last, ""); !strings.Contains(fmt.Sprint(problem), "other") {
		t.Errorf("a cursor of other streams: %v", problem)
	}
}

func count(lists map[string][]string) (n int) {
	for _, list := range lists {
		n += len(list)
	}
	return n
}

func TestCursorOfEveryFrameIsThePlaceBehindItsLastEvent(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	all := map[string][]string{}
	for i := range 12 { // several frames, as one has about 1 MiB
		stream := three[i%2]
		all[stream] = append(all[stream], one.publish(stream, fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", 300_000))))
	}
	const query = "stream=orders&stream=payments"
	s := two.dial("/v1/readers/ws?from=oldest&" + query)
	frames := 0
	for read := map[string][]string{}; count(read) < count(all); frames++ {
		f := s.only("events")
		for _, e := range f.Events {
			read[e.Stream] = append(read[e.Stream], e.ID)
		}
		got := map[string][]string{}
		for _, e := range one.sse("/v1/readers/sse?"+query, "Last-Event-ID: "+f.Cursor).events(count(all) - count(read)) {
			got[e.Stream] = append(got[e.Stream], e.ID)
		}
		for stream, id := range all {
			if want := id[len(read[stream]):]; !slices.Equal(got[stream], want) {
				t.Errorf("behind frame %d, %s goes on with %v, want %v", frames, stream, got[stream], want)
			}
		}
	}
	if frames < 3 {
		t.Errorf("all came in %d frames", frames)
	}
}

func TestReaderResumesStrictlyBehindTheLastID(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 50)
	for _, h := range []*testHub{one, two} {
		s := h.dial("/v1/readers/ws?stream=orders&from=after:" + id[19])
		assertRead(t, s.events(30), id[20:])
		// Last-Event-ID counts more than where the reader was to start.
		f := h.sse("/v1/readers/sse?stream=orders&from=oldest", "Last-Event-ID: "+id[29])
		assertRead(t, f.events(20), id[30:])
		if f.last != id[49] {
			t.Errorf("the id of the last message is %s, want %s", f.last, id[49])
		}
	}
	s := one.dial("/v1/readers/ws?stream=orders&from=after:" + id[49])
	next := two.publish("orders", `{"data":1}`)
	f := s.only("events")
	assertRead(t, f.Events, []string{next})
	again := two.dial("/v1/readers/ws?stream=orders&from=after:" + f.Cursor)
	last := two.publish("orders", `{"data":2}`)
	assertRead(t, again.events(1), []string{last})
}

func TestPlaceThatWasTrimmedYieldsAGapFirst(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.putStream("orders", `{"max_events":100}`)
	id := one.publishMany("orders", 10)
	s := two.dial("/v1/readers/ws?stream=orders&from=oldest")
	cursor := s.next("events").Cursor
	place := s.cursorAt(id[9], cursor)
	s.drop()
	more := two.publishMany("orders", 500)
	one.want(http.StatusOK, "POST", "/v1/streams/orders/prune", "")
	kept := ids(one.everything("orders"))
	if len(kept) != 100 {
		t.Fatalf("%d events are kept, want 100", len(kept))
	}
	lost := more[len(more)-len(kept)-1] // the last of them
	for name, from := range map[string]string{"an id": id[4], "a cursor": place, "the first of all": id[0]} {
		for kind, r := range two.readings("stream=orders&from=after:" + from) {
			gap := gapOf(r)
			if gap.Stream != "orders" || gap.Reason != "trimmed" || gap.To != lost {
				t.Errorf("%s, %s: told %+v, want a gap up to %s", name, kind, gap, lost)
			}
			assertRead(t, r.events(len(kept)), kept)
		}
		p := one.page("orders", "?limit=1000&from=after:"+from)
		if p.Gap == nil || p.Gap.Reason != "trimmed" || p.Gap.To != lost || p.Gap.Stream != "orders" {
			t.Errorf("%s: a page tells %+v", name, p.Gap)
		}
		for all := p.Events; len(all) < len(kept); { // a page may end early
			p = one.page("orders", "?limit=1000&from="+p.Next)
			if all = append(all, p.Events...); p.Gap != nil || len(p.Events) == 0 {
				t.Fatalf("%s: after %d of %d events the next page has none, or tells of the gap again: %+v", name, len(all), len(kept), p)
			}
			if len(all) >= len(kept) {
				assertRead(t, all, kept)
			}
		}
	}
	// Nothing is missing for who was behind the last of them, or wants what there is.
	for _, from := range []string{"after:" + lost, "oldest", "after:" + kept[0]} {
		s := two.dial("/v1/readers/ws?stream=orders&from=" + from)
		if f := s.only("events"); f.Events[len(f.Events)-1].ID != kept[len(kept)-1] {
			t.Errorf("from %s came %v", from, ids(f.Events))
		}
	}
}

// cursorAt is the cursor that the reader was told at this event.
func (s *socket) cursorAt(id, cursor string) string {
	s.t.Helper()
	for last := ""; ; {
		f, ok := s.passed()
		if !ok {
			return cursor
		}
		if len(f.Events) > 0 {
			cursor, last = f.Cursor, f.Events[len(f.Events)-1].ID
		}
		if last == id {
			return cursor
		}
	}
}

// gapOf wants a gap before anything else.
func gapOf(r reading) told {
	if f, ok := r.(*feed); ok {
		return f.gap()
	}
	f := r.(*socket).only("gap")
	return told{Stream: f.Stream, From: f.From, To: f.To, Reason: f.Reason, Events: f.Lost}
}

func TestCursorOfADeletedStreamYieldsAResetFirst(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	old := one.publishMany("orders", 5)
	other := one.publishMany("payments", 5)
	s := two.dial("/v1/readers/ws?stream=orders&stream=payments&from=oldest")
	cursor := ""
	for n := 0; n < 10; {
		f := s.next("events")
		n += len(f.Events)
		cursor = f.Cursor
	}
	s.drop()
	single := one.page("orders", "").Next
	one.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")

	// While there is none, and once there is another.
	early := two.readings("stream=orders&stream=payments&from=after:" + cursor)
	byID := one.dial("/v1/readers/ws?stream=orders&from=after:" + old[2])
	eventually(t, func() string { // ids of the next stream are later ones
		if time.Now().UnixMilli() <= sentAt(t, old[4]) {
			return "it is still the same millisecond"
		}
		return ""
	})
	fresh := one.publishMany("orders", 3)
	next := one.publish("payments", `{"data":1}`)
	late := one.readings("stream=orders&stream=payments&from=after:" + cursor)
	for name, readers := range map[string]map[string]reading{"early": early, "late": late} {
		for kind, r := range readers {
			if gap := gapOf(r); gap.Stream != "orders" || gap.Reason != "reset" {
				t.Errorf("%s, %s: told %+v", name, kind, gap)
			}
			got := map[string][]string{}
			for _, e := range r.events(4) {
				got[e.Stream] = append(got[e.Stream], e.ID)
			}
			if !slices.Equal(got["orders"], fresh) || !slices.Equal(got["payments"], []string{next}) {
				t.Errorf("%s, %s: got %v, want %v and %s behind %s", name, kind, got, fresh, next, other[4])
			}
		}
	}
	p := two.page("orders", "?from="+single)
	if p.Gap == nil || p.Gap.Reason != "reset" || p.Gap.Stream != "orders" {
		t.Errorf("the page tells %+v", p.Gap)
	}
	rest := two.page("orders", "?from="+p.Next)
	assertRead(t, append(p.Events, rest.Events...), fresh)
	for name, r := range map[string]reading{
		"early": byID, "late": one.dial("/v1/readers/ws?stream=orders&from=after:" + old[4]), "late, SSE": two.sse("/v1/readers/sse?stream=orders", "Last-Event-ID: "+old[2]),
	} {
		if gap := gapOf(r); gap.Stream != "orders" || gap.Reason != "reset" {
			t.Errorf("by the id of a deleted stream's event, %s: told %+v", name, gap)
		}
		assertRead(t, r.events(3), fresh)
	}
}

// sentAt is the millisecond in which an event was published.
func sentAt(t *testing.T, id string) (ms int64) {
	t.Helper()
	if _, err := fmt.Sscanf(id, "%d-", &ms); err != nil {
		t.Fatal(err)
	}
	return ms
}

func TestCommandsOfAReader(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	early := one.publishMany("payments", 3)
	s := two.dial("/v1/readers/ws?stream=orders")
	if f := s.ok(`{"type":"add_stream","stream":"payments","from":"oldest"}`); f.Stream != "payments" || f.Ignored == nil || len(f.Ignored) > 0 {
		t.Errorf("add_stream was answered %+v", f)
	}
	assertRead(t, s.events(3), early)
	if f := s.ok(`{"type":"add_stream","stream":"payments","from":"oldest"}`); !slices.Equal(f.Ignored, []string{"from"}) {
		t.Errorf("a second add_stream was answered %+v", f)
	}
	one.publish("refunds", `{"data":"before"}`)
	s.ok(`{"type":"add_stream","stream":"refunds"}`) // latest, by default
	want := []string{one.publish("refunds", `{"data":1}`), one.publish("payments", `{"data":2}`), one.publish("orders", `{"data":3}`)}
	if got := sortedIDs(ids(s.events(3))); !slices.Equal(got, sortedIDs(want)) {
		t.Errorf("of three streams came %v, want %v", got, want)
	}
	for _, stream := range []string{"payments", "payments", "never"} {
		if f := s.ok(`{"type":"remove_stream","stream":%q}`, stream); f.Stream != stream {
			t.Errorf("remove_stream was answered %+v", f)
		}
	}
	one.publish("payments", `{"data":"unread"}`)
	id := one.publish("orders", `{"data":4}`)
	f := s.only("events")
	assertRead(t, f.Events, []string{id})
	// The cursor is of the streams that it reads now.
	again := one.dial("/v1/readers/ws?stream=orders&stream=refunds&from=after:" + f.Cursor)
	one.want(http.StatusBadRequest, "GET", "/v1/readers/ws?stream=payments&from=after:"+f.Cursor, "")
	s.ok(`{"type":"add_stream","stream":"payments","from":"after:%s"}`, early[1])
	if got := ids(s.events(3)); got[0] != early[2] {
		t.Errorf("added after %s came %v", early[1], got)
	}

	s.ok(`{"type":"pause"}`)
	want = []string{one.publish("orders", `{"data":5}`), one.publish("refunds", `{"data":6}`)}
	if got := sortedIDs(ids(again.events(2))); !slices.Equal(got, want) {
		t.Errorf("the other reader got %v", got)
	}
	s.ok(`{"type":"pause"}`)
	if f, came := s.passed(); came {
		t.Errorf("while it was paused came %+v", f)
	}
	s.ok(`{"type":"resume"}`)
	if got := sortedIDs(ids(s.events(2))); !slices.Equal(got, want) {
		t.Errorf("after the pause came %v, want %v", got, want)
	}

	for command, code := range map[string]string{
		`{"type":"ack","stream":"orders","ids":["1-1"]}`: "invalid_request", `{"type":"nack","ids":[]}`: "invalid_request",
		`{"type":"credit","n":1}`: "invalid_request", `{"type":"subscribe","channels":["a"]}`: "invalid_request", `{"type":"dance"}`: "invalid_request",
		`{"type":"add_stream","stream":"-"}`: "invalid_name", `{"type":"add_stream","stream":"a","from":"yesterday"}`: "invalid_request",
		`{"type":"add_stream"}`: "invalid_request", `{"type":"pause","x":1}`: "invalid_request", `{"type":"add_stream","stream":"other","from":"after:` + f.Cursor + `"}`: "invalid_request",
	} {
		if f := s.do("%s", command); f.Type != "error" || f.Code != code || f.Detail == "" {
			t.Errorf("%s was answered %+v", command, f)
		}
	}
	id = one.publish("orders", `{"data":7}`)
	assertRead(t, s.events(1), []string{id})
	s.send(`[]`)
	if code := s.closed(); code != 4400 {
		t.Errorf("a frame that is no object closed the socket with %d, want 4400", code)
	}
}

func TestReadersAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_MAX_STREAMS_PER_SOCKET=2")
	for query, want := range map[string]string{
		"": "400 invalid_request ?stream",
		"stream=orders&colour=red&from=yesterday": "400 invalid_request ?colour ?from",
		"stream=-":                   "400 invalid_name ?stream",
		"stream=a&stream=b&stream=c": "400 invalid_request ?stream",
		"stream=a&from=after:x":      "400 invalid_request ?from",
		"stream=a&topic=re:(":        "400 invalid_request ?topic",
		"stream=a&prefetch=1":        "400 invalid_request ?prefetch",
	} {
		for _, path := range []string{"/v1/readers/ws?", "/v1/readers/sse?"} {
			answer := h.call("GET", path+query, "")
			if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != want {
				t.Errorf("%s%s was refused as %s, want %s", path, query, got, want)
			}
		}
	}
	answer := h.call("GET", "/v1/readers/sse?stream=a", "", "Last-Event-ID: x")
	if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != "400 invalid_request header Last-Event-ID" {
		t.Errorf("a bad Last-Event-ID was refused as %s", got)
	}
	if problem := h.want(http.StatusUpgradeRequired, "GET", "/v1/readers/ws?stream=a", ""); problem["code"] != "upgrade_required" {
		t.Errorf("a plain GET: %v", problem)
	}
	s := h.dial("/v1/readers/ws?stream=a&stream=b")
	if f := s.do(`{"type":"add_stream","stream":"c"}`); f.Code != "invalid_request" {
		t.Errorf("a third stream was answered %+v", f)
	}
}

// What redis-cli or another program adds is read as well as it can be.
func TestReadersSeeEventsOfOtherProgramsSoon(t *testing.T) {
	t.Parallel()
	redis, one, two := twoHubs(t)
	direct := redis.Client(t)
	readers := one.readings("stream=orders")
	later := two.pageIn("orders", "?wait=30s")
	for i, c := range []struct {
		fields []string
		want   string
	}{
		{[]string{"type", "t", "data", `{"a": 1}`}, `t|||application/json|{"a": 1}|map[]`},
		{[]string{"data", "\xff\x00"}, `|||application/octet-stream|"\xff\x00" <nil>|map[]`},
		{[]string{"temperature", "21", "unit", "°C"}, `|||application/json|{"temperature":"21","unit":"°C"}|map[]`},
	} {
		began := time.Now()
		id := direct.Do(t.Context(), append([]any{"XADD", "hub:{orders}:log", "*"}, anys(c.fields)...)...).Val()
		for kind, r := range readers {
			e := r.events(1)[0]
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("%s: %q came after %s, want 1 s", kind, c.fields, took)
			}
			if got := shown(e); e.ID != id || got != c.want {
				t.Errorf("%s: %q came as %s %s, want %s %s", kind, c.fields, e.ID, got, id, c.want)
			}
			var one event
			if into(t, two.call("GET", "/v1/streams/orders/events/"+e.ID, ""), &one); shown(one) != shown(e) {
				t.Errorf("%s: by itself it is %s, came as %s", kind, shown(one), shown(e))
			}
		}
		if i == 0 {
			if p := <-later; len(p.Events) != 1 || p.Events[0].ID != id {
				t.Errorf("the page that waited for it is %+v", p)
			}
		}
	}
	if got := two.stream("orders"); got.Events != 3 || got.config() != "1000000 168h drop_oldest" {
		t.Errorf("the stream that another program has made is %+v", got)
	}
}

func TestReaderThatStopsReadingCatchesUpAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_WRITE_TIMEOUT=1m")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var ears hearing
	lazy, _, err := websocket.Dial(ctx, h.base+"/v1/readers/ws?stream=orders", &websocket.DialOptions{HTTPClient: ears.client()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lazy.CloseNow() }()
	lazy.SetReadLimit(64 << 20)
	stopped, err := ears.client().Get(h.base + "/v1/readers/sse?stream=orders")
	if err != nil {
		t.Fatal(err)
	}
	quick := h.dial("/v1/readers/ws?stream=orders")
	const total, size = 18, 500_000 // more than kernel buffers and windows take
	var want []string
	for i := range total {
		want = append(want, h.publish("orders", fmt.Sprintf(`{"type":"n","data":%q}`, strings.Repeat("x", size))))
		assertRead(t, quick.events(1), want[i:])
	}
	want = append(want, h.publishMany("orders", 2000)...)
	assertRead(t, quick.until(want[len(want)-1]), want[total:])
	ears.open(t)
	listening, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []event
	for len(got) < len(want) {
		_, text, err := lazy.Read(listening)
		if err != nil {
			t.Fatalf("after %d of %d events: %v", len(got), len(want), err)
		}
		var f frame
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		if f.Type == "gap" || f.Type == "error" {
			t.Fatalf("the slow reader was told %+v", f)
		}
		got = append(got, f.Events...)
	}
	assertRead(t, got, want)
	f := &feed{t: t, messages: make(chan message, 10_000)}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		defer close(f.messages)
		f.ended = f.read(stopped.Body)
	}()
	t.Cleanup(func() {
		_ = stopped.Body.Close()
		<-reading
	})
	assertRead(t, f.events(len(want)), want)
	id := h.publish("orders", `{"data":"live"}`) // and they are live again
	assertRead(t, f.events(1), []string{id})
	for {
		_, text, err := lazy.Read(listening)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), id) {
			return
		}
	}
}

// hearing is what clients have that read nothing for a while: little room in the
// kernel, until they listen.
type hearing struct{ conns []*net.TCPConn }

func (e *hearing) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		e.conns = append(e.conns, conn.(*net.TCPConn))
		return conn, conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	}}}
}

func (e *hearing) open(t *testing.T) {
	t.Helper()
	for _, conn := range e.conns {
		if err := conn.SetReadBuffer(4 << 20); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDrainOfReaders(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	leaving, staying := startHub(t, setting), startHub(t, setting)
	id := staying.publishMany("orders", 3)
	s := leaving.dial("/v1/readers/ws?stream=orders&from=oldest")
	f := leaving.sse("/v1/readers/sse?stream=orders&from=oldest")
	live := leaving.sse("/v1/broadcast/sse?channel=room")
	assertRead(t, s.events(3), id)
	assertRead(t, f.events(3), id)
	waiting := leaving.pageIn("payments", "?wait=1m")
	live.next("comment")
	eventually(t, func() string { // the page waits
		if text := string(leaving.call("GET", "/metrics", "").body); !strings.Contains(text, `hub_sse_connections{feed="broadcast"} 1`) || !strings.Contains(text, `hub_connections{role="reader"} 1`) {
			return "the connections are not counted"
		}
		return ""
	})
	stopped := make(chan error, 1)
	began := time.Now()
	go func() { stopped <- leaving.stop() }()
	if d, err := time.ParseDuration(s.next("drain").ReconnectAfter); err != nil || d < 0 || d > 3*time.Second {
		t.Errorf("a reader is to reconnect after %s, %v", d, err)
	}
	if code := s.closed(); code != websocket.StatusServiceRestart {
		t.Errorf("the reader's socket was closed with %d, want 1012", code)
	}
	for name, f := range map[string]*feed{"reader": f, "broadcast": live} {
		var end message
		for _, m := range f.over() {
			if !m.comment {
				end = m
			}
		}
		var told struct {
			ReconnectAfter string `json:"reconnect_after"`
		}
		_ = json.Unmarshal([]byte(end.data), &told)
		d, err := time.ParseDuration(told.ReconnectAfter)
		if end.event != "hub.drain" || err != nil || end.retry != fmt.Sprint(d.Milliseconds()) {
			t.Errorf("the %s's event stream ended with %+v", name, end)
		}
	}
	if p := <-waiting; len(p.Events) != 0 {
		t.Errorf("the page that waited is %+v", p)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the hub ended after %s", took)
	}
	next := staying.publish("orders", `{"data":1}`)
	assertRead(t, staying.sse("/v1/readers/sse?stream=orders", "Last-Event-ID: "+f.last).events(1), []string{next})
}
