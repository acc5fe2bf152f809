package broker_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"eventhub/internal/hub"
)

// never is a line that no history has.
const never = math.MaxInt

// fate is what became of one event, as far as its clients can know.
type fate struct {
	*fact
	seen    []sighting // before dead letters were redriven
	acked   int        // line from which on an ack was certain
	acker   *member    // whose ack that was; nil: REST
	dead    int        // line from which on a nack for ever was certain
	settled int        // line from which on it may have been settled
	mayAck  bool       // an ack was sent, and not refused
	mayDie  bool       // so was a nack for ever
	letter  *hub.DeadLetter
}

// verify holds the history against API.md §5 and DESIGN.md §2. Only what is
// certain counts: an answer once it is there, and nothing that may have been
// under way. A delivery to a consumer that was attached after something was
// answered was not under way then, since events are read for those who are there.
func (h *history) verify(sink modelSink) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	fates := h.fates()
	for _, f := range fates {
		h.verifyOne(sink, f)
	}
	for _, a := range h.acts {
		if a.ended == 0 {
			h.complain(a.began, "it was never answered")
		}
	}
	if h.lost {
		return h.wrong
	}
	h.verifyOwed(fates)
	for _, stream := range sink.streams {
		if sink.strict {
			h.verifyOrder(stream, fates)
		}
	}
	return h.wrong
}

// fates gathers what happened to each event that certainly exists, in order.
func (h *history) fates() []*fate {
	var fates []*fate
	byFact := map[*fact]*fate{}
	for _, f := range h.facts {
		fate := &fate{fact: f, acked: never, dead: never, settled: never}
		if l, ok := h.letters[f.data]; ok {
			fate.letter = &l
			f.id, _ = hub.ParseID(l.Event.ID)
		}
		if f.id != (hub.ID{}) {
			fates = append(fates, fate)
			byFact[f] = fate
		}
	}
	for _, s := range h.sights {
		if s.at < h.redriven {
			byFact[s.fact].seen = append(byFact[s.fact].seen, s)
		}
	}
	for _, f := range fates {
		for _, a := range h.acts {
			if a.began < h.redriven {
				f.apply(a)
			}
		}
	}
	slices.SortFunc(fates, func(x, y *fate) int {
		return cmp.Or(cmp.Compare(x.stream, y.stream), x.id.Compare(y.id))
	})
	return fates
}

// settles says whether a settlement is about an event.
func settles(s hub.Settlement, f *fact) bool {
	if s.Stream != f.stream {
		return false
	}
	if s.UpTo != nil {
		return f.id.Compare(*s.UpTo) <= 0
	}
	return slices.ContainsFunc(s.Receipts, func(r hub.Receipt) bool { return r.ID == f.id })
}

// apply notes what a settlement may have done to the event, and what it has.
func (f *fate) apply(a *act) {
	if !settles(a.Settlement, f.fact) || a.Verb == hub.VerbExtend || a.Verb == hub.VerbNack && !a.DeadLetter {
		return
	}
	done := slices.Contains(a.result.Done, f.id)
	// Of several ids, some may have been settled when the rest could not be.
	refused := a.ended > 0 && (a.err == nil && !done || code(a.err) == hub.CodeUnavailable && len(a.Receipts) == 1)
	if !refused {
		f.settled = min(f.settled, a.began)
	}
	if a.Verb == hub.VerbNack {
		f.mayDie = f.mayDie || !refused
		if done {
			f.dead = min(f.dead, a.ended)
		}
		return
	}
	f.mayAck = f.mayAck || !refused
	if done && a.ended < f.acked {
		f.acked, f.acker = a.ended, a.by
	}
}

// verifyOne checks what holds for each event by itself.
func (h *history) verifyOne(sink modelSink, f *fate) {
	wanted := sink.wants(f.fact)
	for _, s := range f.seen {
		if !wanted {
			h.complain(s.at, "the sink does not want it")
		}
		if f.refused {
			h.complain(s.at, "publishing it was refused as certainly not stored")
		}
		if s.attempt < 1 || sink.most > 0 && s.attempt > sink.most {
			h.complain(s.at, "attempt %d of at most %d", s.attempt, sink.most)
		}
	}
	if wanted && f.letter == nil && !f.mayAck && (f.stored || len(f.seen) > 0) {
		h.fault("%s is lost: nobody acked it, and it is no dead letter", f)
	}
	if f.letter != nil {
		h.verifyLetter(sink, f)
	}
	if h.lost {
		return // events come again then, as if for the first time
	}
	if f.dead != never && f.letter == nil {
		h.complain(f.dead, "%s is no dead letter", f)
	}
	if f.acked != never && f.letter != nil {
		h.complain(f.acked, "%s was acked, and is a dead letter", f)
	}
	h.verifySettled(f)
	h.verifyAttempts(f)
}

// verifySettled: what was acked or is dead does not come again, save where it was
// under way, and then once.
func (h *history) verifySettled(f *fate) {
	end := min(f.acked, f.dead)
	late := map[*member]int{}
	for _, s := range f.seen {
		if s.at < end {
			continue
		}
		late[s.to]++
		switch {
		case s.to.born > end:
			h.complain(s.at, "it was settled on line %d, before this consumer came", end)
		case f.acker == s.to && f.acked < s.at:
			h.complain(s.at, "this consumer was told on line %d that it is acked", end)
		case late[s.to] > 1:
			h.complain(s.at, "it was settled on line %d, and this is the second time since", end)
		}
	}
}

func (h *history) verifyLetter(sink modelSink, f *fate) {
	l := f.letter
	byLimit := sink.most > 0 && l.Attempts == sink.most
	if !byLimit && !f.mayDie {
		h.fault("%s is a dead letter after %d attempts, but nobody wanted that", f, l.Attempts)
	}
	// What the sink does not want is acked by the hub that has read it. Were that
	// to die before, it is retried like any other event.
	if !byLimit && !sink.wants(f.fact) {
		h.fault("the dead letter %s is none that the sink wants", f)
	}
	if l.Attempts < 0 || sink.most > 0 && l.Attempts > sink.most {
		h.fault("the dead letter %s has %d attempts", f, l.Attempts)
	}
	for _, s := range f.seen {
		// The last attempt does not count where it was taken back.
		if s.attempt > l.Attempts+1 && !h.lost {
			h.complain(s.at, "the dead letter has %d attempts", l.Attempts)
		}
	}
}

// verifyAttempts: a delivery that somebody saw has been counted for all that come
// later. One that ended by a nack counts, whatever happens to the next.
func (h *history) verifyAttempts(f *fate) {
	for i, s := range f.seen {
		for _, before := range f.seen[:i] {
			if s.attempt < before.attempt && (s.to == before.to || s.to.born >= before.at) {
				h.complain(s.at, "attempt %d after %d on line %d", s.attempt, before.attempt, before.at)
			}
		}
		for _, a := range h.acts {
			if a.Verb != hub.VerbNack || a.by == nil || a.Stream != f.stream || !slices.Contains(a.result.Done, f.id) {
				continue
			}
			if after := s.to.born >= a.ended || s.to == a.by && s.at > a.ended; after && s.attempt <= f.lastOf(a) {
				h.complain(s.at, "attempt %d was nacked on line %d", f.lastOf(a), a.began)
			}
		}
	}
}

// lastOf is the attempt that a consumer had seen last when it settled the event.
func (f *fate) lastOf(a *act) int {
	attempt := 0
	for _, s := range f.seen {
		if s.to == a.by && s.at < a.began {
			attempt = s.attempt
		}
	}
	return attempt
}

func (f *fate) String() string { return fmt.Sprintf("%s %s %s", f.stream, f.data, f.id) }

// verifyOwed: what was acked is not listed as pending.
func (h *history) verifyOwed(fates []*fate) {
	for _, l := range h.owed {
		for _, e := range l.list {
			for _, f := range fates {
				if end := min(f.acked, f.dead); f.stream == e.Stream && f.id == e.ID && end < l.began {
					h.complain(l.ended, "%s is listed as pending, but was settled on line %d", f, end)
				}
			}
		}
	}
}
