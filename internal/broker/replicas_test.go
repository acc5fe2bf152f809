package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Histories, and nodes.
var (
	first   = strings.Repeat("1", 40)
	second  = strings.Repeat("2", 40)
	third   = strings.Repeat("3", 40)
	errGone = errors.New("it does not answer")
)

// listing is what a primary says, which has replicas at these ports.
func listing(id, before string, ports ...int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Replication\r\nrole:master\r\nconnected_slaves:%d\r\n", len(ports))
	for i, port := range ports {
		fmt.Fprintf(&b, "slave%d:ip=10.0.0.1,port=%d,state=online,offset=14,lag=0\r\n", i, port)
	}
	fmt.Fprintf(&b, "master_replid:%s\r\nmaster_replid2:%s\r\nmaster_repl_offset:14\r\n", id, before)
	return b.String()
}

// company is what nodes say, by their ports; others refuse connections.
type company map[string]any

func (a company) ask(_ context.Context, node address) (replication, error) {
	switch answer := a[node.port].(type) {
	case error:
		return replication{}, answer
	case replication:
		return answer, nil
	}
	return replication{}, fmt.Errorf("dialling: %w", syscall.ECONNREFUSED)
}

func TestWhyAReplicaHasLeft(t *testing.T) {
	t.Parallel()
	primary, other := replication{primary: true, id: first}, replication{primary: true, id: second, before: first}
	under := func(port, id string, linked bool) replication {
		return replication{id: id, follows: address{"10.0.0.1", port}, linked: linked}
	}
	for _, c := range []struct {
		name  string
		nodes company
		want  stance
	}{
		{"it is dead", company{}, stanceOurs},
		{"it does not answer", company{"2": errGone}, stanceUnknown},
		{"it was promoted", company{"2": other}, stanceLeads},
		{"it is the primary itself", company{"2": primary}, stanceOurs},
		{"it is back", company{"2": under("1", first, true)}, stanceOurs},
		{"it is about to be back", company{"1": primary, "2": under("1", second, false)}, stanceOurs},
		{"it follows another", company{"3": other, "2": under("3", second, true)}, stanceOther},
		{"it is about to follow another, with the id that it had", company{"3": other, "2": under("3", first, false)}, stanceOther},
		{"it follows one that does not answer", company{"3": errGone, "2": under("3", first, false)}, stanceUnknown},
		{"it follows one that is dead", company{"2": under("3", first, false)}, stanceUnknown},
		{"it follows another replica", company{"3": under("1", first, true), "2": under("3", first, false)}, stanceOther},
	} {
		r := newReplicas(doubtBounds{}, slog.New(slog.DiscardHandler), c.nodes.ask)
		if got := r.stance(t.Context(), first, address{"10.0.0.1", "2"}); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestAPrimaryIsDoubtedAsLongAsItsReplicaIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := company{"2": replication{primary: true, id: second}}
		r := newReplicas(doubtBounds{replacedDoubt, silentDoubt}, slog.New(slog.DiscardHandler), nodes.ask)
		hear := func(want string, ports ...int) {
			t.Helper()
			if got := r.doubt(listing(first, noHistory, ports...)); got != want {
				t.Errorf("with the replicas %v: %q, want %q", ports, got, want)
			}
		}
		hear("", 2, 3)
		hear(mayBe, 3)
		hear("", 2, 3) // it was attached again
		hear(mayBe, 3)
		time.Sleep(replacedDoubt - time.Millisecond)
		hear(mayBe, 3)
		nodes["2"] = errGone // what it said is true still, until then
		time.Sleep(time.Millisecond)
		hear("", 3)
		hear("", 3)
		hear("", 2, 3)
		hear(mayBe, 3)
		time.Sleep(silentDoubt)
		hear("", 3)
		hear("", 2, 3)
		hear(mayBe, 3)
		delete(nodes, "2")
		time.Sleep(lookEvery)
		hear("", 3)
	})
}

func TestAHistoryThatAnotherHasFollowedConfirmsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(doubtBounds{replacedDoubt, silentDoubt}, slog.New(slog.DiscardHandler), company{}.ask)
		hear := func(want, id, before string) {
			t.Helper()
			if got := r.doubt(listing(id, before, 2)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		hear("", second, first) // the other was never seen here
		hear(wasReplaced, first, noHistory)
		time.Sleep(replacedDoubt - time.Millisecond)
		hear("", second, first)
		time.Sleep(replacedDoubt - time.Millisecond)
		hear(wasReplaced, first, noHistory)
		time.Sleep(time.Millisecond)
		hear("", first, noHistory) // the promotion was undone
		hear(wasReplaced, second, first)
		for i := range 2 * pastIDs {
			hear("", fmt.Sprintf("%040d", i+1), noHistory)
		}
		if len(r.past) > pastIDs {
			t.Errorf("%d histories are known, want at most %d", len(r.past), pastIDs)
		}
	})
}

func TestReplicasOfTheHistoryBeforeAreAReasonOnlyWhereOneIsAPrimary(t *testing.T) {
	t.Parallel()
	other := replication{primary: true, id: second}
	for _, c := range []struct {
		name  string
		nodes company
		want  string
	}{
		{"one was promoted", company{"3": other}, mayBe},
		{"one is the primary itself", company{"3": replication{primary: true, id: third}}, ""},
		{"one follows another", company{"3": replication{id: second, follows: address{"10.0.0.1", "2"}}, "2": other}, ""},
		{"one does not answer", company{"3": errGone}, ""},
		{"one is dead", company{}, ""},
	} {
		r := newReplicas(doubtBounds{replacedDoubt, silentDoubt}, slog.New(slog.DiscardHandler), c.nodes.ask)
		r.doubt(listing(first, noHistory, 3, 4))
		if why := r.doubt(listing(third, first, 4)); why != c.want {
			t.Errorf("%s: %q, want %q", c.name, why, c.want)
		}
		if why := r.doubt(listing(third, first, 3, 4)); why != "" {
			t.Errorf("%s, and is listed again: %q", c.name, why)
		}
		if len(r.had) != 2 {
			t.Errorf("%s: %d replicas are known, want 2", c.name, len(r.had))
		}
	}
}

func TestAReplicaOfTheHistoryBeforeIsDoubtedAlsoOnceItIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := company{"3": replication{primary: true, id: second}}
		r := newReplicas(doubtBounds{replacedDoubt, silentDoubt}, slog.New(slog.DiscardHandler), nodes.ask)
		r.doubt(listing(first, noHistory, 3, 4))
		hear := func(want string) {
			t.Helper()
			if why := r.doubt(listing(third, first, 4)); why != want {
				t.Errorf("%q, want %q", why, want)
			}
		}
		hear(mayBe)
		nodes["3"] = errGone
		time.Sleep(replacedDoubt - time.Millisecond)
		hear(mayBe)
		time.Sleep(time.Millisecond)
		hear("")
	})
}

func TestOneThatIsAReplicaItselfConfirmsNothing(t *testing.T) {
	t.Parallel()
	r := newReplicas(doubtBounds{}, slog.New(slog.DiscardHandler), company{}.ask)
	if why := r.doubt("role:slave\r\nmaster_replid:" + first + "\r\n"); why != isReplica {
		t.Errorf("%q, want %q", why, isReplica)
	}
	if why := r.doubt("role:slave\r\n"); why != "" {
		t.Errorf("of one that does not tell its history: %q", why)
	}
}

func TestReplicasAreLookedAtByOneAtATimeAndOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		r := newReplicas(doubtBounds{replacedDoubt, silentDoubt}, slog.New(slog.DiscardHandler), func(ctx context.Context, _ address) (replication, error) {
			looks.Add(1)
			<-ctx.Done() // it takes all the time that it has
			return replication{}, ctx.Err()
		})
		r.doubt(listing(first, noHistory, 2, 3, 4))
		began := time.Now()
		var publishers sync.WaitGroup
		for range 8 {
			publishers.Go(func() {
				for range 10 {
					if why := r.doubt(listing(first, noHistory, 4)); why != mayBe {
						t.Errorf("%q, want %q", why, mayBe)
					}
				}
			})
		}
		publishers.Wait()
		if took := time.Since(began); looks.Load() != 2 || took != lookTimeout {
			t.Errorf("two replicas were asked %d times, and others waited for %s", looks.Load(), took)
		}
		time.Sleep(lookEvery)
		r.doubt(listing(first, noHistory, 4))
		if looks.Load() != 4 {
			t.Errorf("a second later they were asked %d times in all, want 4", looks.Load())
		}
	})
}

func TestWhoHasHungIsAskedTwiceForAWhile(t *testing.T) {
	t.Parallel()
	var r replicas
	at := time.Now()
	hear := func(want bool, after, took time.Duration) {
		t.Helper()
		at = at.Add(after)
		if got := r.wary(at.Add(-took), at); got != want {
			t.Errorf("%s later, in %s: %v, want %v", after, took, got, want)
		}
	}
	const soon, short = time.Second / 10, time.Millisecond
	hear(true, 0, short) // nothing was heard of it before
	hear(false, soon, short)
	hear(true, hangTime+1, short)
	hear(false, soon, short)
	hear(true, soon, hangTime+1)
	for range waryTime/soon - 1 {
		hear(true, soon, short)
	}
	hear(false, soon, short)
}

func TestWhatWasSentToAPrimaryThatHungIsAskedTwiceWhoeverHearsOfItFirst(t *testing.T) {
	t.Parallel()
	const short = time.Millisecond
	at := time.Now()
	begin := func() *replicas {
		r := newReplicas(doubtBounds{replacedDoubt, silentDoubt}, slog.New(slog.DiscardHandler), company{}.ask)
		r.wary(at.Add(-short), at)
		return r
	}
	goesOn := at.Add(hangTime + time.Second)
	// Both were sent a moment before it went on.
	r := begin()
	for _, answered := range []time.Time{goesOn, goesOn.Add(short)} {
		if !r.wary(goesOn.Add(-short), answered) {
			t.Error("after a silence one of two pipelines is taken at its word")
		}
	}
	if r.wary(goesOn.Add(short), goesOn.Add(2*short)) {
		t.Error("what was sent when it had answered is asked twice")
	}
	synctest.Test(t, func(t *testing.T) {
		at = time.Now()
		r := begin()
		time.Sleep(hangTime + time.Second)
		r.note(listing(first, noHistory, 2), time.Now())
		if !r.wary(time.Now(), time.Now().Add(short)) {
			t.Error("the watch has heard of it first, and publishers are taken at their word")
		}
		r.silent(time.Now())
		for range 2 {
			time.Sleep(short)
			if !r.wary(time.Now().Add(-short), time.Now()) {
				t.Error("the watch was not answered, and publishers are taken at their word")
			}
		}
	})
}

func TestReplicasThatLeftLongAgoAreNotLookedAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(doubtBounds{replacedDoubt, silentDoubt}, slog.New(slog.DiscardHandler), func(context.Context, address) (replication, error) {
			t.Error("it is asked why it has left")
			return replication{}, errGone
		})
		r.note(listing(first, noHistory, 2, 3), time.Now())
		for range replacedDoubt/watchEvery + 1 {
			r.note(listing(first, noHistory, 3), time.Now())
			time.Sleep(watchEvery)
		}
		if len(r.had) != 1 {
			t.Errorf("%d replicas are known, want 1", len(r.had))
		}
		if why := r.doubt(listing(first, noHistory, 3)); why != "" {
			t.Errorf("%q", why)
		}
	})
}
