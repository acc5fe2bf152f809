package broker

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventhub/internal/hub"
)

// leaseModel checks the leases of one stream against the simplest thing that
// could keep them: a list that is searched.
type leaseModel struct {
	stream   *sinkStream
	holders  []*attachment
	now      time.Time
	attempts map[hub.ID]int // deliveries so far
	held     []heldLease    // in the order of their granting
}

// failer is a test, or one run of a property.
type failer interface {
	Fatalf(format string, args ...any)
}

type heldLease struct {
	holder *attachment
	id     hub.ID
	since  time.Time
}

const leaseTime = 10 * time.Second

func newLeaseModel() *leaseModel {
	m := &leaseModel{stream: &sinkStream{}, now: time.Unix(1_763_650_000, 0), attempts: map[hub.ID]int{}}
	for range 3 {
		m.holders = append(m.holders, &attachment{consumer: &consumer{}, stream: m.stream, leases: map[hub.ID]lease{}})
	}
	return m
}

func (m *leaseModel) find(id hub.ID) int {
	return slices.IndexFunc(m.held, func(h heldLease) bool { return h.id == id })
}

// grant delivers an event that nobody holds.
func (m *leaseModel) grant(holder *attachment, id hub.ID) {
	m.attempts[id]++
	holder.grant(id, lease{attempt: m.attempts[id], since: m.now})
	m.held = append(m.held, heldLease{holder, id, m.now})
}

// end ends whatever lease there is.
func (m *leaseModel) end(t failer, holder *attachment, id hub.ID) {
	i := slices.IndexFunc(m.held, func(h heldLease) bool { return h.id == id && h.holder == holder })
	l, ok := holder.end(id)
	if ok != (i >= 0) || ok && (l.attempt != m.attempts[id] || !l.since.Equal(m.held[i].since)) {
		t.Fatalf("ending %v gave %+v, %t", id, l, ok)
	}
	if ok {
		m.held = slices.Delete(m.held, i, i+1)
	}
}

// expire does what the sink's run does, and compares who is ended in which order.
func (m *leaseModel) expire(t failer) {
	var got, want []hub.ID
	for {
		d, ok := m.stream.deadlines.next()
		if !ok || d.since.Add(leaseTime).After(m.now) {
			break
		}
		d.holder.end(d.id)
		got = append(got, d.id)
	}
	m.stream.deadlines.compact(m.stream.leased)
	m.held = slices.DeleteFunc(m.held, func(h heldLease) bool {
		if h.since.Add(leaseTime).After(m.now) {
			return false
		}
		want = append(want, h.id)
		return true
	})
	if !slices.Equal(got, want) {
		t.Fatalf("the leases that ended are %v, want %v", got, want)
	}
	if n := len(m.stream.deadlines.list); n > 2*len(m.held)+1024+4096 {
		t.Fatalf("%d deadlines are kept for %d leases", n, len(m.held))
	}
}

// check compares what is known of all leases.
func (m *leaseModel) check(t failer) {
	d, ok := m.stream.deadlines.next()
	switch {
	case ok != (len(m.held) > 0):
		t.Fatalf("there is a deadline: %t, of %d leases", ok, len(m.held))
	case ok && (d.id != m.held[0].id || !d.since.Equal(m.held[0].since) || d.holder != m.held[0].holder):
		t.Fatalf("the first lease is of %v since %s, want %v since %s", d.id, d.since, m.held[0].id, m.held[0].since)
	case m.stream.leased != len(m.held):
		t.Fatalf("%d leases are counted, want %d", m.stream.leased, len(m.held))
	}
	for i, holder := range m.holders {
		want := 0
		for _, h := range m.held {
			if h.holder == holder {
				want++
			}
		}
		if int(holder.consumer.held.Load()) != want || len(holder.leases) != want {
			t.Fatalf("consumer %d is said to hold %d, in %d leases, want %d", i, holder.consumer.held.Load(), len(holder.leases), want)
		}
	}
}

func TestLeasesEndWhenTheirTimeIsOverOrBefore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newLeaseModel()
		holder := rapid.SampledFrom(m.holders)
		id := rapid.Map(rapid.Uint64Range(1, 12), func(n uint64) hub.ID { return hub.ID{MS: n} })
		passing := uint64(1000)
		t.Repeat(map[string]func(*rapid.T){
			"grant": func(t *rapid.T) {
				if id := id.Draw(t, "id"); m.find(id) < 0 {
					m.grant(holder.Draw(t, "holder"), id)
				}
			},
			// A group that was lost and made again delivers anew what is held, as the
			// same attempt, and so does a reclaim as the next.
			"deliver anew": func(t *rapid.T) {
				if len(m.held) == 0 {
					return
				}
				h := rapid.SampledFrom(m.held).Draw(t, "lease")
				if rapid.Bool().Draw(t, "as the same attempt") {
					m.attempts[h.id]--
				}
				m.now = m.now.Add(time.Millisecond)
				m.held = slices.Delete(m.held, m.find(h.id), m.find(h.id)+1)
				m.grant(h.holder, h.id)
			},
			"end": func(t *rapid.T) { m.end(t, holder.Draw(t, "holder"), id.Draw(t, "id")) },
			"end held": func(t *rapid.T) {
				if len(m.held) > 0 {
					h := rapid.SampledFrom(m.held).Draw(t, "lease")
					m.end(t, h.holder, h.id)
				}
			},
			// Many events come and are acknowledged while others are held.
			"traffic": func(t *rapid.T) {
				h := holder.Draw(t, "holder")
				for range rapid.IntRange(1, 1500).Draw(t, "events") {
					passing++
					m.grant(h, hub.ID{MS: passing})
					m.end(t, h, hub.ID{MS: passing})
				}
			},
			"time passes": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(0, 15).Draw(t, "seconds")) * time.Second)
				m.expire(t)
			},
			"": func(t *rapid.T) { m.check(t) },
		})
	})
}

func TestLongLeaseKeepsNoTraceOfWhatPassesMeanwhile(t *testing.T) {
	t.Parallel()
	m := newLeaseModel()
	h := m.holders[0]
	m.grant(h, hub.ID{MS: 1})
	for n := range uint64(20_000) {
		id := hub.ID{MS: 2 + n}
		m.grant(h, id)
		m.end(t, h, id)
		m.expire(t)
	}
	m.check(t)
	if n := cap(m.stream.deadlines.list); n > 10_000 {
		t.Errorf("there is room for %d deadlines", n)
	}
}
