package broker

import "eventhub/internal/hub"

// startAt is where a reader begins in a stream, which Redis has just told of.
//
// A place that it resumes from may be one of a generation that is gone: then it
// is told so, and begins with the new one. One beyond the last event is of events
// that Redis has lost, by a failover: what was before them was read.
func startAt(stream string, position hub.Position, info streamInfo) *spot {
	s := &spot{stream: stream, born: info.born, end: info.last, trimmed: info.trimmed}
	after, known := position.After()
	born, resumes := position.Resumes()
	s.from = hub.Place{Stream: stream, Born: born, After: after}
	switch {
	case !known:
		s.after = info.last
	case resumes && info.replaced(born, after):
		s.gaps, s.fresh = []hub.Gap{{Stream: stream, Reason: hub.GapReset}}, true
	case resumes && info.born != "" && after.Compare(info.last) > 0:
		s.gaps, s.after = []hub.Gap{forkGap(stream, info.last, after)}, info.last
	case resumes && info.truncated(after):
		to := info.last
		if info.length > 0 {
			to = info.first.Before()
		}
		s.gaps = []hub.Gap{{Stream: stream, To: to, Reason: hub.GapTrimmed}}
		s.after = to
	default:
		s.after = after
		s.fresh = !resumes
		s.stale = resumes && info.born == "" && after != hub.ID{}
	}
	return s
}

// replaced says whether a place is not one in this generation of the stream. born
// is the place's generation, or "".
func (i *streamInfo) replaced(born string, after hub.ID) bool {
	switch {
	case born != "":
		return born != i.born
	case i.born == "" || after == hub.ID{}:
		return false
	}
	return after.Compare(i.began) < 0
}

// truncated says whether events after a place were removed by others than the
// retention, which would have left a mark.
func (i *streamInfo) truncated(after hub.ID) bool {
	if i.trimmed != (hub.ID{}) || after == (hub.ID{}) || i.added-i.deleted <= i.length {
		return false
	}
	if i.length == 0 {
		return after.Compare(i.last) < 0
	}
	return after.Compare(i.first.Before()) < 0
}
