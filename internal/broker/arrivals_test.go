package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsMissingIsNoticedOnce(t *testing.T) {
	t.Parallel()
	type arrives struct {
		stamp
		mark    bool
		missing uint64
		late    bool
	}
	const epoch = 7
	message := func(n, missing uint64) arrives {
		return arrives{stamp{"a", epoch, n, time.Hour}, false, missing, false}
	}
	mark := func(n, missing uint64) arrives { return arrives{stamp{"a", epoch, n, time.Hour}, true, missing, false} }
	young := func(a arrives, age time.Duration) arrives {
		a.age = age
		return a
	}
	late := func(a arrives) arrives {
		a.late = true
		return a
	}
	anew := func(a arrives) arrives {
		a.epoch++
		return a
	}
	for name, row := range map[string][]arrives{
		"in a row":                         {message(5, 0), message(6, 0), mark(6, 0), message(7, 0)},
		"a hole":                           {message(5, 0), message(9, 3), message(10, 0), mark(10, 0)},
		"the last":                         {message(5, 0), mark(7, 2), mark(7, 0), message(8, 0)},
		"what was before does not count":   {mark(5, 0), message(6, 0)},
		"nothing was sent yet":             {message(1, 0), message(3, 1)},
		"it has been listening for longer": {young(message(3, 2), 6*time.Second), young(message(4, 0), 7*time.Second)},
		"a mark of a hub that was unheard": {young(mark(3, 3), 6*time.Second)},
		"perhaps it came while under way":  {young(message(3, 0), 10*time.Second-transit)},
		"counted anew":                     {message(5, 0), anew(message(1, 0)), anew(message(2, 0)), late(message(6, 0)), mark(9, 0)},
		"counted anew, the first are lost": {message(5, 0), anew(message(3, 2)), anew(mark(3, 0))},
		"not counted":                      {message(5, 0), message(0, 0), message(6, 0)},
		"before the first that was heard":  {message(6, 0), message(5, 0), message(7, 0), late(message(7, 0))},
		"again":                            {message(5, 0), message(6, 0), late(message(5, 0)), late(message(6, 0)), message(7, 0)},
	} {
		now := time.Now()
		var a arrivals
		a.begin(now.Add(-10 * time.Second))
		for i, next := range row {
			if missing, late := a.follow(next.stamp, !next.mark, now); missing != next.missing || late != next.late {
				t.Errorf("%s: at %d (%+v) %d are missing (late %t), want %d", name, i, next.stamp, missing, late, next.missing)
			}
		}
	}
}

func TestHubsAreCountedApart(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var a arrivals
	a.begin(now)
	for n := range uint64(10) {
		for _, name := range []string{"a", "b"} {
			if missing, late := a.follow(stamp{name, 1, n + 1, time.Hour}, true, now); missing > 0 || late {
				t.Errorf("%d are missing of %s (late %t)", missing, name, late)
			}
		}
	}
}

func TestHubsThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a arrivals
		a.begin(time.Now())
		for i := range 100 * manyHubs {
			a.follow(stamp{fmt.Sprint("hub-", i), 1, 1, 0}, true, time.Now())
			if len(a.from) > 4*manyHubs {
				t.Fatalf("%d are remembered", len(a.from))
			}
		}
		if missing, _ := a.follow(stamp{"hub-0", 1, 1000, time.Hour}, true, time.Now()); missing > 0 {
			t.Errorf("%d are missing of a hub that was forgotten", missing)
		}
		a.begin(time.Now())
		for i := range 2 * manyHubs {
			<-time.After(forgetting)
			a.follow(stamp{fmt.Sprint("hub-", i), 1, 1, 0}, true, time.Now())
			if len(a.from) > manyHubs+1 {
				t.Fatalf("%d are remembered", len(a.from))
			}
		}
	})
}
