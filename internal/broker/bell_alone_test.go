package broker

import (
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestHubThatIsAloneRingsNobody(t *testing.T) {
	t.Parallel()
	b, _ := startConsumer(t, redistest.Start(t).URL())
	sent := &exchanges{}
	b.store.publish.AddHook(sent)
	rings := func() int {
		before := len(sent.with("bell-new"))
		b.ringOut(t.Context(), []string{"orders"}, b.name+" "+bellNew+" orders")
		return len(sent.with("bell-new")) - before
	}
	b.alive.mu.Lock()
	b.alive.seen = map[string]struct{}{b.name: {}}
	b.alive.lastBeat = time.Now()
	b.alive.since = b.alive.lastBeat.Add(-hubTimeout)
	b.alive.mu.Unlock()
	if rings() > 0 {
		t.Error("a bell was rung that nobody can hear")
	}
	b.onBell("hub-other " + bellHere)
	if n := rings(); n == 0 {
		t.Error("another hub has started, and no bell was rung")
	}
}

// A hub tells that it is there as soon as it listens: the others may believe that they
// are alone.
func TestHubTellsThatItListens(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, _ := startConsumer(t, s.URL())
	heard := func() time.Time {
		one.alive.mu.Lock()
		defer one.alive.mu.Unlock()
		return one.alive.heard
	}
	for deadline := time.Now().Add(20 * time.Second); heard().IsZero(); {
		if time.Now().After(deadline) {
			t.Fatal("a hub that has started was not heard")
		}
		b, err := New(Options{RedisURL: s.URL()})
		if err != nil {
			t.Fatal(err)
		}
		for wait := time.Now().Add(5 * time.Second); heard().IsZero() && time.Now().Before(wait); {
			time.Sleep(time.Millisecond)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
