package history_test

import (
	"fmt"
	"hash/fnv"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// world makes up valid histories: of a sink, a strict sink, a reader and the subscribers
// of a channel. pick chooses between n ways.
type world struct {
	history.History
	pick func(n int) int
	now  time.Duration
	seq  uint64
}

const (
	part = "part" // a sink that wants what is labelled eu
	work = "work" // two connections at the same time, over both streams
	line = "line" // strict, one stream
	book = "book" // the reader
	cast = "cast" // two subscribers
)

func newWorld(pick func(n int) int) *world {
	w := &world{pick: pick}
	w.Feeds = []history.Feed{
		{Kind: history.Sink, Name: work, Topics: []string{"a", "b"}},
		{Kind: history.Sink, Name: line, Topics: []string{"a"}, Strict: true},
		{Kind: history.Sink, Name: part, Topics: []string{"a", "b"}, Labels: []string{"eu"}},
		{Kind: history.Reader, Name: book, Topics: []string{"a", "b"}},
		{Kind: history.Broadcast, Name: cast, Topics: []string{"c"}},
	}
	for _, feed := range []string{work, work, line, line, part, book, cast, cast} {
		w.open(feed)
	}
	w.Owed = []history.Owed{{Sink: work, Topic: "a"}, {Sink: work, Topic: "b"}, {Sink: line, Topic: "a"}, {Sink: part, Topic: "a"}, {Sink: part, Topic: "b"}}
	for range 6 + pick(20) {
		w.event([]string{"a", "b", "c"}[pick(3)], false)
	}
	w.event("a", false) // so that there is one of each
	w.event("a", false)
	w.event("c", false)
	w.event("c", false)
	w.tick(5 * time.Second) // beyond what may be at the end of a connection
	for _, topic := range []string{"a", "b", "c"} {
		w.event(topic, true)
	}
	w.tick(5 * time.Second)
	for i := range w.Conns {
		if w.Conns[i].Ended == 0 {
			w.Conns[i].Asked, w.Conns[i].Answered = w.tick(0), true
		}
	}
	w.Ended = w.tick(0)
	return w
}

// tick lets time pass, some in any case.
func (w *world) tick(d time.Duration) time.Duration {
	w.now += d + time.Duration(1+w.pick(20))*time.Millisecond
	return w.now
}

func (w *world) open(feed string) int {
	w.Conns = append(w.Conns, history.Conn{Feed: feed, Hub: fmt.Sprint(w.pick(3)), Opened: w.tick(0)})
	return len(w.Conns) - 1
}

// conns are the open connections of a feed.
func (w *world) conns(feed string) (list []int) {
	for i, c := range w.Conns {
		if c.Feed == feed && c.Ended == 0 {
			list = append(list, i)
		}
	}
	return list
}

func digest(value string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(value))
	return h.Sum64()
}

// event is published, perhaps not at once, and comes to all feeds.
func (w *world) event(topic string, final bool) {
	channel := topic == "c"
	p := history.Publish{
		Topic: topic, Channel: channel, Value: fmt.Sprintf("v%d", len(w.Publishes)), Publisher: "p",
		Hub: fmt.Sprint(w.pick(3)), Final: final, Outcome: history.OK, Label: []string{"", "eu", "us"}[w.pick(3)],
	}
	p.Digest = digest(p.Value)
	if !channel && w.pick(2) == 0 {
		p.Key = p.Value
		for range w.pick(3) {
			again := p
			again.Outcome = []history.Outcome{history.Failed, history.Unknown}[w.pick(2)]
			again.Began, again.Ended = w.tick(0), w.tick(0)
			w.Publishes = append(w.Publishes, again)
		}
	}
	p.Began, p.Ended = w.tick(0), w.tick(0)
	if !channel {
		w.seq++
		p.ID = hub.ID{MS: 1000, Seq: w.seq}
		w.Entries = append(w.Entries, history.Entry{Topic: topic, ID: p.ID, Value: p.Value})
	}
	w.Publishes = append(w.Publishes, p)
	if channel {
		for _, conn := range w.conns(cast) {
			w.deliver(conn, &p, 0)
		}
		return
	}
	w.consume(work, &p)
	if topic == "a" {
		w.consume(line, &p)
	}
	if p.Label == "eu" {
		w.consume(part, &p)
	}
	w.deliver(w.conns(book)[0], &p, 0)
}

func (w *world) deliver(conn int, p *history.Publish, attempt int) {
	w.Deliveries = append(w.Deliveries, history.Delivery{
		At: w.tick(0), Conn: conn, Topic: p.Topic, ID: p.ID, Value: p.Value, Digest: p.Digest, Attempt: attempt,
	})
}

// consume has a sink take an event, up to three times, and ack it. Its consumers may leave
// before they do, by themselves or since they were told to.
func (w *world) consume(sink string, p *history.Publish) {
	attempt, conn := 1, 0
	tries := 1 + w.pick(3)
	for try := range tries {
		conns := w.conns(sink)
		if conn = conns[w.pick(len(conns))]; try > 0 && w.pick(3) == 0 { // the one before has left
			last := w.Deliveries[len(w.Deliveries)-1].Conn
			if w.Conns[last].Ended == 0 {
				w.Conns[last].Ended = w.tick(0)
			}
			if w.Conns[last].Drained = w.pick(2) == 0; w.Conns[last].Drained {
				attempt--
			}
			conn = w.open(sink)
		}
		w.deliver(conn, p, attempt)
		attempt++
		if w.pick(4) > 0 {
			continue
		}
		vain := history.Ack{Conn: conn, Topic: p.Topic, ID: p.ID, Sent: w.tick(0)} // it comes to nothing
		if try+1 < tries && w.pick(2) == 0 {                                       // and its answer is lost with its connection
			w.Conns[conn].Ended = w.tick(0)
			w.open(sink)
		} else {
			vain.Failed = w.tick(0)
		}
		w.Acks = append(w.Acks, vain)
	}
	w.Acks = append(w.Acks, history.Ack{Conn: conn, Topic: p.Topic, ID: p.ID, Sent: w.tick(0), Confirmed: w.tick(0), Done: true})
	for i := range w.Owed {
		if o := &w.Owed[i]; o.Sink == sink && o.Topic == p.Topic {
			o.Delivered = p.ID
		}
	}
}
