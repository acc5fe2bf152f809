package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eventhub/internal/redistest"
)

// The kinds of Redis, and the outages that only some of them have.

func TestMainPathOnSentinel(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + redistest.StartSentinel(t).URL()
	mainPath(t, startHub(t, redis), startHub(t, redis))
}

func TestMainPathOnTLSWithPasswordFile(t *testing.T) {
	t.Parallel()
	redis := redistest.StartTLS(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(redis.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{
		"HUB_REDIS_URL=" + redis.URL(), "HUB_REDIS_TLS_CA_FILE=" + redis.CAFile, "HUB_REDIS_PASSWORD_FILE=" + password,
	}
	one, two := startHub(t, settings...), startHub(t, settings...)
	mainPath(t, one, two)
	for _, h := range []*testHub{one, two} {
		if strings.Contains(h.logs.String(), redis.Password) {
			t.Error("the hub's log shows the password")
		}
	}
}

func TestSentinelFailoverIsSurvived(t *testing.T) {
	t.Parallel()
	redis := redistest.StartSentinel(t)
	url := "HUB_REDIS_URL=" + redis.URL()
	one, two := startHub(t, url), startHub(t, url)
	hubs := []*testHub{one, two}
	consumer := two.dial("/v1/sinks/billing/ws?stream=orders")
	live := one.dial("/v1/broadcast/ws?channel=room")
	for _, h := range hubs {
		eventually(t, func() string { return notReady(h) })
	}
	before := one.publish("orders", `{"data":"before"}`)
	consume(t, consumer, "orders", before)
	primary := redis.Primary(t)
	replicated(t, primary)

	primary.Kill()
	eventually(t, func() string {
		if redis.Primary(t) == primary {
			return "the sentinels have not agreed on another primary"
		}
		return ""
	})
	agreed := time.Now()
	for _, h := range hubs {
		eventually(t, func() string { return notReady(h) })
	}
	// The live path is silent for 3 s at most before it is made anew.
	if took := time.Since(agreed); took > 8*time.Second {
		t.Errorf("the hubs were ready %s after there was a primary again", took)
	}
	for _, h := range hubs {
		consume(t, consumer, "orders", h.publish("orders", `{"data":"after"}`))
	}
	if gap := live.next("gap"); gap.Channel != "room" || gap.Reason != "redis_reconnect" {
		t.Errorf("the broadcast socket was told %+v", gap)
	}
	two.call("POST", "/v1/broadcast/room", `{"data":"after"}`)
	if e := live.events(1)[0]; string(e.Data) != `"after"` {
		t.Errorf("got %s", e.Data)
	}
}

// replicated waits until the primary's replica has all that was written so far:
// Redis replicates after it has answered.
func replicated(t *testing.T, primary *redistest.Server) {
	t.Helper()
	conn := primary.Client(t).Conn() // WAIT is about the writes of one connection
	defer func() { _ = conn.Close() }()
	if err := conn.Set(t.Context(), "written", "last", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// Less than go-redis waits for an answer.
	if n, err := conn.Wait(t.Context(), 1, 2*time.Second).Result(); err != nil || n != 1 {
		t.Fatalf("%d replicas are in step: %v", n, err)
	}
}

func TestClusterNodeKilledLeavesOtherSlotsServed(t *testing.T) {
	t.Parallel()
	// Each node in turn, as each has something else of the hubs' own: the list of
	// hubs and of sinks, the bell, and the channel of one hub or another.
	for dead := range 3 {
		t.Run(fmt.Sprintf("node %d", dead), func(t *testing.T) {
			t.Parallel()
			cluster := redistest.StartCluster(t, 3)
			for _, node := range cluster.Nodes {
				// By default the other nodes give up their slots, too.
				if err := node.Client(t).ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
					t.Fatal(err)
				}
			}
			clusterNodeKilled(t, cluster, cluster.Nodes[dead], cluster.Nodes[(dead+1)%3])
		})
	}
}

func clusterNodeKilled(t *testing.T, cluster *redistest.Cluster, dead, witness *redistest.Server) {
	redis := "HUB_REDIS_URL=" + cluster.URL()
	one, two := startHub(t, redis), startHub(t, redis)
	for _, h := range []*testHub{one, two} {
		eventually(t, func() string { return notReady(h) })
	}
	consumers := map[string]*socket{}
	var lost, served string // one stream of each kind
	for i := 0; i < 6 || lost == "" || served == ""; i++ {
		stream := fmt.Sprintf("orders-%d", i)
		consumers[stream] = two.dial("/v1/sinks/billing/ws?from=oldest&stream=" + stream)
		consume(t, consumers[stream], stream, one.publish(stream, `{"data":"before"}`))
		if holds(t, dead, stream) {
			lost = stream
		} else {
			served = stream
		}
	}
	both := two.dial("/v1/sinks/audit/ws?stream=" + lost + "&stream=" + served)
	lives := map[string]*socket{}
	for i := range 6 {
		room := fmt.Sprintf("room-%d", i)
		lives[room] = two.dial("/v1/broadcast/ws?channel=" + room)
	}
	isLost := map[string]bool{}
	for stream := range consumers {
		isLost[stream] = holds(t, dead, stream)
	}

	dead.Kill()
	broadcasts := func() {
		for room, live := range lives {
			asked := time.Now()
			if answer := one.call("POST", "/v1/broadcast/"+room, `{"data":1}`); answer.StatusCode != http.StatusAccepted {
				t.Errorf("broadcasting to %s: %d %s", room, answer.StatusCode, answer.body)
			}
			live.events(1)
			if took := time.Since(asked); took > 3*time.Second {
				t.Errorf("a broadcast to %s took %s", room, took)
			}
		}
	}
	round := func() {
		for stream, consumer := range consumers {
			asked := time.Now()
			if isLost[stream] {
				answer := one.call("POST", "/v1/streams/"+stream+"/events", `{"data":"after"}`)
				if code := answer.json(t)["code"]; answer.StatusCode != http.StatusServiceUnavailable || code != "unavailable" && code != "unconfirmed" {
					t.Errorf("%s, whose node is dead: %d %s", stream, answer.StatusCode, answer.body)
				}
			} else {
				id := one.publish(stream, `{"data":"after"}`)
				consume(t, consumer, stream, id)
				if stream == served { // a socket is not held up by another stream of its own
					consume(t, both, stream, id)
				}
			}
			if took := time.Since(asked); took > 3*time.Second {
				t.Errorf("%s took %s", stream, took)
			}
		}
	}
	eventually(t, func() string { // the connection that hears them may have been to the dead node
		broadcasting := lives["room-0"]
		one.call("POST", "/v1/broadcast/room-0", `{"data":0}`)
		select {
		case f := <-broadcasting.frames:
			if f.Type == "events" {
				return ""
			}
		case <-time.After(100 * time.Millisecond):
		}
		return "no broadcast comes through"
	})
	delete(lives, "room-0")
	broadcasts()
	round()
	direct := witness.Client(t)
	eventually(t, func() string {
		if info := direct.ClusterInfo(t.Context()).Val(); strings.Contains(info, "cluster_slots_fail:0\r\n") {
			return "the other nodes have not noticed"
		}
		return ""
	})
	round()
	broadcasts()
	for _, h := range []*testHub{one, two} {
		eventually(t, func() string { return notReady(h) })
	}
}

// consume wants one event, and acknowledges it.
func consume(t *testing.T, s *socket, stream, id string) {
	t.Helper()
	assertEvents(t, s.events(1), []string{id}, 1)
	if ok := s.ack(stream, id); len(ok.Acked) != 1 {
		t.Errorf("ack was answered %+v", ok)
	}
}

// holds says whether the stream is in one of the server's slots.
func holds(t *testing.T, server *redistest.Server, stream string) bool {
	t.Helper()
	keys, err := server.Client(t).Keys(t.Context(), "hub:{"+stream+"}:log").Result()
	if err != nil {
		t.Fatal(err)
	}
	return len(keys) > 0
}
