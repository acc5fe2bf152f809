package broker

import (
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// orphanEvents bounds one search for orphans.
const orphanEvents = 10_000

// findOrphans makes sure that this hub and Redis agree on what it holds. It ends
// the leases of what Redis has for others, or for nobody. And it hands back what
// Redis has for this hub and nobody here has: the answer of a read was lost. It
// was never seen, so it costs no attempt, and need not wait until ack_wait is over.
// One that a consumer was about to settle when the answer was lost was seen: it has had
// its attempt.
//
// Nothing else may be under way that could explain such an event: reads are held
// up meanwhile, and acks have all been answered. Hand-backs go before, by the
// same lane.
func (s *sink) findOrphans(st *sinkStream) {
	if !st.orphans || st.reads > 0 || st.searching || st.reclaiming || st.acking || len(st.acks) > 0 || st.settling > 0 || st.releasing > 0 {
		return
	}
	st.orphans, st.searching = false, true
	cmd := command("xpending", st.log(), s.name, "-", "+", orphanEvents, s.broker.name)
	side := command("xpending", st.keys[3], s.name, "-", "+", orphanEvents, s.broker.name)
	s.submit(st, &op{cmds: []redis.Cmder{cmd, side}, reply: 64 * orphanEvents}, func() {
		st.searching = false
		entries, err := cmd.Slice()
		redriven, _ := side.Slice() // mostly there is none, so no group
		entries = append(entries, redriven...)
		if isNoGroup(err) {
			s.lost(st, err)
			return
		}
		if err != nil {
			st.orphans = true
			s.fails(st, "looking for events that a lost answer has left", err)
			return
		}
		if len(entries) < orphanEvents {
			s.discharge(st, st.foreign(entries))
		}
		back := st.unknown(entries)
		if len(entries) < orphanEvents {
			st.doubted = nil
		}
		if len(back) > 0 {
			s.release(st, release{holder: s.broker.name, reason: reasonUnsettled, back: back}, nil)
		}
	})
}

// foreign are the events that consumers here are believed to hold, and that Redis
// does not have for this hub.
func (st *sinkStream) foreign(entries []any) []string {
	held := make(map[hub.ID]int64, len(entries))
	for _, entry := range entries {
		if fields, _ := entry.([]any); len(fields) == 4 {
			if id, err := parseAny(fields[0]); err == nil {
				held[id] = number(fields[3])
			}
		}
	}
	var gone []string
	for _, a := range st.attachments {
		for id, l := range a.leases {
			if held[id] != int64(l.attempt) {
				gone = append(gone, id.String())
			}
		}
	}
	return gone
}

// unknown are those of Redis's pending entries that no consumer here holds.
func (st *sinkStream) unknown(entries []any) []handback {
	var back []handback
	for _, entry := range entries {
		fields, _ := entry.([]any)
		if len(fields) != 4 {
			continue
		}
		id, err := parseAny(fields[0])
		if err != nil || st.holds(id) {
			continue
		}
		wait := waitFree
		if _, seen := st.doubted[id]; seen {
			wait = waitClose
		}
		back = append(back, handback{id: id, attempt: int(number(fields[3])), wait: wait})
	}
	return back
}

// beyond are the events after this one that consumers here are believed to hold.
func (st *sinkStream) beyond(first hub.ID) []string {
	var ids []string
	for _, a := range st.attachments {
		for id := range a.leases {
			if id.Compare(first) > 0 {
				ids = append(ids, id.String())
			}
		}
	}
	return ids
}

// unsettled notes that consumers have seen these events, and that what they wanted done
// with them may not have come to Redis: they may still be pending. There is a bound: what is
// beyond it and comes again as an orphan does so as the attempt that it was. st may have been
// discarded since.
func (s *sink) unsettled(st *sinkStream, ids []hub.ID) {
	s.doubts(st)
	seen := make(map[hub.ID]struct{}, len(ids))
	for _, id := range ids {
		seen[id] = struct{}{}
	}
	now := s.streams[st.name]
	if now == nil {
		s.leaveDoubts(st.name, seen)
		return
	}
	if now.doubted == nil {
		now.doubted = map[hub.ID]struct{}{}
	}
	for id := range seen {
		if len(now.doubted) < orphanEvents {
			now.doubted[id] = struct{}{}
		}
	}
}

// leaveDoubts keeps what is known of unsettled events for who consumes the stream here next.
func (s *sink) leaveDoubts(stream string, seen map[hub.ID]struct{}) {
	now := time.Now()
	s.broker.doubts.keep(doubtKey{s.name, stream}, seen, now, now.Add(s.foreign()))
}

// regranted forgets that of events which are handed over anew: their attempt is another.
func (st *sinkStream) regranted(deliveries []delivery) {
	if len(st.doubted) == 0 {
		return
	}
	for i := range deliveries {
		delete(st.doubted, deliveries[i].id)
	}
}

func (st *sinkStream) holds(id hub.ID) bool {
	for _, a := range st.attachments {
		if _, ok := a.leases[id]; ok {
			return true
		}
	}
	return false
}
