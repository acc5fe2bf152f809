package calm

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestACauseIsDueOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Causes[string]
		for _, key := range []string{"a", "b"} {
			if unlogged, ok := c.Due(key); !ok || unlogged != 0 {
				t.Errorf("%s, for the first time, is due %t behind %d", key, ok, unlogged)
			}
		}
		for range 9 {
			time.Sleep(every / 10)
			if _, ok := c.Due("a"); ok {
				t.Error("a is due twice within a second")
			}
		}
		time.Sleep(every / 10)
		for _, want := range []int{9, 0} { // what was told is not told again
			if unlogged, ok := c.Due("a"); !ok || unlogged != want {
				t.Errorf("a second later a is due %t behind %d, want %d", ok, unlogged, want)
			}
			time.Sleep(every)
		}
	})
}

func TestCausesThatAreKnownAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Causes[int]
		for n := range 2 * mostCauses {
			if _, ok := c.Due(n); !ok {
				t.Fatalf("the cause %d is not logged", n)
			}
		}
		if len(c.said) != mostCauses {
			t.Errorf("%d causes are known, want %d", len(c.said), mostCauses)
		}
		time.Sleep(every)
		if c.Due(-1); len(c.said) != 1 {
			t.Errorf("%d causes are known a second later, want the new one", len(c.said))
		}
	})
}
