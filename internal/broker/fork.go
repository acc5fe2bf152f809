package broker

import (
	"context"
	"log/slog"
	"slices"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// fork is a moment at which a stream's log was another than the one that had been read,
// though of the same generation: Redis has lost what its former primary alone had, and ids
// of the new log may lie between those that were lost. Readers go on behind what both logs
// have, and are told.
type fork struct {
	common hub.ID   // the latest event that both logs have, as far as the tail knows
	lost   []hub.ID // read after it, and not in the new log; ascending
}

// branch has the tail go on in a log that has not got its last event: found says so.
func (t *tail) branch(ctx context.Context, found *extent, asked bool) (more bool, err error) {
	if asked {
		t.asked.Store(true)
	}
	t.mu.RLock()
	read := t.window.ids()
	t.mu.RUnlock()
	key := t.readers.broker.keys.log(t.stream)
	has := betweenScript.call([]string{key}, read[0].String(), read[len(read)-1].String(), 2*windowItems)
	if err := t.readers.following.do(ctx, key, &op{cmds: []redis.Cmder{has}, bytes: 256, reply: 64 * windowItems}); err != nil {
		return false, err
	}
	texts, err := has.StringSlice()
	if err != nil {
		return false, err
	}
	ids := make([]hub.ID, len(texts))
	for i := range texts {
		if ids[i], err = hub.ParseID(texts[i]); err != nil {
			return false, err
		}
	}
	f, forked := findFork(read, ids, found)
	if !forked { // it was another Redis that was asked
		return true, nil
	}
	t.mu.Lock()
	t.fork, t.window = f, window{lo: f.common, hi: f.common}
	t.forks++
	t.mu.Unlock()
	t.readers.pages.forgetStream(t.stream)
	t.readers.broker.log.Warn("Redis has lost events of a stream that readers have read, they are told",
		slog.String("stream", t.stream), slog.String("after", f.common.String()))
	return true, nil
}

// findFork compares what a window comes after, and has, with what the log has of it: from
// where they differ on it is lost, even where the log has the same id again, which two
// primaries may give at the same time. Both are ascending.
func findFork(read, has []hub.ID, found *extent) (f fork, forked bool) {
	f.common = read[0]
	switch {
	case len(has) > 0 && has[0] == f.common:
		has = has[1:]
	case f.common.Compare(found.removed) > 0: // nobody knows what both have
		return fork{common: found.behind, lost: read[len(read)-1:]}, true
	}
	for i, id := range read[1:] {
		switch {
		case len(has) > 0 && has[0] == id:
			f.common, has = id, has[1:]
		case id.Compare(found.removed) > 0, len(has) > 0 && has[0].Compare(id) < 0:
			f.lost = read[1+i:]
			return f, true
		}
	}
	return f, false
}

// ids are that which the window comes after, and those that it has, to its end.
func (w *window) ids() []hub.ID {
	ids := make([]hub.ID, 0, 2+len(w.items))
	ids = append(ids, w.lo)
	for i := range w.items {
		ids = append(ids, w.items[i].event.ID)
	}
	if w.hi != ids[len(ids)-1] {
		ids = append(ids, w.hi)
	}
	return ids
}

// branch has the reader hear of a fork of the log. It is false when the reader has to wait.
// Where the tail does not know its place, a page tells: see sees.
func (s *spot) branch(v *view, k *taking) bool {
	_, lost := slices.BinarySearchFunc(v.fork.lost, s.after, hub.ID.Compare)
	if lost && v.forks == s.forks+1 && !s.rewind(v.fork.common, k) {
		return false
	}
	s.forks, s.page, s.inside = v.forks, nil, false
	return true
}

// rewind has the reader told that what it has read after an id is lost, and go on there.
// It is false when it must give the events first that it has.
func (s *spot) rewind(to hub.ID, k *taking) bool {
	if s.taken {
		k.more = true
		return false
	}
	k.reading.Gaps = append(k.reading.Gaps, forkGap(s.stream, to, s.after))
	if s.end.Compare(to) > 0 {
		s.end = to
	}
	s.after, s.before, s.page, s.inside = to, to, nil, false
	return true
}

// forkGap tells of a log that does not have what was read up to an id. From where it is
// read on, other events may have been there, and these are told of as missing.
func forkGap(stream string, onAfter, read hub.ID) hub.Gap {
	return hub.Gap{Stream: stream, From: onAfter.Next(), To: read, Reason: hub.GapReset}
}
