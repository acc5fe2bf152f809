package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// The model test of readers: random readers of random streams, which take as much
// as they like, when they like, and come again by cursor, while hubs publish,
// retention trims, and streams are deleted. What each has read is held against
// what was published: in order, none twice, and nothing left out without a gap in
// its place.

// readModel is the world of one seed.
type readModel struct {
	t       *testing.T
	rng     *rand.Rand
	brokers []*broker.Broker
	streams []string

	mu        sync.Mutex // protects the fields below
	published map[string][]hub.ID
	resets    map[string]int // how often a stream was deleted
}

// readLog is what one reader has read of a stream.
type readLog struct {
	ids    []hub.ID
	gaps   map[int][]hub.Gap // by how many ids were read before
	resets int
}

func TestReadersKeepTheirPromisesWhateverHappens(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	brokers := []*broker.Broker{startBroker(t, server.URL()), startBroker(t, server.URL())}
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			m := &readModel{
				t: t, rng: rand.New(rand.NewPCG(seed, 0)), brokers: brokers,
				published: map[string][]hub.ID{}, resets: map[string]int{},
			}
			m.run(fmt.Sprintf("seed-%d:", seed))
		})
	}
}

func (m *readModel) run(prefix string) {
	m.streams = []string{prefix + "a", prefix + "b", prefix + "c"}[:1+m.rng.IntN(3)]
	bound := int64(0)
	if m.rng.IntN(2) == 0 {
		bound = 50 + m.rng.Int64N(500)
		for _, stream := range m.streams {
			if _, _, err := m.brokers[0].PutStream(m.t.Context(), stream, hub.StreamConfig{MaxEvents: bound, OnFull: hub.OnFullDropOldest}); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	deletes := m.rng.IntN(4) == 0 && bound == 0
	var publishing, reading sync.WaitGroup
	quiet := make(chan struct{}) // closed when nothing is published any more
	logs := make([]map[string]*readLog, 4)
	for i := range logs {
		logs[i] = map[string]*readLog{}
		for _, stream := range m.streams {
			logs[i][stream] = &readLog{gaps: map[int][]hub.Gap{}}
		}
		rng := rand.New(rand.NewPCG(m.rng.Uint64(), 0))
		// Opened here: all of them read from the very start.
		r, err := m.brokers[i%2].Read(m.t.Context(), hub.ReaderSpec{Streams: m.streams, From: hub.Latest})
		if err != nil {
			m.t.Fatal(err)
		}
		reading.Go(func() { m.read(r, rng, quiet, logs[i]) })
	}
	for _, stream := range m.streams {
		rng := rand.New(rand.NewPCG(m.rng.Uint64(), 0))
		publishing.Go(func() { m.publish(stream, rng, deletes) })
	}
	publishing.Wait()
	close(quiet)
	reading.Wait()
	for i := range logs {
		for _, stream := range m.streams {
			if wrong := m.check(stream, logs[i][stream]); wrong != "" {
				m.t.Errorf("reader %d of %s: %s", i, stream, wrong)
			}
		}
	}
}

// publish is the one who publishes to a stream, so that what it was told of comes
// in the order of the log.
func (m *readModel) publish(stream string, rng *rand.Rand, deletes bool) {
	for i := range 20 + rng.IntN(40) {
		b := m.brokers[rng.IntN(2)]
		events := batch(fmt.Sprint(i), 1+rng.IntN(100)*rng.IntN(2))
		if rng.IntN(20) == 0 {
			events[0].Data = []byte(`"` + string(slices.Repeat([]byte{'x'}, 100_000)) + `"`)
		}
		ids, err := publish(m.t.Context(), b, stream, events)
		if err != nil {
			m.t.Error(err)
			return
		}
		m.mu.Lock()
		m.published[stream] = append(m.published[stream], ids...)
		m.mu.Unlock()
		if deletes && rng.IntN(20) == 0 {
			if err := b.DeleteStream(m.t.Context(), stream); err != nil {
				m.t.Error(err)
				return
			}
			m.mu.Lock()
			m.resets[stream]++
			m.mu.Unlock()
			last := ids[len(ids)-1]
			eventually(m.t, func() string { // a new stream may give the ids of one ms again
				if time.Now().UnixMilli() <= last.Time().UnixMilli() {
					return "the clock stands still"
				}
				return ""
			})
		}
	}
	ids, err := publish(m.t.Context(), m.brokers[0], stream, batch("last", 1))
	if err != nil {
		m.t.Error(err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.published[stream] = append(m.published[stream], ids...)
}

// last is the last event that was published to each of the streams.
func (m *readModel) last() map[string]hub.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := map[string]hub.ID{}
	for _, stream := range m.streams {
		last[stream] = m.published[stream][len(m.published[stream])-1]
	}
	return last
}

// read takes until it has the last event of each stream.
func (m *readModel) read(r hub.Reader, rng *rand.Rand, quiet <-chan struct{}, logs map[string]*readLog) {
	defer func() { r.Close() }()
	deadline := time.After(2 * patience)
	for {
		one, err := r.Take([]int{0, 1, 7, 100, 1000}[rng.IntN(5)])
		if err != nil {
			m.t.Error(err)
			return
		}
		note(logs, one)
		if m.complete(quiet, logs) {
			return
		}
		switch {
		case rng.IntN(50) == 0:
			at := one.After
			if n := len(one.Events); n > 0 && rng.IntN(2) == 0 {
				// Only some of the last were handed on: it resumes behind those.
				at = slices.Clone(one.Before)
				kept := rng.IntN(n)
				for _, e := range one.Events[:kept] {
					at.Move(e.Stream, e.ID)
				}
				for _, e := range slices.Backward(one.Events[kept:]) {
					l := logs[e.Stream]
					l.ids = l.ids[:len(l.ids)-1]
				}
			}
			r.Close()
			position, wrong := hub.ParsePosition("after:" + at.String())
			if wrong != nil {
				m.t.Error(wrong)
				return
			}
			next, err := m.brokers[rng.IntN(2)].Read(m.t.Context(), hub.ReaderSpec{Streams: m.streams, From: position})
			if err != nil {
				m.t.Error(err)
				return
			}
			r = next
		case rng.IntN(30) == 0:
			select { // slow for a while
			case <-time.After(time.Duration(rng.IntN(100)) * time.Millisecond):
			case <-deadline:
			}
		default:
			ends := quiet
			if finished(quiet) {
				ends = nil
			}
			select {
			case <-r.Ready():
			case <-ends:
			case <-deadline:
				m.t.Errorf("the last events do not come; the place is %v", one.After)
				return
			}
		}
	}
}

func note(logs map[string]*readLog, one hub.Reading) {
	for _, gap := range one.Gaps {
		l := logs[gap.Stream]
		l.gaps[len(l.ids)] = append(l.gaps[len(l.ids)], gap)
		if gap.Reason == hub.GapReset {
			l.resets++
		}
	}
	for _, e := range one.Events {
		logs[e.Stream].ids = append(logs[e.Stream].ids, e.ID)
	}
}

func finished(quiet <-chan struct{}) bool {
	select {
	case <-quiet:
		return true
	default:
		return false
	}
}

func (m *readModel) complete(quiet <-chan struct{}, logs map[string]*readLog) bool {
	if !finished(quiet) {
		return false
	}
	for stream, last := range m.last() {
		if ids := logs[stream].ids; len(ids) == 0 || ids[len(ids)-1] != last {
			return false
		}
	}
	return true
}

// check says what a reader was told wrongly.
func (m *readModel) check(stream string, l *readLog) string {
	at := 0 // in what was published
	all := m.published[stream]
	for i, id := range l.ids {
		found := slices.Index(all[at:], id)
		if found < 0 {
			return fmt.Sprintf("event %d, %s, is out of order, there twice or unknown", i, id)
		}
		missed := all[at : at+found]
		at += found + 1
		told := l.gaps[i]
		if len(missed) == 0 {
			continue
		}
		if i == 0 && m.resets[stream] > 0 {
			continue // a stream that came and went before anybody could look
		}
		covered := slices.ContainsFunc(told, func(g hub.Gap) bool {
			return g.Reason == hub.GapReset || g.To.Compare(missed[len(missed)-1]) >= 0 && g.To.Compare(id) < 0
		})
		if !covered {
			return fmt.Sprintf("%d events before event %d, %s, are missing (from %s), and the gaps are %+v; it was deleted %d times", len(missed), i, id, missed[0], l.gaps, m.resets[stream])
		}
	}
	if l.resets > m.resets[stream] {
		return fmt.Sprintf("it was told of %d resets, the stream was deleted %d times", l.resets, m.resets[stream])
	}
	return ""
}
