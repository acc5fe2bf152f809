package broker

import (
	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// stretch is a read of a log: the entries after an id, and then what the stream's
// settings say of its generation and of what is no more.
type stretch struct {
	after        hub.ID
	most         int // entries
	entries, cfg once
}

func (rs *readers) stretch(stream string, after hub.ID, most int) *stretch {
	return &stretch{
		after: after, most: most,
		// Not "(" and the id: of the last id there can be, Redis makes an error.
		entries: command("xrange", rs.broker.keys.log(stream), after.Next().String(), "+", "count", most),
		cfg:     command("hmget", rs.broker.keys.cfg(stream), "born", "trimmed"),
	}
}

func (s *stretch) op(reply int) *op {
	return &op{cmds: []redis.Cmder{s.entries, s.cfg}, bytes: 256, reply: reply}
}

func (s *stretch) err() error {
	if err := s.entries.Err(); err != nil {
		return err
	}
	return s.cfg.Err()
}

// extent is what a stretch has found.
type extent struct {
	entries     []any
	first, last hub.ID // of the entries; zero where there are none
	born        string // the generation that the stream has now; "" for none
	trimmed     hub.ID // the last event that retention has removed until now
}

func (s *stretch) extent() (e extent, err error) {
	if e.entries, err = s.entries.Slice(); err != nil {
		return e, err
	}
	if n := len(e.entries); n > 0 {
		if e.first, err = entryID(e.entries[0]); err != nil {
			return e, err
		}
		if e.last, err = entryID(e.entries[n-1]); err != nil {
			return e, err
		}
	}
	cfg, err := s.cfg.Slice()
	if err != nil || len(cfg) != 2 {
		return e, errAnswer
	}
	e.born, _ = cfg[0].(string)
	if mark, _ := cfg[1].(string); mark != "" {
		e.trimmed, err = hub.ParseID(mark)
	}
	return e, err
}

func entryID(entry any) (hub.ID, error) {
	pair, _ := entry.([]any)
	if len(pair) < 2 {
		return hub.ID{}, errAnswer
	}
	return parseAny(pair[0])
}

// missing says whether retention has removed events between an id and the entries,
// and up to where. torn: it went on between the two commands, beyond the first of the
// entries, so that nobody knows.
func (e *extent) missing(after hub.ID) (to hub.ID, missing, torn bool) {
	switch {
	case e.trimmed.Compare(after) <= 0:
		return hub.ID{}, false, false
	case len(e.entries) == 0 || e.trimmed.Compare(e.first) < 0:
		return e.trimmed, true, false
	}
	return hub.ID{}, false, true
}

// within is how many events make about so many bytes, at most most.
func (w *weight) within(bytes, most int) int {
	n := min(most, firstStretch)
	if w.average > 0 {
		n = min(most, bytes/w.average)
	}
	return max(n>>min(w.halved, 16), 1)
}

// firstStretch is how many entries the first stretch of a stream asks for, of which
// nobody knows how large they are.
const firstStretch = 16

// came notes that so many events have come, with so many bytes.
func (w *weight) came(events, bytes int) {
	w.halved = max(w.halved-1, 0)
	if events > 0 {
		w.average = max(bytes/events, w.average-w.average/8)
	}
}
