package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// history is what clients did and saw. Its lines are its clock: what is written
// on a later line did not end before, nor begin after, what stands above it.
type history struct {
	mu     sync.Mutex // protects the fields below; held over a Take, so that its line tells when it was
	began  time.Time
	lines  []string
	wrong  []string         // complaints
	facts  map[string]*fact // by data
	sights []sighting
	acts   []*act
	owed   []listing
	lost   bool // a group was destroyed

	letters  map[string]hub.DeadLetter // at the end, by data
	redriven int                       // line on which they were
}

func newHistory() *history {
	return &history{began: time.Now(), facts: map[string]*fact{}, redriven: never}
}

// fact is an event that somebody published, or tried to.
type fact struct {
	stream, topic, data string
	id                  hub.ID // zero: not known
	stored              bool   // confirmed
	refused             bool   // certainly not stored
}

// sighting is a delivery.
type sighting struct {
	at      int // line
	fact    *fact
	attempt int
	to      *member
}

// member is a consumer of the sink, or one pull.
type member struct {
	name     string
	node     *node
	consumer hub.Consumer
	prefetch int
	born     int // line before it was attached
	held     []sighting
}

// act is one settlement.
type act struct {
	hub.Settlement
	by     *member // nil: REST
	began  int
	ended  int // 0: never
	result hub.Settled
	err    error
}

// listing is what Pending answered.
type listing struct {
	began, ended int
	list         []hub.PendingEvent
}

func (h *history) say(format string, args ...any) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.line(format, args...)
}

// line writes a line. Callers hold mu.
func (h *history) line(format string, args ...any) int {
	at := float64(time.Since(h.began).Microseconds()) / 1000
	h.lines = append(h.lines, fmt.Sprintf("%4d %8.1f  ", len(h.lines)+1, at)+fmt.Sprintf(format, args...))
	return len(h.lines)
}

// complain notes what is wrong with a line. Callers hold mu.
func (h *history) complain(line int, format string, args ...any) {
	h.wrong = append(h.wrong, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
}

// fault complains of the last line. Callers hold mu.
func (h *history) fault(format string, args ...any) { h.complain(len(h.lines), format, args...) }

// blame is fault for those who do not hold mu.
func (h *history) blame(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault(format, args...)
}

// take has a consumer take what came for it.
func (h *history) take(m *member) (taken int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, err := m.consumer.Take()
	if err != nil {
		h.line("%s takes nothing: %v", m.name, err)
		h.fault("Take of an open consumer failed: %v", err)
	}
	for _, gap := range d.Gaps {
		h.line("%s is told of a gap: %+v", m.name, gap)
		if !h.lost {
			h.fault("no group was lost")
		}
	}
	for _, notice := range d.Notices {
		h.line("%s is told: %v", m.name, notice)
		h.fault("there is nothing to tell")
	}
	h.delivered(m, d.Events)
	if m.prefetch > 0 && len(d.Events) > m.prefetch {
		h.fault("%d events at once for a prefetch of %d", len(d.Events), m.prefetch)
	}
	return len(d.Events)
}

// delivered notes events that a member was given. Callers hold mu.
func (h *history) delivered(m *member, events []hub.Event) {
	for _, e := range events {
		at := h.line("%s gets %s %s %s attempt %d", m.name, e.Stream, e.Data, e.ID, e.Attempt)
		id, err := hub.ParseID(e.ID)
		f := h.facts[string(e.Data)]
		switch {
		case err != nil || f == nil || f.stream != e.Stream || f.topic != e.Topic || e.Type != modelType:
			h.fault("nobody has published %+v", e)
			continue
		case f.id == hub.ID{}:
			f.id = id
		case f.id != id:
			h.fault("it is %s", f.id)
		}
		s := sighting{at, f, e.Attempt, m}
		h.sights, m.held = append(h.sights, s), append(m.held, s)
	}
}

func (s sighting) receipt(withAttempt bool) hub.Receipt {
	r := hub.Receipt{ID: s.fact.id}
	if withAttempt {
		r.Attempt = s.attempt
	}
	return r
}

// begin notes a settlement before it is sent, and end what became of it.
func (h *history) begin(by *member, where string, s hub.Settlement) *act {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &act{Settlement: s, by: by}
	a.began = h.line("%s %s", where, a)
	h.acts = append(h.acts, a)
	return a
}

func (h *history) end(a *act, result hub.Settled, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.ended > 0 {
		h.line("line %d is answered again", a.began)
		h.fault("one answer is enough")
		return
	}
	a.result, a.err = result, err
	if err != nil {
		a.ended = h.line("  line %d failed: %v", a.began, err)
		return
	}
	a.ended = h.line("  line %d: done %v, not pending %v, stale %v", a.began, result.Done, result.NotPending, result.Stale)
	answers := len(result.Done) + len(result.NotPending) + len(result.Stale)
	if a.UpTo == nil && answers != len(a.Receipts) {
		h.fault("%d answers to %d receipts", answers, len(a.Receipts))
	}
	if slices.ContainsFunc(result.Done, func(id hub.ID) bool { return id.MS == nobodysMS }) {
		h.fault("there is no such event")
	}
}

func (a *act) String() string {
	var text strings.Builder
	text.WriteString([]string{"acks ", "nacks ", "extends "}[a.Verb] + a.Stream)
	if a.UpTo != nil {
		fmt.Fprintf(&text, " up to %s", a.UpTo)
	}
	for _, r := range a.Receipts {
		fmt.Fprintf(&text, " %s", r.ID)
		if r.Attempt > 0 {
			fmt.Fprintf(&text, "#%d", r.Attempt)
		}
	}
	if a.Delay != nil {
		fmt.Fprintf(&text, " for %s", a.Delay)
	}
	if a.DeadLetter {
		text.WriteString(" for ever")
	}
	return text.String()
}
