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

func TestUnusedSinkExpiresWithALogLine(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	one.put("unused", `{"streams":["orders"],"expires_after":"1s"}`)
	one.put("kept", `{"streams":["orders"],"expires_after":"0"}`)
	used := two.dial("/v1/sinks/used/ws?stream=orders&expires_after=1s")
	pulled := one.pulling("pulled", "?stream=orders&expires_after=1s", `{"wait":"20s"}`) // is a use for as long as it waits
	eventually(t, func() string {
		if answer := one.call("GET", "/v1/sinks/unused", ""); answer.StatusCode != http.StatusNotFound {
			return "the unused sink is still there"
		}
		return ""
	})
	eventually(t, func() string {
		for line := range strings.Lines(one.logs.String() + two.logs.String()) {
			if strings.Contains(line, `"unused"`) && strings.Contains(line, "expires_after") {
				return ""
			}
		}
		return "no log line tells of it"
	})
	if hasGroup(t, direct, "orders", "unused") {
		t.Error("its group is still there")
	}
	id := one.publish("orders", `{"data":1}`)
	assertEvents(t, used.events(1), []string{id}, 1)
	if answer := <-pulled; !strings.Contains(string(answer.body), id) {
		t.Errorf("the pull was answered %d %s", answer.StatusCode, answer.body)
	}
	if f := sinkFigures(t, two, "kept"); f["lag"] != 1.0 {
		t.Errorf("the sink that never expires: %v", f)
	}
	used.drop() // from now on nobody uses it
	eventually(t, func() string {
		if names := sinkNames(two.want(http.StatusOK, "GET", "/v1/sinks", "")); names != "kept" {
			return "the sinks are " + names
		}
		return ""
	})
}

// bookkeeping is how many keys there are, and how many consumers a group has.
func bookkeeping(t *testing.T, direct redis.UniversalClient, stream, sink string) string {
	t.Helper()
	keys := direct.DBSize(t.Context()).Val()
	consumers := direct.XInfoConsumers(t.Context(), "hub:{"+stream+"}:log", sink).Val()
	return fmt.Sprintf("%d keys, %d consumers", keys, len(consumers))
}

func Test1000ConnectsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	connect := func(h *testHub) {
		s := h.dial("/v1/sinks/billing/ws?stream=orders")
		s.drop()
	}
	for _, h := range []*testHub{one, two} {
		connect(h)
		h.publish("orders", `{"data":1}`)
		h.settle("billing", "acks", `{"stream":"orders","ids":[%q]}`, h.pull("billing", "", `{"wait":"10s"}`)[0].ID)
	}
	var before string
	eventually(t, func() string {
		if n := consumers(t, one, "billing"); n != 0 {
			return fmt.Sprint(n, " consumers are connected")
		}
		before = bookkeeping(t, direct, "orders", "billing")
		return ""
	})
	for worker := range 4 {
		h := []*testHub{one, two}[worker%2]
		t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
			for range 250 {
				connect(h.in(t))
			}
		})
	}
	eventually(t, func() string {
		if n := consumers(t, one, "billing"); n != 0 {
			return fmt.Sprint(n, " consumers are connected")
		}
		if after := bookkeeping(t, direct, "orders", "billing"); after != before {
			return "there are " + after + ", there were " + before
		}
		return ""
	})
}

// consumers is how many are connected to a sink, over all hubs.
func consumers(t *testing.T, h *testHub, sink string) int {
	t.Helper()
	return len(h.want(http.StatusOK, "GET", "/v1/sinks/"+sink, "")["consumers"].([]any))
}

func TestBookkeepingOfDoneEventsGoes(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=300ms&prefetch=1000")
	two.dial("/v1/sinks/billing/ws?stream=orders").ok(`{"type":"pause"}`)
	size := func() (total int64) {
		for _, key := range direct.Keys(t.Context(), "*").Val() {
			if strings.HasSuffix(key, ":log") {
				continue
			}
			total += direct.MemoryUsage(t.Context(), key, 0).Val()
		}
		return total
	}
	var sizes []int64
	for range 4 {
		id := one.publishMany("orders", 100)
		s.events(100)
		s.ok(`{"type":"nack","ids":%s,"delay":"50ms","reason":"later"}`, list(id[:50]...))
		for again := map[string]bool{}; len(again) < 100; { // nacked, or timed out
			for _, e := range s.next("events").Events {
				again[e.ID] = true
			}
		}
		s.ok(`{"type":"nack","ids":%s,"dead_letter":true,"delay":"0s"}`, list(id[:10]...))
		two.settle("billing", "acks", `{"stream":"orders","ids":%s}`, list(id...))
		two.want(http.StatusNoContent, "DELETE", "/v1/sinks/billing/dead-letters", "")
		if pending := sinkFigures(t, two, "billing")["pending"]; pending != 0.0 {
			t.Fatalf("%v events are pending", pending)
		}
		s.aside = nil
		for ok := true; ok; { // what was on its way
			_, ok = s.passed()
		}
		sizes = append(sizes, size())
	}
	if sizes[3] > sizes[0]+4096 {
		t.Errorf("besides the log Redis holds %v bytes after each hundred events", sizes)
	}
}

// losses are what may happen to a sink's group while events flow.
var losses = map[string]func(t *testing.T, direct redis.UniversalClient) error{
	"FLUSHALL": flushAll,
	"DEL": func(t *testing.T, direct redis.UniversalClient) error {
		return direct.Del(t.Context(), "hub:{orders}:log").Err()
	},
	"XGROUP DESTROY": func(t *testing.T, direct redis.UniversalClient) error {
		return direct.XGroupDestroy(t.Context(), "hub:{orders}:log", "billing").Err()
	},
}

func TestLossInMidFlowIsRepairedWithin2sAndTold(t *testing.T) {
	t.Parallel()
	for name, lose := range losses {
		for _, kind := range []string{`"order":"none"`, `"order":"strict"`, `"ack":"none"`} {
			t.Run(name+" "+kind, func(t *testing.T) { lossInMidFlow(t, lose, kind) })
		}
	}
}

func lossInMidFlow(t *testing.T, lose func(*testing.T, redis.UniversalClient) error, kind string) {
	server, one, two := twoHubs(t)
	one.put("billing", `{"streams":["orders"],"ack_wait":"1h","types":["n","marker"],"max_deliveries":7,"backoff":["3s"],`+kind+`}`)
	config := func() string { return fmt.Sprint(one.call("GET", "/v1/sinks/billing", "").json(t)["config"]) }
	before := config()
	s := two.dial("/v1/sinks/billing/ws?stream=orders")
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				one.publishMany("orders", 10)
			}
		}
	})
	defer publishing.Wait()
	defer close(stop)
	takeUntil := func(done func(f frame) bool) {
		timeout := time.After(patience)
		for {
			f := s.receive(timeout, "events")
			if len(f.Events) > 0 {
				s.send(`{"type":"ack","ids":` + list(ids(f.Events)...) + `}`)
			}
			if done(f) {
				return
			}
		}
	}
	events := 0
	takeUntil(func(f frame) bool { events += len(f.Events); return events > 100 })
	if err := lose(t, server.Client(t)); err != nil {
		t.Fatal(err)
	}
	lost := time.Now()
	marker := one.publish("orders", `{"type":"marker","data":1}`)
	told, came := false, false
	takeUntil(func(f frame) bool {
		if f.Type == "gap" {
			told = true
			if f.Stream != "orders" || f.Reason != "reset" {
				t.Errorf("the sink was told %+v", f)
			}
		}
		came = came || slices.Contains(ids(f.Events), marker)
		return told && came
	})
	if took := time.Since(lost); took > 3*time.Second {
		t.Errorf("the sink was repaired after %s, want 2 s at most", took)
	}
	eventually(t, func() string {
		if after := config(); after != before {
			return "the sink is " + after + ", it was " + before
		}
		return ""
	})
}

func TestHubKilledWith1500UnackedEventsLosesNoTime(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed, other := startProcess(t, setting), startHub(t, setting)
	const total = 1500
	id := other.publishMany("orders", total)
	doomed.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=500ms&prefetch=1500").events(total)
	heir := other.dial("/v1/sinks/billing/ws?stream=orders&prefetch=2000")
	doomed.kill()
	killed := time.Now()
	missing := map[string]bool{}
	for _, id := range id {
		missing[id] = true
	}
	for len(missing) > 0 {
		f := heir.next("events")
		for _, e := range f.Events {
			delete(missing, e.ID)
		}
		heir.send(`{"type":"ack","ids":` + list(ids(f.Events)...) + `}`)
	}
	if took := time.Since(killed); took > 3*time.Second {
		t.Errorf("the events came %s after the kill, want 3 s at most", took)
	}
}

// A reclaim that looks only at the first so many pending events never gets
// beyond those that are held for good.
func TestEventsBehindExtendedOnesAreReclaimed(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const wait = 800 * time.Millisecond
	holder := one.dial("/v1/sinks/billing/ws?stream=orders&prefetch=60&ack_wait=" + wait.String())
	id := one.publishMany("orders", 60)
	assertEvents(t, holder.events(60), id, 1)
	heir := two.dial("/v1/sinks/billing/ws?stream=orders")
	extend := time.NewTicker(wait / 5)
	defer extend.Stop()
	timeout := time.After(patience)
	var got []event
	for len(got) < 10 {
		select {
		case <-extend.C:
			if f := holder.ok(`{"type":"extend","ids":%s}`, list(id[:50]...)); len(f.Extended) != 50 {
				t.Fatalf("extend was answered %+v", f)
			}
			for f, ok := holder.passed(); ok; f, ok = holder.passed() { // it has credit for them, too
				got = append(got, f.Events...)
			}
		case f := <-heir.frames:
			got = append(got, f.Events...)
		case <-timeout:
			t.Fatalf("only %d events came again", len(got))
		}
	}
	assertEvents(t, got, id[50:], 2)
	if f := heir.ack("orders", id...); len(f.Acked) != 60 {
		t.Errorf("the ack was answered %+v", f)
	}
}

func TestFiguresAreRightAfterDeletesAndFromMidStream(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	id := one.publishMany("orders", 9)
	holder := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=4&ack_wait=1h&from=after:" + id[4])
	assertEvents(t, holder.events(4), id[5:9], 1)
	holder.ok(`{"type":"nack","ids":[%q],"delay":"0s"}`, id[6])
	assertEvents(t, holder.events(1), id[6:7], 2)
	id = append(id, one.publishMany("orders", 11)...)
	holder.ok(`{"type":"nack","ids":[%q],"dead_letter":true}`, id[5])
	assertEvents(t, holder.events(1), id[9:10], 1)
	if err := direct.XDel(t.Context(), "hub:{orders}:log", id[1], id[12], id[15], id[18]).Err(); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*testHub{one, two} {
		f := sinkFigures(t, h, "billing")
		if f["lag"] != 7.0 || f["pending"] != 4.0 || f["redelivered"] != 1.0 || f["dead_letters"] != 1.0 {
			t.Errorf("figures: %v, want lag 7, pending 4, redelivered 1, dead_letters 1", f)
		}
		if age := f["oldest_pending_seconds"].(float64); age < 0 || age > 60 {
			t.Errorf("the oldest pending event is %v s old", age)
		}
		metrics := string(h.call("GET", "/metrics", "").body)
		for _, line := range []string{
			`hub_sink_lag{sink="billing",stream="orders"} 7`, `hub_sink_pending{sink="billing",stream="orders"} 4`,
			`hub_sink_dead_letters{sink="billing",stream="orders"} 1`, `hub_sink_redelivered_total{sink="billing",stream="orders"} 1`,
		} {
			if !strings.Contains(metrics, line+"\n") {
				t.Errorf("/metrics lacks %s", line)
			}
		}
	}
	one.put("empty", `{"streams":["never"]}`)
	answer := one.call("GET", "/v1/sinks/empty", "")
	if f := fmt.Sprint(answer.json(t)["streams"]); f != "[map[dead_letters:0 lag:0 oldest_pending_seconds:0 pending:0 redelivered:0 stream:never]]" {
		t.Errorf("a sink of a stream that is not there: %s", answer.body)
	}
	holder.ack("orders", id[6], id[7], id[8], id[9])
	if f := sinkFigures(t, one, "billing"); f["oldest_pending_seconds"].(float64) > 60 {
		t.Errorf("figures: %v", f)
	}
	var rest []event
	for len(rest) < 7 {
		got := holder.next("events").Events
		rest = append(rest, got...)
		holder.ok(`{"type":"ack","ids":%s}`, list(ids(got)...))
	}
	assertEvents(t, rest, []string{id[10], id[11], id[13], id[14], id[16], id[17], id[19]}, 1)
	if f := sinkFigures(t, two, "billing"); f["lag"] != 0.0 || f["pending"] != 0.0 || f["oldest_pending_seconds"] != 0.0 {
		t.Errorf("after all is done: %v", f)
	}
}

func TestDeletedEventThatIsPendingIsOwedNoLonger(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=400ms")
	id := one.publishMany("orders", 3)
	s.events(3)
	if err := server.Client(t).XDel(t.Context(), "hub:{orders}:log", id[1]).Err(); err != nil {
		t.Fatal(err)
	}
	for done := map[string]bool{}; len(done) < 2; {
		for _, e := range s.next("events").Events {
			if done[e.ID] = true; e.ID == id[1] {
				t.Errorf("the deleted event came again: %+v", e)
			}
			s.ack("orders", e.ID)
		}
	}
	eventually(t, func() string {
		if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["dead_letters"] != 0.0 {
			return fmt.Sprint(f)
		}
		return ""
	})
}
