package broker

import (
	"context"
	"errors"
)

// Bounds of one read of a tail. Its answer is decoded before readers have it.
const (
	tailEvents = 1000
	tailBytes  = 1 << 20
)

// tornReads is how often a read that met a trimming is tried again until what may
// be missing before its events is told as a gap.
const tornReads = 3

var errStray = errors.New("the stream has events, but no generation")

// read reads what comes after the window once; more says that it is to be read
// again at once.
func (t *tail) read(ctx context.Context) (more bool, err error) {
	asked := t.asked.Swap(false)
	t.mu.Lock()
	t.begun++
	number, hi, most := t.begun, t.window.hi, t.weight.within(tailBytes, tailEvents)
	reply := most * t.weight.average
	t.mu.Unlock()

	rs := t.readers
	s := rs.stretch(t.stream, hi, most)
	if err = rs.following.do(ctx, rs.broker.keys.log(t.stream), s.op(reply)); err == nil {
		err = s.err()
	}
	var found extent
	if err == nil {
		found, err = s.extent()
	}
	if err != nil {
		t.mu.Lock()
		t.weight.failed()
		t.mu.Unlock()
		if asked {
			t.asked.Store(true)
		}
		return false, err
	}
	if found.born == "" && len(found.entries) > 0 {
		return t.takeIn(ctx, asked)
	}
	t.strays = 0
	changed, more := t.take(number, s, found)
	rs.broker.tailSeen(t, t.window.hi)
	if changed || asked && !more {
		t.wakeAll()
	} else if asked {
		t.asked.Store(true)
	}
	return more, nil
}

// takeIn has events that others have added without the hub become a stream.
func (t *tail) takeIn(ctx context.Context, asked bool) (more bool, err error) {
	if asked {
		t.asked.Store(true)
	}
	t.strays++
	if _, err = t.readers.broker.look(ctx, t.stream); err == nil && t.strays > 1 {
		err = errStray
	}
	return err == nil, err
}

// take adds what was found to the window.
func (t *tail) take(number uint64, s *stretch, found extent) (changed, more bool) {
	before := t.window.hi
	if found.born != "" && t.born != "" && found.born != t.born {
		t.restart(found.born, number)
		return true, true
	}
	to, missing, torn := found.missing(before)
	if torn {
		if t.torn++; t.torn < tornReads {
			return false, true
		}
		to, missing = found.first.Before(), true
	}
	t.torn = 0
	items, size := itemsOf(t.stream, found.entries, before)
	n := len(items)
	if missing && to.Compare(before) > 0 {
		items = append([]item{gapItem(t.stream, to)}, items...)
	}
	more = len(found.entries) == s.most

	t.mu.Lock()
	defer t.mu.Unlock()
	gone := found.born == "" && t.born != ""
	changed = len(items) > 0 || gone != t.gone || !gone && found.born != t.born
	if t.gone = gone; !gone {
		t.born = found.born
	}
	t.weight.came(n, size)
	t.window.add(items)
	if found.last.Compare(t.window.hi) > 0 {
		t.window.hi = found.last
	}
	t.ended = number
	if !more {
		t.whole = number
	}
	return changed, more
}

// restart begins with a new generation of the stream.
func (t *tail) restart(born string, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.born, t.gone, t.window, t.torn, t.ended = born, false, window{}, 0, number
	t.turns++
}
