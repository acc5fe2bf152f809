package broker_test

import (
	"cmp"
	"slices"

	"eventhub/internal/hub"
)

// moment is the delivery of an event, or the certain failure of some.
type moment struct {
	at     int // line
	of     *member
	ids    []hub.ID
	failed bool // the member has nacked them
}

// verifyOrder: a consumer that is given an event in strict order has everything
// older in its hands, but for what may be settled. What is behind an event that
// comes again, or that the consumer has nacked, is in its hands no more.
func (h *history) verifyOrder(stream string, fates []*fate) {
	fates = slices.DeleteFunc(slices.Clone(fates), func(f *fate) bool { return f.stream != stream })
	hands := map[*member][]hub.ID{}
	for _, m := range h.moments(stream, fates) {
		first := slices.MinFunc(m.ids, hub.ID.Compare)
		hand := slices.DeleteFunc(hands[m.of], func(id hub.ID) bool { return id.Compare(first) >= 0 })
		if m.failed {
			hands[m.of] = hand
			continue
		}
		for _, f := range fates {
			// Dead letters hold up nothing, and what nobody ever got was not wanted.
			if f.id.Compare(first) < 0 && len(f.seen) > 0 && f.letter == nil && f.settled > m.at &&
				!slices.Contains(hand, f.id) && !h.settling(f, m) {
				h.complain(m.at, "%s has not come yet, or not again", f)
			}
		}
		hands[m.of] = append(hand, first)
	}
}

// settling says whether the consumer's own ack or nack of an event was under way:
// its hub may hand over what is behind already.
func (h *history) settling(f *fate, m moment) bool {
	return slices.ContainsFunc(h.acts, func(a *act) bool {
		return a.by == m.of && a.Verb != hub.VerbExtend && settles(a.Settlement, f.fact) &&
			a.began < m.at && (a.ended == 0 || a.ended > m.at)
	})
}

// moments are those of a stream, in order.
func (h *history) moments(stream string, fates []*fate) []moment {
	var list []moment
	for _, s := range h.sights {
		if s.fact.stream == stream && s.at < h.redriven {
			list = append(list, moment{at: s.at, of: s.to, ids: []hub.ID{s.fact.id}})
		}
	}
	for _, a := range h.acts {
		if a.Verb != hub.VerbNack || a.by == nil || a.Stream != stream {
			continue
		}
		failed := slices.DeleteFunc(slices.Clone(a.result.Done), func(id hub.ID) bool {
			return slices.ContainsFunc(fates, func(f *fate) bool { return f.id == id && f.letter != nil })
		})
		if len(failed) > 0 {
			list = append(list, moment{at: a.ended, of: a.by, ids: failed, failed: true})
		}
	}
	slices.SortFunc(list, func(x, y moment) int { return cmp.Compare(x.at, y.at) })
	return list
}
