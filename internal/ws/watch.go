package ws

import (
	"sync/atomic"
	"time"

	"eventhub/internal/hub"
)

// What a peer may send of frames that are no commands, as counted by watch. A hub pings
// every 25 s, and is pinged by clients every few seconds at most. Tiny fragments cost as
// much as frames, and nothing else bounds them: they may be empty.
const (
	controlPerSecond   = 50
	controlAtOnce      = 100
	fragmentsPerSecond = 100
	fragmentsAtOnce    = 1000
)

// The limits, as Options.Limited is told of them.
const (
	limitCommands    = "commands"
	limitPings       = "pings"
	limitFragments   = "fragments"
	limitMessageTime = "message_time"
)

// watch looks at what a peer sends before coder/websocket does, for what that does not
// bound: control frames, tiny fragments, and messages that never end. It is owned by
// who reads the connection, but for since.
type watch struct {
	frames             scanner
	control, fragments bucket
	alarm              func(limit string, err *hub.Error) // called for a flood, once; nil: nobody is told
	flooded            bool

	// since is when the message began that a read waits for the rest of, Unix ns; 0 where
	// none does. The time in which nobody reads is the hub's, and does not count.
	since       atomic.Int64
	begun, left int64 // of a message that has come in part: its first byte, the end of the last read
}

// floodPause is how long each further read waits for, of a connection that is to be closed
// for a flood. Until the peer has said goodbye too, or closeLimit is over, what it sends
// is read, and would cost as much as before.
const floodPause = 10 * time.Millisecond

// wait is called before a read that may wait.
func (w *watch) wait() {
	if w.flooded {
		time.Sleep(floodPause)
	}
	if w.left == 0 {
		return
	}
	w.begun += time.Now().UnixNano() - w.left
	w.left = 0
	w.since.Store(w.begun)
}

// see is called with what a read has brought.
func (w *watch) see(piece []byte) {
	saw := w.frames.scan(piece)
	if w.since.Load() != 0 {
		w.since.Store(0)
	}
	w.left = 0
	if !saw.open && saw.control+saw.fragments == 0 {
		return
	}
	now := time.Now().UnixNano()
	if saw.open {
		if w.left = now; saw.fresh {
			w.begun = now
		}
	}
	if !w.control.take(saw.control, now, controlPerSecond, controlAtOnce) {
		w.ring(limitPings, hub.Errorf(hub.CodeRateLimited, "more than %d pings and pongs came in a second", controlPerSecond))
	}
	if !w.fragments.take(saw.fragments, now, fragmentsPerSecond, fragmentsAtOnce) {
		w.ring(limitFragments, hub.Errorf(hub.CodeRateLimited, "more than %d fragments of less than %d bytes came in a second, without the first %d of each message",
			fragmentsPerSecond, smallFragment, freeFragments))
	}
}

// ring gives the alarm.
func (w *watch) ring(limit string, err *hub.Error) {
	if !w.flooded && w.alarm != nil {
		w.flooded = true
		w.alarm(limit, err)
	}
}

// bucket counts what comes at a bounded rate: the time at which all that came would have,
// one after another (the generic cell rate algorithm). Its zero value is full.
type bucket struct{ at int64 } // Unix ns

// take counts n more, and says whether so many may come by now.
func (b *bucket) take(n int, now int64, perSecond, atOnce int64) bool {
	if n == 0 {
		return true
	}
	each := int64(time.Second) / perSecond
	b.at = max(b.at, now) + int64(n)*each
	return b.at-now <= atOnce*each
}
