package broker

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestNumbersGoOnWhereTheLastWasSent(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := newNumbers()
	n.next("room", 3, now)
	second := n.next("room", 2, now.Add(time.Second))
	if second.n != 4 || second.age != time.Second {
		t.Errorf("the second has %+v", second)
	}
	third := n.next("room", 1, now)
	n.retract("room", third, 1)
	n.retract("room", second, 2)
	if last := n.last("room", now); last.n != 3 || last.epoch != second.epoch {
		t.Errorf("after the last were not sent, the mark has %+v", last)
	}
	if other := n.next("other", 1, now); other.n != 1 {
		t.Errorf("another channel has %+v", other)
	}
}

func TestNumbersThatWereFollowedAreNotTakenBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := newNumbers()
	first := n.next("room", 3, now)
	n.next("room", 1, now)
	n.retract("room", first, 3)
	if last := n.last("room", now); last.n != 4 {
		t.Errorf("the mark has %+v", last)
	}
}

func TestMarkFollowsOnceAChannelIsQuiet(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := newNumbers()
	expect := func(want ...string) {
		t.Helper()
		got := n.tick()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("marks are due of %q, want %q", got, want)
		}
	}
	n.next("a", 1, now)
	n.next("b", 1, now)
	expect()
	n.next("b", 1, now)
	expect("a")
	expect("b")
	expect()
	n.again("a")
	expect()
	expect("a")
	n.allAgain()
	expect()
	expect("a", "b")
	expect()
}

func TestCountsAreForgottenAfterTheirMark(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := newNumbers()
	before := n.next("room", 5, now)
	later := now.Add(countLife + time.Second)
	n.forget(later) // its mark is still to be sent
	if next := n.next("room", 1, now); next.epoch != before.epoch || next.n != 6 {
		t.Errorf("it goes on with %+v", next)
	}
	n.tick()
	n.tick()
	n.forget(later)
	if next := n.next("room", 1, later); next.epoch <= before.epoch || next.n != 1 {
		t.Errorf("it begins anew with %+v", next)
	}
}

func TestChannelsThatAreTooManyAreNotCounted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := newNumbers()
	for i := range mostCounts {
		n.next(fmt.Sprint(i), 1, now)
	}
	if s := n.next("room", 1, now); s.n != 0 || len(n.counts) > mostCounts {
		t.Errorf("one more of %d has %+v", len(n.counts), s)
	}
	if s := n.next("7", 1, now); s.n != 2 {
		t.Errorf("one of them has %+v", s)
	}
}
