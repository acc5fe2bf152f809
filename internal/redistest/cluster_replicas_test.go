package redistest_test

import (
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestAReplicaTakesItsMastersPlaceInACluster(t *testing.T) {
	t.Parallel()
	c, replicas := redistest.StartClusterWithReplicas(t, 3, redistest.Setup{})
	client := c.Client(t)
	for i, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := client.Set(t.Context(), key, i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// The masters may not vote in time, as on a loaded machine: Redis gives a failover up
	// after 5 s, and wants to be asked again.
	const givenUp = 6 * time.Second
	replica := replicas[0].Client(t)
	began := time.Now()
	for asked := (time.Time{}); ; time.Sleep(20 * time.Millisecond) {
		if time.Since(asked) > givenUp {
			if err := replica.Do(t.Context(), "CLUSTER", "FAILOVER").Err(); err != nil {
				t.Fatal(err)
			}
			asked = time.Now()
		}
		role, err := replica.Do(t.Context(), "ROLE").Slice()
		if err == nil && role[0] == "master" {
			return
		}
		if time.Since(began) > 5*givenUp {
			t.Fatalf("the replica is %v, want master: %v", role, err)
		}
	}
}

func TestEveryReplicaOfASentinelFollows(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinelWith(t, 2, redistest.Setup{})
	if err := s.Nodes[0].Client(t).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for i, replica := range s.Nodes[1:] {
		for deadline := time.Now().Add(20 * time.Second); replica.Client(t).Get(t.Context(), "k").Val() != "v"; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("replica %d does not have what was written", i)
			}
		}
	}
}
