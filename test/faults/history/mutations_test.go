package history_test

import (
	"slices"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// mutation makes one thing of a valid history wrong.
type mutation struct {
	name  string
	finds history.Violation
	do    func(w *world)
}

// some is a confirmed publish to a topic that is not among the last.
func (w *world) some(topic string) *history.Publish {
	var list []*history.Publish
	for i := range w.Publishes {
		if p := &w.Publishes[i]; p.Topic == topic && p.Outcome == history.OK && !p.Final {
			list = append(list, p)
		}
	}
	return list[w.pick(len(list)-1)] // never the last: something is to be behind it
}

// forget removes what a sink had of an event, and has no idea of it any more.
func (w *world) forget(sink string, p *history.Publish) {
	w.unack(sink, p)
	w.Deliveries = slices.DeleteFunc(w.Deliveries, func(d history.Delivery) bool { return w.Conns[d.Conn].Feed == sink && d.ID == p.ID })
}

func (w *world) unack(sink string, p *history.Publish) {
	w.Acks = slices.DeleteFunc(w.Acks, func(a history.Ack) bool { return w.Conns[a.Conn].Feed == sink && a.ID == p.ID })
}

func (w *world) state(sink, topic string) *history.Owed {
	i := slices.IndexFunc(w.Owed, func(o history.Owed) bool { return o.Sink == sink && o.Topic == topic })
	return &w.Owed[i]
}

// last is the last delivery of an event to a feed.
func (w *world) last(feed string, p *history.Publish) (found *history.Delivery) {
	for i := range w.Deliveries {
		if d := &w.Deliveries[i]; w.Conns[d.Conn].Feed == feed && d.Value == p.Value {
			found = d
		}
	}
	return found
}

// again delivers what came before, to a connection that is open now.
func (w *world) again(d history.Delivery, attempt int, at time.Duration) {
	d.Attempt, d.At = attempt, at
	i := slices.IndexFunc(w.Deliveries, func(other history.Delivery) bool { return other.At > at })
	if i < 0 {
		i = len(w.Deliveries)
	}
	w.Deliveries = slices.Insert(w.Deliveries, i, d)
}

func (w *world) remove(conn int, p *history.Publish) {
	w.Deliveries = slices.DeleteFunc(w.Deliveries, func(d history.Delivery) bool { return d.Conn == conn && d.Value == p.Value })
}

// swap exchanges when the first deliveries of two events came to a feed.
func (w *world) swap(feed string, p, q *history.Publish) {
	find := func(p *history.Publish) int {
		return slices.IndexFunc(w.Deliveries, func(d history.Delivery) bool { return w.Conns[d.Conn].Feed == feed && d.Value == p.Value })
	}
	i, j := find(p), find(q)
	w.Deliveries[i].At, w.Deliveries[j].At = w.Deliveries[j].At, w.Deliveries[i].At
	w.Deliveries[i], w.Deliveries[j] = w.Deliveries[j], w.Deliveries[i]
}

// neighbours are two confirmed publishes to a topic, one after the other.
func (w *world) neighbours(topic string) (p, q *history.Publish) {
	p = w.some(topic)
	for i := range w.Publishes {
		if q = &w.Publishes[i]; q.Topic == topic && q.Outcome == history.OK && q.Began > p.Began {
			return p, q
		}
	}
	return nil, nil
}

func mutations() []mutation {
	return []mutation{
		{"a sink passes over an event", history.Lost, func(w *world) { w.forget(work, w.some("a")) }},
		{"nobody acks an event, and it is owed no more", history.Lost, func(w *world) { w.unack(line, w.some("a")) }},
		{"a gap tells of another event", history.Lost, func(w *world) {
			p, q := w.neighbours("a")
			w.forget(work, p)
			w.Gaps = append(w.Gaps, history.Gap{At: w.Ended, Conn: w.conns(work)[0], Topic: "a", Reason: hub.GapTrimmed, From: q.ID, To: q.ID})
		}},
		{"a gap tells that an event is gone which is there still", history.Lost, func(w *world) {
			p := w.some("a")
			w.forget(work, p)
			w.Gaps = append(w.Gaps, history.Gap{At: w.Ended, Conn: w.conns(work)[0], Topic: "a", Reason: hub.GapTrimmed, From: p.ID, To: p.ID})
		}},
		{"a reader is told that an event is gone which is there still", history.Hole, func(w *world) {
			p := w.some("a")
			conn := w.last(book, p).Conn
			w.remove(conn, p)
			w.Gaps = append(w.Gaps, history.Gap{At: w.Ended, Conn: conn, Topic: "a", Reason: hub.GapTrimmed, From: p.ID, To: p.ID})
		}},
		{"an event is a dead letter", history.Dead, func(w *world) {
			p := w.some("a")
			w.unack(work, p)
			o := w.state(work, "a")
			o.Dead = append(o.Dead, p.ID)
		}},
		{"an event is held for ever", history.Pending, func(w *world) {
			p := w.some("a")
			w.unack(work, p)
			o := w.state(work, "a")
			o.Pending = append(o.Pending, p.ID)
		}},
		{"a sink stops before the end", history.Undelivered, func(w *world) {
			last := w.Publishes[slices.IndexFunc(w.Publishes, func(p history.Publish) bool { return p.Final && p.Topic == "a" && p.Outcome == history.OK })]
			w.forget(work, &last)
			w.state(work, "a").Delivered = last.ID.Before()
		}},
		{"a failover takes what only a primary had", history.Forfeited, func(w *world) {
			p := w.some("a")
			w.vanish(p)
			w.Faults = append(w.Faults, history.Fault{Name: "failover", Proof: "yes", Forfeits: true, Began: p.Ended, Ended: p.Ended})
		}},
		{"a failover takes what a replica had", history.Lost, func(w *world) {
			p := w.some("a")
			w.vanish(p)
			p.Replicated = true
			w.Faults = append(w.Faults, history.Fault{Name: "failover", Proof: "yes", Forfeits: true, Began: p.Ended, Ended: p.Ended})
			w.Feeds = slices.DeleteFunc(w.Feeds, func(f history.Feed) bool { return f.Name == book }) // which would miss it, too
		}},
		{"a wipe tells of what it took", history.Announced, func(w *world) { w.wipe(w.some("a"), nil) }},
		{"a wipe tells of what it took of its stream", history.Announced, func(w *world) { w.wipe(w.some("a"), []string{"a"}) }},
		{"a wipe of another stream takes an event", history.Lost, func(w *world) { w.wipe(w.some("a"), []string{"b"}) }},
		{"a failover of another stream's master takes an event", history.Lost, func(w *world) {
			p := w.some("a")
			w.vanish(p)
			w.Faults = append(w.Faults, history.Fault{Name: "failover", Proof: "yes", Forfeits: true, Topics: []string{"b"}, Began: p.Ended, Ended: p.Ended})
		}},
		{"a failover takes what only a primary had, and a gap tells of it", history.Announced, func(w *world) { w.failover(w.some("a"), false) }},
		{"a failover takes what a replica had, and a gap tells of it", history.Lost, func(w *world) { w.failover(w.some("a"), true) }},
		{"an event comes that nobody published", history.Phantom, func(w *world) {
			d := *w.last(book, w.some("a"))
			d.Value = "nothing"
			w.again(d, 0, d.At)
			w.Deliveries = slices.DeleteFunc(w.Deliveries, func(x history.Delivery) bool { return x.At == d.At && x.Value != "nothing" })
			w.Feeds = slices.DeleteFunc(w.Feeds, func(f history.Feed) bool { return f.Name == book })
		}},
		{"what was refused is stored", history.Phantom, func(w *world) {
			w.Publishes = append(w.Publishes, history.Publish{Topic: "b", Value: "refused", Outcome: history.Failed})
			w.Entries = append(w.Entries, history.Entry{Topic: "b", ID: hub.ID{MS: 1}, Value: "refused"})
		}},
		{"an event is not as it was", history.Corrupt, func(w *world) { w.last(work, w.some("a")).Digest++ }},
		{"a message is not as it was", history.Corrupt, func(w *world) { w.last(cast, w.some("c")).Digest++ }},
		{"an event is stored twice", history.Duplicate, func(w *world) {
			p := w.some("a")
			w.Entries = append(w.Entries, history.Entry{Topic: "a", ID: p.ID, Value: p.Value})
		}},
		{"a message comes twice", history.Duplicate, func(w *world) {
			d := *w.last(cast, w.some("c"))
			w.again(d, 0, d.At)
		}},
		{"what was acked comes again", history.AfterAck, func(w *world) {
			p := w.some("a")
			d := *w.last(work, p)
			d.Conn = w.open(work)
			w.again(d, d.Attempt+1, w.tick(0))
			w.Ended = w.tick(0)
		}},
		{"what was acked comes again when another sink's group is gone", history.AfterAck, func(w *world) {
			w.destroy(w.some("a"), history.Fault{Sinks: []string{line}})
		}},
		{"what was acked comes again when the group is gone from another stream", history.AfterAck, func(w *world) {
			w.destroy(w.some("a"), history.Fault{Sinks: []string{work}, Topics: []string{"b"}})
		}},
		{"what was acked comes again to who acked it", history.AfterAck, func(w *world) {
			p := w.some("a")
			d := *w.last(work, p)
			w.again(d, d.Attempt+1, w.acked(work, p)+1)
		}},
		{"what was acked comes late", history.AfterAck, func(w *world) {
			p := w.some("a")
			d := *w.last(work, p)
			w.Conns = append(w.Conns, history.Conn{Feed: work, Opened: 1, Asked: w.Ended, Answered: true})
			d.Conn = len(w.Conns) - 1
			w.again(d, d.Attempt+1, w.acked(work, p)+5001*time.Millisecond)
		}},
		{"a redelivery does not say so", history.Unflagged, func(w *world) {
			p := w.some("a")
			d := *w.last(work, p)
			w.Conns[d.Conn].Drained = false
			w.again(d, d.Attempt, w.acked(work, p)-1)
		}},
		{"an attempt was forgotten", history.Unflagged, func(w *world) {
			p := w.some("a")
			d := *w.last(work, p)
			w.Conns[d.Conn].Drained = true
			w.again(d, d.Attempt-1, w.acked(work, p)-1)
		}},
		{"a strict sink is out of order", history.Order, func(w *world) {
			p, q := w.neighbours("a")
			w.once(line, p)
			w.once(line, q)
			w.swap(line, p, q)
		}},
		{"a reader is out of order", history.Order, func(w *world) {
			p, q := w.neighbours("a")
			w.swap(book, p, q)
		}},
		{"a reader gets an event again", history.Order, func(w *world) {
			d := *w.last(book, w.some("a"))
			w.again(d, 0, d.At)
		}},
		{"a hub's messages are out of order", history.Order, func(w *world) {
			p, q := w.neighbours("c")
			q.Hub = p.Hub
			conn := w.last(cast, p).Conn
			find := func(p *history.Publish) int {
				return slices.IndexFunc(w.Deliveries, func(d history.Delivery) bool { return d.Conn == conn && d.Value == p.Value })
			}
			i, j := find(p), find(q)
			w.Deliveries[i].At, w.Deliveries[j].At = w.Deliveries[j].At, w.Deliveries[i].At
			w.Deliveries[i], w.Deliveries[j] = w.Deliveries[j], w.Deliveries[i]
		}},
		{"a reader misses an event", history.Hole, func(w *world) {
			w.remove(w.conns(book)[0], w.some("a"))
		}},
		{"a message does not come", history.Hole, func(w *world) {
			p := w.some("c")
			w.remove(w.last(cast, p).Conn, p)
		}},
		{"a message does not come, and only another channel is told", history.Hole, func(w *world) {
			p := w.some("c")
			conn := w.last(cast, p).Conn
			w.remove(conn, p)
			w.Gaps = append(w.Gaps, history.Gap{At: p.Ended, Conn: conn, Topic: "d", Reason: hub.GapLost})
		}},
		{"a message does not come, and the subscriber is told", history.Announced, func(w *world) {
			p := w.some("c")
			conn := w.last(cast, p).Conn
			w.remove(conn, p)
			w.Gaps = append(w.Gaps, history.Gap{At: p.Ended + time.Second, Conn: conn, Topic: "c", Reason: hub.GapLost})
		}},
		{"a sink gets what its filter does not let through", history.Unwanted, func(w *world) {
			p := w.some("a")
			w.relabel(p, "us")
			if w.last(part, p) == nil {
				w.deliver(w.conns(part)[0], p, 1)
			}
		}},
		{"a reader gets what its filter does not let through", history.Unwanted, func(w *world) {
			w.relabel(w.some("a"), "other")
			i := slices.IndexFunc(w.Feeds, func(f history.Feed) bool { return f.Name == book })
			w.Feeds[i].Labels = []string{"", "eu", "us"}
		}},
		{"a sink does not get what its filter lets through", history.Lost, func(w *world) {
			p := w.some("a")
			w.relabel(p, "eu")
			w.forget(part, p)
			w.state(part, "a").Delivered = w.state(work, "a").Delivered // filtered out or not
		}},
		{"of an array an event is missing", history.Torn, func(w *world) {
			p, q := w.neighbours("a")
			for i := range w.Publishes {
				if v := w.Publishes[i].Value; v == p.Value || v == q.Value {
					w.Publishes[i].Batch, w.Publishes[i].Outcome = "both", history.Unknown
				}
			}
			w.Entries = slices.DeleteFunc(w.Entries, func(e history.Entry) bool { return e.ID == q.ID })
		}},
		{"a failover takes what a replica had, and all have had it", history.Lost, func(w *world) {
			p := w.some("a")
			p.Replicated = true
			w.Faults = append(w.Faults, history.Fault{Name: "failover", Proof: "yes", Forfeits: true, Began: p.Ended, Ended: p.Ended})
			w.Entries = slices.DeleteFunc(w.Entries, func(e history.Entry) bool { return e.ID == p.ID })
		}},
		{"a dead letter stays one though it was redriven", history.Pending, func(w *world) {
			p := w.some("a")
			w.unack(work, p)
			o := w.state(work, "a")
			o.Dead = append(o.Dead, p.ID)
			w.Redrives = append(w.Redrives, history.Redrive{Began: w.Ended, Sink: work, Count: 1})
		}},
		{"an attempt begins anew where another sink was redriven", history.Unflagged, func(w *world) {
			p := w.some("a")
			d := *w.last(work, p)
			w.Conns[d.Conn].Drained = false
			at := w.acked(work, p) - 1
			w.Redrives = append(w.Redrives, history.Redrive{Began: at, Sink: line, Count: 1})
			w.again(d, d.Attempt, at)
		}},
		{"an ack is never answered", history.Unanswered, func(w *world) {
			p := w.some("a")
			conn := w.conns(work)[0]
			w.Acks = append(w.Acks, history.Ack{Conn: conn, Topic: "a", ID: p.ID, Sent: w.now})
			w.Ended = w.tick(20 * time.Second)
		}},
		{"a socket does not answer", history.Silent, func(w *world) { w.Conns[w.conns(work)[0]].Answered = false }},
		{"a subscriber hears of nothing at the end", history.Silent, func(w *world) {
			conn := w.conns(cast)[0]
			w.Deliveries = slices.DeleteFunc(w.Deliveries, func(d history.Delivery) bool { return d.Conn == conn && w.final(d.Value) })
		}},
		{"a reader hears of nothing at the end", history.Silent, func(w *world) {
			conn := w.conns(book)[0]
			w.Deliveries = slices.DeleteFunc(w.Deliveries, func(d history.Delivery) bool { return d.Conn == conn && w.final(d.Value) })
		}},
	}
}

func (w *world) final(value string) bool {
	return slices.ContainsFunc(w.Publishes, func(p history.Publish) bool { return p.Final && p.Value == value })
}

// relabel has an event have been published with another label.
func (w *world) relabel(p *history.Publish, label string) {
	for i := range w.Publishes {
		if w.Publishes[i].Value == p.Value {
			w.Publishes[i].Label = label
		}
	}
}

// acked is when the ack of an event was confirmed.
func (w *world) acked(sink string, p *history.Publish) time.Duration {
	i := slices.IndexFunc(w.Acks, func(a history.Ack) bool { return w.Conns[a.Conn].Feed == sink && a.ID == p.ID && a.Done })
	return w.Acks[i].Confirmed
}

// wipe takes an event from a sink, which is told that the stream was reset, by a fault of
// some streams.
func (w *world) wipe(p *history.Publish, topics []string) {
	w.forget(work, p)
	if len(topics) == 0 || slices.Contains(topics, p.Topic) {
		w.Entries = slices.DeleteFunc(w.Entries, func(e history.Entry) bool { return e.ID == p.ID })
	}
	w.Faults = append(w.Faults, history.Fault{Name: "DEL", Proof: "yes", Wipes: true, Topics: topics, Began: p.Ended, Ended: p.Ended + 1})
	w.Gaps = append(w.Gaps, history.Gap{At: w.Ended, Conn: w.conns(work)[0], Topic: p.Topic, Reason: hub.GapReset})
}

// failover takes an event from everywhere, and tells a sink that the stream was reset.
func (w *world) failover(p *history.Publish, replicated bool) {
	w.vanish(p)
	p.Replicated = replicated
	w.Faults = append(w.Faults, history.Fault{Name: "failover", Proof: "yes", Forfeits: true, Lag: p.Began, Began: p.Began, Ended: p.Ended})
	w.Gaps = append(w.Gaps, history.Gap{At: w.Ended, Conn: w.conns(work)[0], Topic: p.Topic, Reason: hub.GapReset})
}

// destroy has an event that was acked come again, to a new connection, after a fault by
// which groups were forgotten.
func (w *world) destroy(p *history.Publish, f history.Fault) {
	f.Name, f.Proof, f.Resets = "XGROUP DESTROY", "yes", true
	f.Began, f.Ended = w.tick(0), w.tick(0)
	w.Faults = append(w.Faults, f)
	d := *w.last(work, p)
	d.Conn = w.open(work)
	w.again(d, d.Attempt+1, w.tick(0))
	w.Ended = w.tick(0)
}

// vanish removes an event from everywhere: nobody has had it.
func (w *world) vanish(p *history.Publish) {
	w.forget(work, p)
	w.forget(line, p)
	if d := w.last(book, p); d != nil {
		w.remove(d.Conn, p)
	}
	w.Entries = slices.DeleteFunc(w.Entries, func(e history.Entry) bool { return e.ID == p.ID })
	w.Feeds = slices.DeleteFunc(w.Feeds, func(f history.Feed) bool { return f.Name != work })
}

// once leaves only the last delivery of an event to a sink, as its first, and has its ack
// confirmed late.
func (w *world) once(sink string, p *history.Publish) {
	last := *w.last(sink, p)
	w.Deliveries = slices.DeleteFunc(w.Deliveries, func(d history.Delivery) bool {
		return w.Conns[d.Conn].Feed == sink && d.ID == p.ID && d.At != last.At
	})
	w.last(sink, p).Attempt = 1
	for i := range w.Acks {
		if a := &w.Acks[i]; w.Conns[a.Conn].Feed == sink && a.ID == p.ID && a.Done {
			a.Confirmed = w.Ended
		}
	}
}
