package redistest_test

import (
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestSentinelsPromoteTheReplicaOfAKilledPrimary(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	if want := "redis+sentinel://" + s.Sentinels[0].Addr() + "," + s.Sentinels[1].Addr() + "," + s.Sentinels[2].Addr() + "/mymaster"; s.URL() != want {
		t.Errorf("URL is %q, want %q", s.URL(), want)
	}
	primary, replica := s.Nodes[0], s.Nodes[1]
	if got := s.Primary(t); got != primary {
		t.Fatalf("the primary is %s, want %s", got.Addr(), primary.Addr())
	}
	conn := primary.Client(t).Conn() // WAIT is about the writes of one connection
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Wait(t.Context(), 1, 10*time.Second).Result(); err != nil || n != 1 {
		t.Fatalf("%d replicas have the write (%v), want 1", n, err)
	}

	s.Sentinels[2].Kill() // two are enough
	primary.Kill()
	deadline := time.Now().Add(30 * time.Second)
	for s.Primary(t) != replica {
		if time.Now().After(deadline) {
			t.Fatal("the replica is not made the primary")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got, err := replica.Client(t).GetDel(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Errorf("the new primary had %q (%v), want %q", got, err, "v")
	}
}

// A primary that is started again at once, before anybody misses it, is one still: as
// Sentinel has made it, and not as it was started first.
func TestAPromotedReplicaIsThePrimaryAfterItsRestart(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	s.Nodes[0].Kill()
	heir := s.Nodes[1]
	for deadline := time.Now().Add(30 * time.Second); s.Primary(t) != heir; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the replica is not made the primary")
		}
	}
	heir.Restart()
	if role, err := heir.Client(t).Do(t.Context(), "ROLE").Slice(); err != nil || role[0] != "master" {
		t.Errorf("its role is %v (%v), want master", role, err)
	}
}
