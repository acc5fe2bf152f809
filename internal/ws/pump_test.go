package ws

import (
	"slices"
	"testing"
)

func TestLongHistoriesTakeTurnsBehindAllOthers(t *testing.T) {
	t.Parallel()
	p := newPump()
	names := map[*session]string{}
	add := func(add func(*session), name string) {
		s := &session{id: name}
		names[s] = name
		add(s)
	}
	add(p.addLater, "long 1")
	add(p.addLater, "long 2")
	add(p.addLater, "long 3")
	add(p.add, "a")
	add(p.add, "b")
	var list []*session
	for i, want := range [][]string{{"a", "b", "long 1"}, {"c", "long 2"}, {"long 3"}} {
		var more bool
		list, more = p.round(list)
		got := make([]string, len(list))
		for i, s := range list {
			got[i] = names[s]
		}
		if !slices.Equal(got, want) || more != (i < 2) {
			t.Errorf("round %d has %q, want %q; more follow: %t", i, got, want, more)
		}
		if i == 0 {
			add(p.add, "c")
		}
	}
	if len(p.wake) != 1 {
		t.Error("the pump is not woken")
	}
}

func TestPumpsLeaveACoreToTheNetwork(t *testing.T) {
	t.Parallel()
	for cores := 1; cores <= 128; cores++ {
		if n := pumpsOn(cores); n < 1 || n > max(1, cores-1) {
			t.Errorf("%d cores have %d pumps", cores, n)
		}
	}
}

func TestSlowClientsShareWhatTheyHaveNotTaken(t *testing.T) {
	t.Parallel()
	out := &outbox{}
	large := message("room", string(make([]byte, 1<<20)))
	var first []byte
	for range 3 {
		source := broadcastSource{sub: newFakeSubscription(large)}
		if _, err := source.frames(out); err != nil {
			t.Fatal(err)
		}
		rest := out.clear(1000)
		if first == nil {
			first = rest
		}
		if &rest[0] != &first[0] {
			t.Error("each has its own copy")
		}
	}
	source := broadcastSource{sub: newFakeSubscription(message("room", "1"))}
	if _, err := source.frames(out); err != nil {
		t.Fatal(err)
	}
	if next := out.frames(); &next[0] == &first[0] || first[2000] != 0 {
		t.Error("what is lent is written over")
	}
}
