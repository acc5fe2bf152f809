package broker

import (
	"context"
	"errors"
	"time"
)

// Bounds of one read of a tail. Its answer is decoded before readers have it.
const (
	tailEvents = 1000
	tailBytes  = 1 << 20
	// checkBytes is how large events may be for the log to be asked each time whether it has
	// the last one. With larger ones it is asked only while a connection is new.
	checkBytes = 1 << 10
)

var errStray = errors.New("the stream has events, but no generation")

// read reads what comes after the window once; more says that it is to be read
// again at once.
func (t *tail) read(ctx context.Context) (more bool, err error) {
	asked := t.asked.Swap(false)
	t.mu.Lock()
	t.begun++
	number, hi := t.begun, t.window.hi
	room, reply := t.weight.within(tailBytes)
	small := t.weight.average <= checkBytes
	t.mu.Unlock()

	rs := t.readers
	s := rs.stretch(t.stream, hi, tailEvents, room, small || !rs.broker.store.settled(time.Now()))
	var found extent
	if err = rs.following.do(ctx, rs.broker.keys.log(t.stream), s.op(reply)); err == nil {
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
	if found.born != "" {
		t.stray.Store(false)
	} else if found.stray() || t.stray.Load() {
		return t.takeIn(ctx, asked)
	}
	t.strays = 0
	if found.forked && found.born == t.born {
		return t.branch(ctx, &found, asked)
	}
	changed, more := t.take(number, &found)
	rs.broker.tailSeen(t, t.window.hi)
	if changed || asked && !more {
		t.wakeAll()
	} else if asked {
		t.asked.Store(true)
	}
	return more, nil
}

// takeIn has events without a generation become a stream: others have added them
// without the hub, or the stream's settings were lost.
func (t *tail) takeIn(ctx context.Context, asked bool) (more bool, err error) {
	if asked {
		t.asked.Store(true)
	}
	t.strays++
	info, err := t.readers.broker.look(ctx, t.stream)
	switch {
	case err != nil:
		return false, err
	case info.born == "" && info.length == 0: // they are gone by now
		t.stray.Store(false)
	case t.strays > 1:
		return false, errStray
	}
	return true, nil
}

// take adds what was found to the window.
func (t *tail) take(number uint64, found *extent) (changed, more bool) {
	before := t.window.hi
	if found.born != "" && t.born != "" && found.born != t.born {
		t.restart(found.born, number)
		return true, true
	}
	to, missing := found.missing(before)
	items, size := itemsOf(t.stream, found.entries, before)
	n := len(items)
	if missing {
		items = append([]item{gapItem(t.stream, to)}, items...)
	}

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
	if !found.more {
		t.whole = number
	}
	return changed, found.more
}

// restart begins with a new generation of the stream.
func (t *tail) restart(born string, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.born, t.gone, t.window, t.ended = born, false, window{}, number
	t.turns++
}
