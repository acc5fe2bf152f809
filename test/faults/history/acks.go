package history

import (
	"cmp"
	"slices"
	"time"
)

// answerLimit is within what time an ack is answered on a connection that lives on, once no
// fault is there any more: a hub gives a call of Redis up after 3 s, and then says so.
const answerLimit = 10 * time.Second

// checkAcks: every ack is answered, unless its connection or everything ended before.
func (c *checker) checkAcks() {
	for i := range c.Acks {
		if a := &c.Acks[i]; c.ignored(a) {
			c.Find(Unanswered, "connection %d of %s on hub %s acked %s of %s at %s, and had no answer", a.Conn, c.Conns[a.Conn].Feed, c.Conns[a.Conn].Hub, a.ID, a.Topic, a.Sent)
		}
	}
}

// ignored says whether an ack had no answer though there was time for it.
func (c *checker) ignored(a *Ack) bool {
	return a.Confirmed == 0 && a.Failed == 0 && c.lived(a.Conn)-c.undisturbed(a.Sent) > answerLimit
}

// mayBe says whether an ack that nobody confirmed may have had an effect: its answer was an
// error, or could not come any more.
func (c *checker) mayBe(a *Ack) bool { return a.Confirmed == 0 && !c.ignored(a) }

// lived is until when a connection was open.
func (c *checker) lived(conn int) time.Duration { return cmp.Or(c.Conns[conn].Ended, c.Ended) }

// undisturbed is the first moment from one on at which no fault holds up an answer.
func (c *checker) undisturbed(from time.Duration) time.Duration {
	faults := slices.SortedFunc(slices.Values(c.Faults), func(f, g Fault) int { return cmp.Compare(f.Began, g.Began) })
	for _, f := range faults {
		if f.hit(from, from+answerLimit) {
			from = max(from, f.Ended)
		}
	}
	return from
}
