package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// node is how many events a stream may be over max_events for a while: what Redis
// keeps in one piece.
const node = 100

// lossOf gathers what a sink's or reader's gap frames say, up to so many events.
func lossOf(t *testing.T, s *socket, events int64) (first, last string) {
	t.Helper()
	var lost int64
	for lost < events {
		gap := s.next("gap")
		if gap.Stream != "orders" || gap.Reason != "trimmed" || gap.Lost <= 0 || gap.From == "" || gap.To == "" {
			t.Fatalf("a gap frame: %+v", gap)
		}
		if first == "" {
			first = gap.From
		}
		lost, last = lost+gap.Lost, gap.To
	}
	if lost != events {
		t.Errorf("the gap frames count %d lost events, want %d", lost, events)
	}
	return first, last
}

func TestGapFrameCountsExactlyWhatASinkLost(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.putStream("orders", `{"max_events":100}`)
	one.put("away", `{"streams":["orders"]}`)                             // nobody is connected
	unread := two.dial("/v1/sinks/connected/ws?stream=orders&prefetch=0") // reads nothing
	reader := two.dial("/v1/readers/ws?stream=orders")                    // as fast as it can
	paused := one.dial("/v1/readers/ws?stream=orders")                    // reads nothing either
	paused.ok(`{"type":"pause"}`)
	const total = 3000
	var id []string
	for len(id) < total { // in several sizes
		id = append(id, two.publishMany("orders", 1)...)
		id = append(id, one.publishMany("orders", min(249, total-len(id)))...)
		if n := two.stream("orders").Events; n > 100+node {
			t.Errorf("the stream has %d events, its max_events is 100", n)
		}
	}
	var kept int64
	eventually(t, func() string { // the rest goes with the housekeeping
		if kept = one.stream("orders").Events; kept > 100 {
			return fmt.Sprintf("there are %d events", kept)
		}
		return ""
	})
	lost := total - kept
	if kept == 0 {
		t.Fatal("nothing was kept")
	}
	first, last := lossOf(t, unread, lost)
	if first != id[0] || last != id[lost-1] {
		t.Errorf("lost were %s to %s, want %s to %s", first, last, id[0], id[lost-1])
	}
	unread.ok(`{"type":"credit","n":5000}`)
	assertEvents(t, unread.events(int(kept)), id[lost:], 1)
	if f := sinkFigures(t, one, "connected"); f["lag"] != 0.0 || f["pending"] != float64(kept) {
		t.Errorf("figures: %v", f)
	}
	late := one.dial("/v1/sinks/away/ws?stream=orders&prefetch=1000")
	if first, last := lossOf(t, late, lost); first != id[0] || last != id[lost-1] {
		t.Errorf("who comes later is told %s to %s", first, last)
	}
	assertEvents(t, late.events(int(kept)), id[lost:], 1)
	lostByReader(t, reader, id)
	paused.ok(`{"type":"resume"}`)
	if gap := paused.only("gap"); gap.Stream != "orders" || gap.Reason != "trimmed" || gap.To != id[lost-1] {
		t.Errorf("the paused reader was told %+v, want a gap up to %s", gap, id[lost-1])
	}
	assertRead(t, paused.events(int(kept)), id[lost:])
	eventually(t, func() string { // losses are gathered for a second
		logs := one.logs.String() + two.logs.String()
		if !strings.Contains(logs, `"sink":"away"`) || !strings.Contains(logs, "has lost events") {
			return "no log line tells of what the sink has lost"
		}
		return ""
	})
	counted := 0
	for _, h := range []*testHub{one, two} {
		for line := range strings.Lines(string(h.call("GET", "/metrics", "").body)) {
			var n float64
			if _, err := fmt.Sscanf(line, "hub_events_lost_total %g", &n); err == nil {
				counted += int(n)
			}
		}
	}
	if counted != 2*int(lost) { // of two sinks
		t.Errorf("the counters of lost events say %d, want %d", counted, 2*lost)
	}
}

// lostByReader reads to the end of what was published: whatever does not come was
// told before what comes next.
func lostByReader(t *testing.T, s *socket, id []string) {
	t.Helper()
	next := 0
	for next < len(id) {
		f := s.receive(time.After(patience), "events or gap")
		if f.Type == "gap" {
			if to := slices.Index(id, f.To); to < next || f.Reason != "trimmed" || f.Stream != "orders" {
				t.Fatalf("behind event %d a reader was told %+v", next-1, f)
			} else {
				next = to + 1
			}
		}
		for _, e := range f.Events {
			if e.ID != id[next] {
				t.Fatalf("a reader got event %d where %d was next, without a gap", slices.Index(id, e.ID), next)
			}
			next++
		}
	}
}

func TestFullStreamThatRejectsStoresExactlyWhatItAccepts(t *testing.T) {
	t.Parallel()
	redis, one, two := twoHubs(t)
	one.putStream("orders", `{"max_events":100,"on_full":"reject"}`)
	one.put("billing", `{"streams":["orders"]}`)
	var mu sync.Mutex // protects the two below
	var accepted []string
	refused := 0
	var publishers sync.WaitGroup
	for i := range 6 {
		h := []*testHub{one, two}[i%2]
		publishers.Go(func() {
			for sent := 0; sent < 500; { // 3,000 in all, in several sizes
				size := 1 + (sent*7+i)%13
				sent += size
				body := "[" + strings.TrimSuffix(strings.Repeat(`{"data":1},`, size), ",") + "]"
				answer := h.call("POST", "/v1/streams/orders/events", body)
				mu.Lock()
				switch answer.StatusCode {
				case http.StatusCreated:
					for _, id := range answer.json(t)["ids"].([]any) {
						accepted = append(accepted, id.(string))
					}
				case http.StatusInsufficientStorage:
					if refused++; answer.json(t)["code"] != "stream_full" {
						t.Errorf("a full stream was answered %s", answer.body)
					}
				default:
					t.Errorf("%d %s", answer.StatusCode, answer.body)
				}
				mu.Unlock()
			}
		})
	}
	publishers.Wait()
	stored := ids(one.everything("orders"))
	if n := len(stored); n > 100 || n < 88 || !slices.Equal(stored, sortedIDs(accepted)) || refused == 0 {
		t.Fatalf("%d events are stored, %d were accepted, %d requests refused", len(stored), len(accepted), refused)
	}
	if f := sinkFigures(t, two, "billing"); f["lag"] != float64(len(stored)) {
		t.Errorf("figures: %v", f)
	}
	fill(t, one)
	if added := redis.Client(t).XInfoStream(t.Context(), "hub:{orders}:log").Val().EntriesAdded; added != 100 {
		t.Errorf("%d entries were ever stored, want 100", added)
	}

	// It takes more once the sink has caught up, of which reading is not enough.
	s := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=100")
	held := s.events(100)
	if answer := one.call("POST", "/v1/streams/orders/events", `{"data":1}`); answer.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("with all events held: %d %s", answer.StatusCode, answer.body)
	}
	s.ack("orders", ids(held)[:10]...)
	eventually(t, func() string {
		answer := one.call("POST", "/v1/streams/orders/events", "["+strings.TrimSuffix(strings.Repeat(`{"data":1},`, 10), ",")+"]")
		if answer.StatusCode != http.StatusCreated {
			return fmt.Sprintf("after ten acks: %d %s", answer.StatusCode, answer.body)
		}
		return ""
	})
	two.want(http.StatusInsufficientStorage, "POST", "/v1/streams/orders/events", `{"data":1}`)
	got := s.events(10)
	if s.ack("orders", append(ids(held)[10:], ids(got)...)...); two.stream("orders").Events > 100 {
		t.Errorf("the stream is %+v", two.stream("orders"))
	}
	eventually(t, func() string {
		answer := one.call("POST", "/v1/streams/orders/events", "["+strings.TrimSuffix(strings.Repeat(`{"data":1},`, 100), ",")+"]")
		if answer.StatusCode != http.StatusCreated {
			return fmt.Sprintf("after all acks: %d %s", answer.StatusCode, answer.body)
		}
		return ""
	})
}

// fill publishes one by one until the stream takes no more.
func fill(t *testing.T, h *testHub) {
	t.Helper()
	eventually(t, func() string {
		if answer := h.call("POST", "/v1/streams/orders/events", `{"data":1}`); answer.StatusCode != http.StatusInsufficientStorage {
			return fmt.Sprintf("%d %s", answer.StatusCode, answer.body)
		}
		return ""
	})
}

// sortedIDs puts ids in the order of publishing.
func sortedIDs(list []string) []string {
	slices.SortFunc(list, func(a, b string) int {
		var ms, seq [2]int64
		_, _ = fmt.Sscanf(a, "%d-%d", &ms[0], &seq[0])
		_, _ = fmt.Sscanf(b, "%d-%d", &ms[1], &seq[1])
		if ms[0] != ms[1] {
			return int(ms[0] - ms[1])
		}
		return int(seq[0] - seq[1])
	})
	return list
}

func TestOldEventsWaitForTheSinksThatOweThem(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	for _, stream := range []string{"orders", "free"} {
		one.putStream(stream, `{"max_age":"1s"}`)
	}
	one.put("billing", `{"streams":["orders"],"ack_wait":"1h"}`)
	one.put("audit", `{"streams":["orders"],"ack_wait":"1h"}`)
	id := two.publishMany("orders", 5)
	two.publishMany("free", 5)
	eventually(t, func() string {
		if n := one.stream("free").Events; n > 0 {
			return fmt.Sprintf("%d events are still there", n)
		}
		return ""
	})
	two.want(http.StatusOK, "GET", "/v1/streams/free", "") // itself, it stays
	prune := func(query string) (events any, owed string) {
		t.Helper()
		answer := two.want(http.StatusOK, "POST", "/v1/streams/orders/prune"+query, "")
		return answer["events"], fmt.Sprint(answer["owed_by"])
	}
	eventually(t, func() string { // published at the same time, they are over max_age, too
		if events, owed := prune("?dry_run=true"); events != 0.0 || owed != "[audit billing]" {
			return fmt.Sprintf("a prune would remove %v events, owed by %s", events, owed)
		}
		return ""
	})
	if events, _ := prune(""); events != 0.0 || one.stream("orders").Events != 5 {
		t.Errorf("a prune has removed %v events that are owed", events)
	}
	s, other := two.dial("/v1/sinks/billing/ws?stream=orders"), one.dial("/v1/sinks/audit/ws?stream=orders")
	assertEvents(t, s.events(5), id, 1)
	assertEvents(t, other.events(5), id, 1)
	s.ack("orders", id...)
	other.ack("orders", id[:3]...)
	if events, owed := prune(""); events != 3.0 || owed != "[audit]" { // which need not wait for the housekeeping
		t.Errorf("with two events owed, a prune has removed %v, owed by %s", events, owed)
	}
	if got := one.stream("orders"); got.Events != 2 || got.First != id[3] {
		t.Errorf("with two events owed: %+v", got)
	}
	other.ack("orders", id[3:]...)
	eventually(t, func() string {
		if got := one.stream("orders"); got.Events != 0 {
			return fmt.Sprintf("with none owed: %+v", got)
		}
		return ""
	})
}

func TestPruneSaysWhatItWouldRemoveAndRemovesIt(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	one.putStream("orders", `{"max_events":50}`)
	eventually(t, func() string { // again where the housekeeping was there first
		if err := direct.Del(t.Context(), "hub:{orders}:log").Err(); err != nil {
			t.Fatal(err)
		}
		var id []string
		for i := range 300 {
			added, err := direct.XAdd(t.Context(), &redis.XAddArgs{Stream: "hub:{orders}:log", Values: []any{"data", i}}).Result()
			if err != nil {
				t.Fatal(err)
			}
			id = append(id, added)
		}
		dry := two.want(http.StatusOK, "POST", "/v1/streams/orders/prune?dry_run=true", "")
		left := two.stream("orders").Events
		wet := one.want(http.StatusOK, "POST", "/v1/streams/orders/prune", "")
		if left != 300 || wet["events"] == 0.0 {
			return fmt.Sprintf("%d events were left by the housekeeping, %v", left, wet)
		}
		if dry["stream"] != "orders" || dry["dry_run"] != true || dry["events"] != 250.0 || dry["last_id"] != id[249] || fmt.Sprint(dry["owed_by"]) != "[]" {
			t.Errorf("the dry run was answered %v", dry)
		}
		if wet["dry_run"] != false || wet["events"] != 250.0 || wet["last_id"] != id[249] {
			t.Errorf("the prune was answered %v", wet)
		}
		assertRead(t, one.page("orders", "?limit=1000").Events, id[250:])
		return ""
	})
	again := two.want(http.StatusOK, "POST", "/v1/streams/orders/prune?dry_run=false", "")
	if _, ok := again["last_id"]; ok || again["events"] != 0.0 {
		t.Errorf("once more: %v", again)
	}
	two.want(http.StatusNotFound, "POST", "/v1/streams/never/prune", "")
	if got := faults(two.want(http.StatusBadRequest, "POST", "/v1/streams/orders/prune?dry_run=1&x=2", "")); got != "invalid_request ?dry_run ?x" {
		t.Errorf("a bad query was refused as %s", got)
	}
}
