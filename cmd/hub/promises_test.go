package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// The known faults of the systems that the hub replaces, and the tests that
// hold it to not having them:
//
//	consumers deleted together with their pending events        TestSlowConsumersEventsStayPendingWhileHubsComeAndGo,
//	                                                            TestKilledHubsEventsGoToAnother
//	a reclaim that sees only the first so many pending events   TestEventsBehindExtendedOnesAreReclaimed,
//	                                                            TestHubKilledWith1500UnackedEventsLosesNoTime
//	a reclaim keyed by the sink's name, for one stream only     TestSixStreamsOfOneSinkAreAllDeliveredAgain,
//	                                                            TestOneConnectionOfSixStreamsIsDeliveredAllAgain
//	filtered-out events that stay pending for ever              TestFilteredEventsAreAcknowledgedAtOnce
//	consumers that spin or go deaf once group or stream went    TestLossInMidFlowIsRepairedWithin2sAndTold, TestLostLogIsNotSpunOn,
//	                                                            TestGroupOfADeletedLogIsMadeAgainWithoutAPublish
//	a stalled client that stops its neighbours                  TestStalledConsumerCostsOnlyItself
//	… the keep-alive, or the shutdown                           TestStalledConsumersHoldUpNeitherPingsNorTheShutdown
//	unread events trimmed silently                              TestGapFrameCountsExactlyWhatASinkLost,
//	                                                            TestFullStreamThatRejectsStoresExactlyWhatItAccepts,
//	                                                            TestTrimmedEventsAreOwedNoLonger
//	a single consumer that is not single                        TestStrictSinkServesOneConsumerInTheCluster
//	… or that skips a failed batch                              TestStrictSinkRepeatsAFailedEventBeforeAnythingBehindIt,
//	                                                            TestStrictSinkRepeatsATimedOutEventBeforeAnythingBehindIt
//	a slow handler's event duplicated, with no way to extend    TestExtendKeepsAnEventWithItsHandler
//	a backlog that drains only when something is published      TestBacklogDrainsByItself
//	bookkeeping that grows for ever                             Test1000ConnectsLeaveNothingBehind, TestBookkeepingOfDoneEventsGoes
//	publish cost that grows with the number of subscribers      TestPublishCostsTheSameWithManySubscribers
//	a retry with no back-off and no end                         TestNackAndTimeoutWaitTheBackoffAlike,
//	                                                            TestPoisonEventBecomesADeadLetterAndHoldsNobodyUp
//	undecodable entries that are acked, or fatal                TestUndecodableEntriesBecomeDeadLettersAndBlockNobody
//	events lost between subscribe and the first read            TestNothingPublishedAfterReadyIsMissed,
//	                                                            TestReadersMissNothingThatIsPublishedAfterReady
//	health that is green while nothing is delivered             TestHalfOpenRedisIsNoticed

func TestSlowConsumersEventsStayPendingWhileHubsComeAndGo(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	one := startHub(t, setting)
	const wait, total = 400 * time.Millisecond, 20
	slow := one.dial("/v1/sinks/billing/ws?stream=orders&max_deliveries=0&prefetch=20&ack_wait=" + wait.String())
	id := one.publishMany("orders", total)
	slow.events(total)
	held := time.Now()
	pending := func(h *testHub) {
		t.Helper()
		if f := sinkFigures(t, h, "billing"); f["pending"] != float64(total) || f["lag"] != 0.0 {
			t.Fatalf("after %s: %v", time.Since(held), f)
		}
	}
	two := startHub(t, setting)
	helper := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=20")
	for left := false; time.Since(held) < 3*wait; pending(one) {
		if pending(two); !left && time.Since(held) > wait*3/2 {
			helper.drop() // with what it has got meanwhile
			left = true
		}
	}
	if f := slow.ack("orders", id...); len(f.Acked) != total {
		t.Errorf("the ack was answered %+v", f)
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestBacklogDrainsByItself(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const total = 500
	id := one.publishMany("orders", total)
	// Nothing is published from now on.
	s := two.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=7")
	for n := 0; n < total; {
		f := s.next("events")
		for _, e := range f.Events {
			if e.ID != id[n] || e.Attempt != 1 {
				t.Fatalf("got %+v, want %s", e, id[n])
			}
			n++
		}
		s.ok(`{"type":"ack","ids":%s}`, list(ids(f.Events)...))
	}
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

// calls is how often Redis was called, by command.
func calls(t *testing.T, direct redis.UniversalClient) map[string]int {
	t.Helper()
	counts := map[string]int{}
	err := onEveryNode(t, direct, func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "commandstats").Result()
		for _, row := range regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`).FindAllStringSubmatch(info, -1) {
			n, _ := strconv.Atoi(row[2])
			counts[row[1]] += n
			counts["all"] += n
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestPublishCostsTheSameWithManySubscribers(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	cost := func(subscribers []*socket, lives []*socket) (publishes, adds int) {
		const rounds = 20
		before, began := calls(t, direct), time.Now()
		for range rounds {
			id := one.publish("orders", `{"data":1}`)
			one.want(http.StatusAccepted, "POST", "/v1/broadcast/room", `{"data":1}`)
			for _, s := range lives {
				s.events(1)
			}
			who, _ := served(t, subscribers...)
			subscribers[who].ack("orders", id)
		}
		after := calls(t, direct)
		probes := 2 * (1 + int(time.Since(began)/time.Second)) // of two hubs
		return after["publish"] - before["publish"] - probes, after["xadd"] - before["xadd"]
	}
	var subscribers, lives []*socket
	grow := func(n int) {
		for i := len(lives); i < n; i++ {
			h := []*testHub{one, two}[i%2]
			subscribers = append(subscribers, h.dial("/v1/sinks/billing/ws?stream=orders"))
			lives = append(lives, h.dial("/v1/broadcast/ws?channel=room"))
		}
	}
	grow(2)
	few, fewAdds := cost(subscribers, lives)
	grow(60)
	many, manyAdds := cost(subscribers, lives)
	if many > few+20 || manyAdds != fewAdds {
		t.Errorf("with 60 subscribers each: %d PUBLISH and %d XADD; with 2: %d and %d", many, manyAdds, few, fewAdds)
	}
}

func TestLostLogIsNotSpunOn(t *testing.T) {
	t.Parallel()
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			server, one, two := twoHubs(t)
			direct := server.Client(t)
			var sockets []*socket
			for _, h := range []*testHub{one, two} {
				sockets = append(sockets, h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=100ms"))
			}
			one.publish("orders", `{"data":1}`) // which keeps timing out
			served(t, sockets...)
			if err := lose(t, direct); err != nil {
				t.Fatal(err)
			}
			before, lines := calls(t, direct)["all"], strings.Count(one.logs.String()+two.logs.String(), "\n")
			<-time.After(2 * time.Second) // over which the commands are counted
			if n := calls(t, direct)["all"] - before; n > 1000 {
				t.Errorf("Redis was called %d times in 2 s", n)
			}
			if n := strings.Count(one.logs.String()+two.logs.String(), "\n") - lines; n > 30 {
				t.Errorf("the hubs logged %d lines in 2 s", n)
			}
			marker := one.publish("orders", `{"data":2}`)
			eventually(t, func() string {
				_, events := served(t, sockets...)
				for _, e := range events {
					if e.ID == marker {
						return ""
					}
				}
				return fmt.Sprint("after the marker was published came ", ids(events))
			})
		})
	}
}

func TestStalledConsumersHoldUpNeitherPingsNorTheShutdown(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	h := startHub(t, setting, "HUB_PING_INTERVAL=200ms", "HUB_WRITE_TIMEOUT=1m", "HUB_DRAIN_TIMEOUT=500ms")
	other := startHub(t, setting)
	neighbour := h.dial("/v1/sinks/quiet/ws?stream=quiet") // lives on pings
	var want []string
	for range 20 {
		want = append(want, other.publish("orders", fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", 500_000))))
	}
	deaf(t, h, "/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=1h")
	eventually(t, func() string {
		if f := sinkFigures(t, other, "billing"); f["pending"] == 0.0 {
			return "the stalled consumer was given nothing yet"
		}
		return ""
	})
	<-time.After(time.Second) // five pings
	id := other.publish("quiet", `{"data":1}`)
	assertEvents(t, neighbour.events(1), []string{id}, 1)
	neighbour.ack("quiet", id)
	began := time.Now()
	if err := h.stop(); err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the shutdown took %s", took)
	}
	got := map[string]bool{}
	for s := other.dial("/v1/sinks/billing/ws?stream=orders"); len(got) < len(want); {
		for _, e := range s.next("events").Events {
			got[e.ID] = true
		}
	}
}

func TestTrimmedEventsAreOwedNoLonger(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	one.put("billing", `{"streams":["orders"],"from":"oldest"}`)
	id := one.publishMany("orders", 10)
	if err := server.Client(t).XTrimMaxLen(t.Context(), "hub:{orders}:log", 4).Err(); err != nil {
		t.Fatal(err)
	}
	if f := sinkFigures(t, two, "billing"); f["lag"] != 4.0 { // it owes what there is
		t.Errorf("figures: %v", f)
	}
	assertEvents(t, two.dial("/v1/sinks/billing/ws?stream=orders").events(4), id[6:], 1)
	if f := sinkFigures(t, two, "billing"); f["lag"] != 0.0 || f["pending"] != 4.0 {
		t.Errorf("figures: %v", f)
	}
}

// Consumers that ack, fail, stall, leave and pull, at random: each event is done
// in the end, and no delivery counts as another.
func TestNothingIsLostWhateverConsumersDo(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"none", "strict"} {
		t.Run(order, func(t *testing.T) { randomConsumers(t, order) })
	}
}

func randomConsumers(t *testing.T, order string) {
	_, one, two := twoHubs(t)
	hubs := []*testHub{one, two}
	one.put("billing", fmt.Sprintf(`{"streams":["orders"],"ack_wait":"300ms","max_deliveries":0,"backoff":["20ms"],"order":%q}`, order))
	const total = 600
	var mu sync.Mutex // protects the three below
	seen, acked := map[string]bool{}, map[string]bool{}
	finished := false
	note := func(events []event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			delivery := fmt.Sprint(e.ID, " attempt ", e.Attempt)
			if seen[delivery] && order != "strict" { // which takes back what is behind a failure, at no cost
				t.Errorf("event %s was delivered twice", delivery)
			}
			seen[delivery] = true
		}
	}
	done := func(ids ...string) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			acked[id] = true
		}
		return finished || len(acked) == total
	}
	var workers sync.WaitGroup
	for i := range 4 {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		h := hubs[i%2]
		socket := func() { // one connection
			s := h.dial("/v1/sinks/billing/ws?stream=orders&prefetch=20")
			defer s.drop()
			for idle := time.Now(); !done() && time.Since(idle) < time.Second; {
				f, ok := s.passed()
				if !ok {
					<-time.After(time.Millisecond)
					continue
				}
				idle = time.Now()
				note(f.Events)
				for _, e := range f.Events {
					switch random.IntN(20) {
					case 0:
						return // with what it holds
					case 1: // forgets it
					case 2:
						s.ok(`{"type":"extend","ids":[%q]}`, e.ID)
					case 3:
						s.ok(`{"type":"nack","ids":[{"id":%q,"attempt":%d}],"delay":"10ms"}`, e.ID, e.Attempt)
					case 4:
						s.ok(`{"type":"nack","ids":[%q]}`, e.ID)
					default:
						done(s.ack("orders", e.ID).Acked...)
					}
				}
			}
		}
		workers.Go(func() {
			for !done() {
				if random.IntN(3) > 0 {
					socket()
					continue
				}
				events := h.pull("billing", "", `{"max":5,"wait":"50ms"}`)
				note(events)
				if len(events) > 1 {
					h.settle("billing", "nacks", `{"stream":"orders","ids":[%q],"delay":"0s"}`, events[0].ID)
					done(h.settle("billing", "acks", `{"stream":"orders","ids":%s}`, list(ids(events[1:])...))["acked"]...)
				}
			}
		})
	}
	for range total / 20 {
		two.publishMany("orders", 20)
	}
	defer workers.Wait()
	defer func() {
		mu.Lock()
		finished = true
		mu.Unlock()
	}()
	eventually(t, func() string {
		if !done() {
			return fmt.Sprint("not all events are acknowledged: ", sinkFigures(t, one, "billing"))
		}
		return ""
	})
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

// What a sink can do, in short, on the other kinds of Redis: its scripts have to
// stay in one slot of a cluster, and in what the embedded one knows.
func TestSinksAreCompleteOnRedisCluster(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + redistest.StartCluster(t, 3).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	for i := range 4 { // on every node
		completeSink(t, one, two, fmt.Sprint("-", i))
	}
}

func TestSinksAreCompleteOnEmbeddedRedis(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	completeSink(t, h, h, "")
}

func completeSink(t *testing.T, one, two *testHub, suffix string) {
	sink, orders, payments := "billing"+suffix, "orders"+suffix, "payments"+suffix
	eventually(t, func() string { return notReady(one) + notReady(two) })
	one.put(sink, fmt.Sprintf(`{"streams":[%q,%q],"from":"oldest","types":["n"],"max_deliveries":2,"backoff":["50ms"],"ack_wait":"1h"}`, orders, payments))
	s := two.dial("/v1/sinks/" + sink + "/ws?stream=" + orders + "&stream=" + payments)
	one.publish(orders, `{"type":"other","data":1}`)
	id, paid := one.publishMany(orders, 6), one.publishMany(payments, 1)
	assertEvents(t, s.events(7), append(slices.Clone(id), paid...), 1)
	s.ok(`{"type":"ack","stream":%q,"ids":%s}`, payments, list(paid...))
	s.ok(`{"type":"extend","stream":%q,"ids":[%q]}`, orders, id[0])
	s.ok(`{"type":"nack","stream":%q,"ids":[%q]}`, orders, id[1])
	assertEvents(t, s.events(1), id[1:2], 2)
	s.ok(`{"type":"nack","stream":%q,"ids":[%q]}`, orders, id[1])
	one.settle(sink, "nacks", `{"stream":%q,"ids":[%q],"dead_letter":true,"reason":"bad"}`, orders, id[2])
	one.settle(sink, "nacks", `{"stream":%q,"ids":[%q],"delay":"1h"}`, orders, id[3])
	if letters := buried(t, one, sink, 2); !slices.Equal(letterIDs(letters), id[1:3]) || letters[1].Reason != "bad" {
		t.Errorf("dead letters: %+v", letters)
	}
	one.want(http.StatusOK, "POST", "/v1/sinks/"+sink+"/dead-letters/redrive", `{"ids":`+list(id[1])+`}`)
	assertEvents(t, s.events(1), id[1:2], 1)
	one.want(http.StatusNoContent, "DELETE", "/v1/sinks/"+sink+"/dead-letters", "")
	if pending := pendingEvents(t, one, sink); len(pending) != 5 {
		t.Errorf("pending: %+v", pending)
	}
	if acked := one.settle(sink, "acks", `{"stream":%q,"up_to":%q}`, orders, id[4])["acked"]; len(acked) != 4 {
		t.Errorf("acked up to %s: %v", id[4], acked)
	}
	s.ok(`{"type":"pause"}`)
	one.seek(sink, orders, "after:"+id[3])
	got := one.pull(sink, "?stream="+orders, `{"wait":"5s"}`)
	assertEvents(t, got, id[4:], 1)
	one.settle(sink, "acks", `{"stream":%q,"ids":%s}`, orders, list(ids(got)...))
	for _, f := range one.want(http.StatusOK, "GET", "/v1/sinks/"+sink, "")["streams"].([]any) {
		if f := f.(map[string]any); f["lag"] != 0.0 || f["pending"] != 0.0 || f["dead_letters"] != 0.0 {
			t.Errorf("figures: %v", f)
		}
	}
	one.want(http.StatusNoContent, "DELETE", "/v1/sinks/"+sink, "")
	if code := s.closed(); code != 4404 {
		t.Errorf("the consumer was closed with %d, want 4404", code)
	}

	strict := two.dial("/v1/sinks/strict" + suffix + "/ws?stream=" + orders + "&from=oldest&order=strict&type=n")
	assertEvents(t, strict.events(6), id, 1)
	strict.ok(`{"type":"nack","ids":[%q],"delay":"0s"}`, id[2])
	strict.ok(`{"type":"ack","ids":%s}`, list(id[:2]...))
	if order := again(strict, orders, id[5]); !slices.Equal(order, id[2:]) {
		t.Errorf("after the nack came %v, want %v", order, id[2:])
	}
	once := two.dial("/v1/sinks/once" + suffix + "/ws?stream=" + orders + "&from=oldest&ack=none&type=n")
	assertEvents(t, once.events(6), id, 1)
	if pending := pendingEvents(t, one, "once"+suffix); len(pending) > 0 {
		t.Errorf("pending: %+v", pending)
	}
}
