package broker

import (
	"cmp"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// stretch is a read of a log at one moment: the entries after an id, with what the
// stream's settings say of its generation and of what is no more.
type stretch struct{ answer once }

// stretch reads at most so many entries, with about so many bytes, but at least one.
func (rs *readers) stretch(stream string, after hub.ID, most, bytes int) stretch {
	return stretch{stretchScript.call(rs.broker.keys.stream(stream), after.Next().String(), most, bytes)}
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
}

// extent reads the answer, or why there is none.
func (s stretch) extent() (e extent, err error) {
	answer, err := s.answer.Slice()
	if err != nil {
		return e, err
	}
	if len(answer) != 5 {
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
	return e, cmp.Or(err1, err2, err3)
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
