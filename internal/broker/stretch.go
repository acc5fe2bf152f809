package broker

import (
	"cmp"
	"math"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// stretch is a read of a log at one moment: the entries after an id, with what the
// stream's settings say of its generation and of what is no more.
type stretch struct {
	after  hub.ID
	answer once
}

// stretch reads at most so many entries, with about so many bytes, but at least one. If
// check, it looks whether the log has after, for which Redis copies that entry.
func (rs *readers) stretch(stream string, after hub.ID, most, bytes int, check bool) stretch {
	args := []any{after.Next().String(), most, bytes}
	if check && after != (hub.ID{}) && after.Seq != math.MaxUint64 { // else it is no event's: see ID.Before
		args = append(args, after.String())
	}
	return stretch{after, stretchScript.call(rs.broker.keys.stream(stream), args...)}
}

func (s stretch) op(reply int) *op {
	return &op{cmds: []redis.Cmder{s.answer}, bytes: 256, reply: reply}
}

// extent is what a stretch has found.
type extent struct {
	entries     []any
	first, last hub.ID // of the entries; zero where there are none
	bytes       int    // of the entries
	more        bool   // there may be further entries
	born        string // the generation that the stream has; "" for none
	trimmed     hub.ID // the last event that retention has removed
	forked      bool   // the log has never had what the entries were to come after
	behind      hub.ID // then: the last entry before that; zero where there is none
	removed     hub.ID // then: what was up to here may have been removed
}

// extent reads the answer, or why there is none.
func (s stretch) extent() (e extent, err error) {
	answer, err := s.answer.Slice()
	if err != nil {
		return e, err
	}
	if len(answer) != 6 {
		return e, errAnswer
	}
	e.entries, _ = answer[0].([]any)
	e.bytes, e.more = int(number(answer[1])), number(answer[2]) == 1
	e.born, _ = answer[3].(string)
	var err1, err2, err3 error
	if n := len(e.entries); n > 0 {
		e.first, err1 = entryID(e.entries[0])
		e.last, err2 = entryID(e.entries[n-1])
	}
	if mark, _ := answer[4].(string); mark != "" {
		e.trimmed, err3 = hub.ParseID(mark)
	}
	doubt, _ := answer[5].([]any)
	return e, cmp.Or(err1, err2, err3, e.judge(s.after, doubt))
}

// judge finds out why the log has not got an id, if it has not: where nothing has removed
// it, the caller has read it in another log than this one. So it is when a primary was
// replaced by a replica that had not got everything.
//
// A place that is no event's, but might be one's, cannot be told from it. Of an id before
// one that was deleted by itself nobody knows whether it was, too.
func (e *extent) judge(after hub.ID, doubt []any) error {
	if len(doubt) == 0 {
		return nil
	}
	if len(doubt) != 6 {
		return errAnswer
	}
	first, err1 := parseAny(doubt[0])
	last, err2 := parseAny(doubt[1])
	deleted, err3 := parseAny(doubt[2])
	behind, err4 := parseAny(doubt[5])
	e.removed = e.trimmed
	if deleted.Compare(e.removed) > 0 {
		e.removed = deleted
	}
	// Others may have cut it off at the start, as XTRIM does.
	cut := number(doubt[3]) > number(doubt[4]) && (first == hub.ID{} || after.Compare(first) < 0)
	e.forked = after != last && after.Compare(e.removed) > 0 && !cut
	e.behind = behind
	return cmp.Or(err1, err2, err3, err4)
}

func entryID(entry any) (hub.ID, error) {
	pair, _ := entry.([]any)
	if len(pair) < 2 {
		return hub.ID{}, errAnswer
	}
	return parseAny(pair[0])
}

// stray says whether there are events of a stream that has no generation: others
// have added them, or its settings were lost.
func (e *extent) stray() bool { return e.born == "" && len(e.entries) > 0 }

// missing says whether retention has removed events between an id and the entries,
// and up to where.
func (e *extent) missing(after hub.ID) (to hub.ID, missing bool) {
	to = e.trimmed
	// In a log that was lost, and begun anew by others, the mark may be of the old one.
	if len(e.entries) > 0 && to.Compare(e.first) >= 0 {
		to = e.first.Before()
	}
	return to, to.Compare(after) > 0
}
