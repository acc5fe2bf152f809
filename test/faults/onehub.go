package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

const (
	// partTime is how long one hub is parted from Redis: longer than what it has given away
	// may take to come elsewhere, by what a machine that is busy adds.
	partTime = 8 * time.Second
	// otherSilence is how far apart two confirmations may be that the other hubs give to the
	// publishers of a stream.
	otherSilence = 1500 * time.Millisecond
)

// parted is what is promised where one hub alone is parted from Redis.
const parted history.Violation = "a parted hub disturbs others"

func oneHubScenario() *scenario {
	return &scenario{
		name: "net-one-hub", what: fmt.Sprintf("between one of three hubs and Redis nothing gets through for %s, and then what was sent", partTime),
		on: []string{single, sentinel}, alone: true, proxied: true, load: loadOptions{hold: holding},
		unmixed: true, // it is about the hubs and Redis at the same time
		bounds:  history.Bounds{InFlight: 20 * time.Second, Announce: 20 * time.Second, Tail: 8 * time.Second},
		fault:   partHub, check: checkParted, recovery: 2 * time.Second,
	}
}

// partHub parts one hub from all nodes of Redis. Sentinels, it still reaches: they keep
// nothing, and tell it where the primary is.
func partHub(r *rig) {
	cut, name := r.hubs[0], r.hubs[0].logs.hub()
	if name == "" {
		r.Fatal("a hub has not said what it is called")
	}
	r.fault(history.Fault{Name: "hub " + cut.name + " is parted from Redis", Hub: cut.name}, func() string {
		for _, p := range r.redis.proxies {
			p.Part(name)
		}
		r.pass(partTime)
		ready := []string{}
		for _, n := range r.hubs {
			if n.ready(r.ctx) == nil {
				ready = append(ready, n.name)
			}
		}
		for _, p := range r.redis.proxies {
			p.Restore()
		}
		if slices.Contains(ready, cut.name) || len(ready) == 0 {
			return ""
		}
		return fmt.Sprintf("it was not ready, hubs %v were", ready)
	})
	r.pass(3 * time.Second)
}

// hub is what the hub calls itself, and its connections to Redis: "" before it has said so.
func (l *logs) hub() (name string) {
	for line := range strings.Lines(l.text()) {
		var said struct{ Msg, Hub string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" {
			name = said.Hub
		}
	}
	return name
}

// checkParted: who publishes to other hubs notices nothing, who reads from the
// parted one stays, and what its consumers held comes elsewhere when its ack_wait is over.
func checkParted(h *history.History, v *history.Verdict) {
	f := &h.Faults[0]
	checkOthersPublishes(h, v, f)
	checkStay(h, v, f)
	held, longest := stranded(h, f)
	if held == 0 {
		f.Proof = ""
		return
	}
	f.Proof += fmt.Sprintf("; its consumers held %d events, the last of which came elsewhere after %s", held, longest.Round(time.Millisecond))
	if promised := ackWait + 2*time.Second; longest > promised+slackAlone {
		v.Find(parted, "what the parted hub's consumers held came elsewhere only after %s, %s are promised", longest, promised)
	}
}

// checkOthersPublishes: no hub but the parted one refuses a publish, and to each stream one
// is confirmed all the time.
func checkOthersPublishes(h *history.History, v *history.Verdict, f *history.Fault) {
	confirmed := map[string][]time.Duration{} // from when it was parted until when it was not
	for _, stream := range streams() {
		confirmed[stream] = []time.Duration{f.Began, f.Ended}
	}
	for _, p := range h.Publishes {
		switch {
		case p.Hub == f.Hub || p.Ended < f.Began || p.Began > f.Ended:
		case p.Outcome != history.OK:
			v.Find(parted, "a publish to %s is %s, at %s by hub %s", p.Topic, p.Outcome, p.Ended, p.Hub)
		case p.Ended < f.Ended && !p.Channel:
			confirmed[p.Topic] = append(confirmed[p.Topic], p.Ended)
		}
	}
	for stream, list := range confirmed {
		slices.Sort(list)
		for i := 1; i < len(list); i++ {
			if list[i]-list[i-1] > otherSilence {
				v.Find(parted, "nothing of %s was confirmed by other hubs from %s to %s", stream, list[i-1], list[i])
			}
		}
	}
}

// checkStay: no reader or subscriber is sent away by the parted hub. They leave by
// themselves only when something has come, which nothing does then but what was under way;
// consumers are apart, as each pull ends by itself.
func checkStay(h *history.History, v *history.Verdict, f *history.Fault) {
	for i, conn := range h.Conns {
		if conn.Hub == f.Hub && conn.Ended > f.Began+time.Second && conn.Ended < f.Ended && !isSink(h, conn.Feed) {
			v.Find(parted, "connection %d of %s to hub %s ended at %s", i, conn.Feed, conn.Hub, conn.Ended)
		}
	}
}

// stranded counts the events that connections to a parted hub held when it was cut off, and
// says how long the last of them waited until another hub had given it to somebody, or it
// was settled. Those that may have been acked before are apart, and those of the sink that
// gives events up.
func stranded(h *history.History, f *history.Fault) (held int, longest time.Duration) {
	type place struct {
		feed, topic string
		id          hub.ID
	}
	at := func(conn int, topic string, id hub.ID) place { return place{h.Conns[conn].Feed, topic, id} }
	last, freed := map[place]history.Delivery{}, map[place]time.Duration{}
	for _, d := range h.Deliveries {
		key := at(d.Conn, d.Topic, d.ID)
		if d.At <= f.Began {
			last[key] = d
		} else if _, known := freed[key]; !known && h.Conns[d.Conn].Hub != f.Hub {
			freed[key] = d.At
		}
	}
	for _, a := range h.Acks {
		key := at(a.Conn, a.Topic, a.ID)
		if a.Sent <= f.Began {
			delete(last, key)
		} else if known, ok := freed[key]; a.Done && (!ok || a.Confirmed < known) {
			freed[key] = a.Confirmed
		}
	}
	for key, d := range last {
		conn := &h.Conns[d.Conn]
		open := conn.Hub == f.Hub && (conn.Ended == 0 || conn.Ended > f.Began)
		if !open || d.At+ackWait < f.Began || key.feed == poison || !isSink(h, key.feed) {
			continue
		}
		held++
		longest = max(longest, cmp.Or(freed[key], h.Ended)-f.Began)
	}
	return held, longest
}

func isSink(h *history.History, feed string) bool {
	return slices.ContainsFunc(h.Feeds, func(f history.Feed) bool { return f.Name == feed && f.Kind == history.Sink })
}
