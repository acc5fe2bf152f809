package broker

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"eventhub/internal/hub"
)

// TestBacklogKeepsTheNewestWithinItsBounds compares a backlog that drops with all that
// was put into it: what is taken and what is said to be missing make up the whole, in
// order.
func TestBacklogKeepsTheNewestWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := QueueLimits{Events: rapid.IntRange(1, 10).Draw(t, "events"), Bytes: rapid.IntRange(1, 100).Draw(t, "bytes")}
		var b backlog
		put, taken := map[string]int{}, map[string]int{} // events by channel, the missing among the taken
		take := func(t *rapid.T) {
			limit := rapid.IntRange(1, 200).Draw(t, "limit")
			messages := b.take(nil, limit)
			size := 0
			for i, m := range messages {
				if m.Gap != nil {
					taken[m.Channel] += int(m.Gap.Dropped)
					continue
				}
				if size >= limit {
					t.Fatalf("message %d is beyond %d bytes", i, limit)
				}
				size += len(m.JSON)
				taken[m.Channel]++
				if want := fmt.Sprintf("%s %d ", m.Channel, taken[m.Channel]); !bytes.HasPrefix(m.JSON, []byte(want)) {
					t.Fatalf("got %q, want %q", m.JSON, want)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				channel := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "channel")
				put[channel]++
				text := fmt.Appendf(nil, "%s %d ", channel, put[channel])
				m := &hub.Message{Channel: channel, JSON: append(text, make([]byte, rapid.IntRange(0, 60).Draw(t, "size"))...)}
				if !b.fits(m, limits) {
					b.drop(m, limits)
				}
				b.put(m)
			},
			"take": take,
			"": func(t *rapid.T) {
				waiting := b.queue[b.first:]
				size := 0
				for _, m := range waiting {
					size += len(m.JSON)
				}
				if size != b.bytes || len(waiting) != b.events || b.events > limits.Events || len(waiting) > 1 && size > limits.Bytes {
					t.Fatalf("%d messages with %d bytes wait, it says %d; the limits are %+v", len(waiting), size, b.bytes, limits)
				}
				if slices.ContainsFunc(b.queue[:b.first], func(m *hub.Message) bool { return m != nil }) {
					t.Fatal("it holds what was taken")
				}
			},
		})
		for b.len() > 0 {
			take(t)
		}
		for channel, n := range put {
			if taken[channel] != n {
				t.Fatalf("of %d on %s, %d came or are known to be missing", n, channel, taken[channel])
			}
		}
	})
}

func gapOf(channel, reason string, dropped int64) *hub.Message {
	return &hub.Message{Channel: channel, Gap: &hub.Gap{Channel: channel, Reason: reason, Dropped: dropped}}
}

func event(channel string) *hub.Message { return &hub.Message{Channel: channel, JSON: []byte("{}")} }

// told lists what is taken: events by their channel, gaps with reason and number.
func told(b *backlog) (list []string) {
	for _, m := range b.take(nil, 1<<20) {
		if m.Gap == nil {
			list = append(list, m.Channel)
			continue
		}
		list = append(list, fmt.Sprintf("%s %s %d", m.Channel, m.Gap.Reason, m.Gap.Dropped))
	}
	return list
}

func TestGapsThatAreDroppedAreToldAllTheSame(t *testing.T) {
	t.Parallel()
	var b backlog
	for _, m := range []*hub.Message{
		event("a"), gapOf("a", hub.GapLost, 3), event("b"), gapOf("a", hub.GapReconnect, 0), event("a"), gapOf("a", hub.GapLost, 4), event("c"),
	} {
		b.put(m)
	}
	b.drop(event("c"), QueueLimits{Events: 2, Bytes: 100})
	want := []string{"a lost 3", "a redis_reconnect 0", "a slow_consumer 2", "b slow_consumer 1", "a lost 4", "c"}
	if got := told(&b); !slices.Equal(got, want) {
		t.Errorf("it tells %q, want %q", got, want)
	}
}

func TestGapsThatFollowOneAnotherAreOne(t *testing.T) {
	t.Parallel()
	var b backlog
	shared := gapOf("a", hub.GapLost, 1)
	for _, m := range []*hub.Message{
		gapOf("a", hub.GapReconnect, 0), gapOf("b", hub.GapReconnect, 0), gapOf("a", hub.GapReconnect, 0), shared, event("b"),
		gapOf("a", hub.GapLost, 2), gapOf("b", hub.GapReconnect, 0), event("a"), gapOf("a", hub.GapReconnect, 0), gapOf("a", hub.GapLost, 5),
	} {
		b.put(m)
	}
	want := []string{
		"a redis_reconnect 0", "b redis_reconnect 0", "a lost 3", "b", "b redis_reconnect 0", "a", "a redis_reconnect 0", "a lost 5",
	}
	if got := told(&b); !slices.Equal(got, want) {
		t.Errorf("it tells %q, want %q", got, want)
	}
	if shared.Gap.Dropped != 1 {
		t.Error("others are told of more than they missed")
	}
	b.put(gapOf("a", hub.GapLost, 1)) // what was taken is told, and grows no more
	if got := told(&b); !slices.Equal(got, []string{"a lost 1"}) || len(b.last) > 0 {
		t.Errorf("it tells %q, and holds %d", got, len(b.last))
	}
}

func TestGapsCloseNobody(t *testing.T) {
	t.Parallel()
	var b backlog
	limits := QueueLimits{Events: 3, Bytes: 100}
	for i := range 1000 {
		for _, reason := range []string{hub.GapReconnect, hub.GapLost} {
			m := gapOf(fmt.Sprint(i%10), reason, 1)
			if !b.fits(m, limits) {
				t.Fatal("a gap finds no room")
			}
			b.put(m)
		}
	}
	if n := b.len(); n != 20 {
		t.Errorf("%d gaps of 10 channels wait", n)
	}
	for range 3 {
		if !b.fits(event("a"), limits) {
			t.Fatal("an event finds no room beside gaps")
		}
		b.put(event("a"))
	}
	if b.fits(event("a"), limits) {
		t.Error("events have no bound beside gaps")
	}
}

func TestNothingIsKeptOfAChannelThatWasLeft(t *testing.T) {
	t.Parallel()
	var b backlog
	for _, m := range []*hub.Message{event("a"), event("b"), event("a"), gapOf("b", hub.GapLost, 1), event("c"), event("b")} {
		b.put(m)
	}
	b.drop(event("b"), QueueLimits{Events: 4, Bytes: 100}) // one of a and one of b
	b.remove([]string{"b"})
	if want, got := []string{"a slow_consumer 1", "a", "c"}, told(&b); !slices.Equal(got, want) || b.bytes != 0 {
		t.Errorf("it tells %q and has %d bytes, want %q and none", got, b.bytes, want)
	}
}
