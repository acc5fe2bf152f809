package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// A doubt that no test waits for the end of, and one that is over at once.
const (
	forEver = time.Hour
	forNone = time.Millisecond
)

// startReplicas runs a primary with two replicas.
func startReplicas(t *testing.T) (primary *redistest.Server, replicas [2]*redistest.Server) {
	t.Helper()
	primary, replicas[0] = redistest.StartReplicated(t)
	replicas[1] = redistest.AddReplica(t, primary, 2)
	return primary, replicas
}

// startDoubting runs a hub's engine that doubts its primary for so long, and has published
// once.
func startDoubting(t *testing.T, url string, replaced, silent time.Duration) *broker.Broker {
	t.Helper()
	b := startBroker(t, url)
	b.SetDoubt(replaced, silent)
	confirmed(t, b)
	return b
}

// confirmed publishes as replicated, which has to work.
func confirmed(t *testing.T, b *broker.Broker) {
	t.Helper()
	if _, err := replicated(t.Context(), b, "orders", "", 1); err != nil {
		t.Fatalf("it is not confirmed: %v", err)
	}
}

// doubted publishes as replicated, which must not be confirmed, by many at once.
func doubted(t *testing.T, b *broker.Broker) {
	t.Helper()
	var publishers errgroup.Group
	for range 16 {
		publishers.Go(func() error {
			if _, err := replicated(t.Context(), b, "orders", "", 1); code(err) != hub.CodeUnconfirmed {
				return fmt.Errorf("it is answered %w, want %s", err, hub.CodeUnconfirmed)
			}
			return nil
		})
	}
	if err := publishers.Wait(); err != nil {
		t.Error(err)
	}
}

// do has a server do something.
func do(t *testing.T, s *redistest.Server, args ...any) {
	t.Helper()
	if err := s.Client(t).Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// awaitReplicas waits until a primary lists so many.
func awaitReplicas(t *testing.T, primary *redistest.Server, n int) {
	t.Helper()
	c := primary.Client(t)
	eventually(t, func() string {
		info := c.Info(t.Context(), "replication").Val()
		if !strings.Contains(info, fmt.Sprintf("connected_slaves:%d\r\n", n)) {
			return info
		}
		return ""
	})
}

func TestNothingIsConfirmedWhereAReplicaHasBecomeAPrimary(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	b := startDoubting(t, primary.URL(), forEver, forNone)
	do(t, replicas[0], "REPLICAOF", "NO", "ONE")
	doubted(t, b)
	<-time.After(50 * time.Millisecond) // longer than a replica that does not answer is a reason
	doubted(t, b)
	if _, err := publish(t.Context(), b, "orders", batch("fast", 1)); err != nil {
		t.Errorf("who does not ask for a replica is answered %v", err)
	}
}

func TestTheFirstEventOfAHubIsNotConfirmedByAReplacedPrimary(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	b := startBroker(t, primary.URL())
	b.SetDoubt(forEver, forNone)
	eventually(t, func() string {
		if n := b.Replicas(); n != len(replicas) {
			return fmt.Sprintf("the hub knows %d replicas", n)
		}
		return ""
	})
	do(t, replicas[0], "REPLICAOF", "NO", "ONE")
	doubted(t, b)
}

func TestAPrimaryThatDoesNotAnswerIsKnownToHang(t *testing.T) {
	t.Parallel()
	primary, _ := redistest.StartReplicated(t)
	b := startDoubting(t, primary.URL(), forEver, forNone)
	primary.Pause()
	eventually(t, func() string {
		if !b.Hung() {
			return "it is not known"
		}
		return ""
	})
}

func TestAReplicaDetachedByHandIsForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	const replaced = 2 * time.Second
	primary, replicas := startReplicas(t)
	b := startDoubting(t, primary.URL(), replaced, forNone)
	began := time.Now()
	do(t, replicas[0], "REPLICAOF", "NO", "ONE")
	eventually(t, func() string {
		if _, err := replicated(t.Context(), b, "orders", "", 1); err != nil {
			return err.Error()
		}
		return ""
	})
	if took := time.Since(began); took < replaced {
		t.Errorf("it is confirmed again after %s, want not before %s", took, replaced)
	}
	confirmed(t, b)
}

func TestNothingIsConfirmedWhereAReplicaFollowsAnotherPrimary(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	other := redistest.Start(t)
	b := startDoubting(t, primary.URL(), forEver, forNone)
	host, port, _ := strings.Cut(other.Addr(), ":")
	do(t, replicas[0], "REPLICAOF", host, port)
	doubted(t, b)
}

func TestNothingIsConfirmedByAPrimaryThatWasRestartedWhereAReplicaHasBecomeOne(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	b := startDoubting(t, primary.URL(), forEver, forNone)
	primary.Kill()
	do(t, replicas[0], "REPLICAOF", "NO", "ONE")
	primary.Restart()
	awaitReplicas(t, primary, 1) // who has not heard of the other
	eventually(t, func() string {
		switch _, err := replicated(t.Context(), b, "orders", "", 1); {
		case err == nil:
			t.Fatal("it is confirmed")
		case code(err) != hub.CodeUnconfirmed || !strings.Contains(err.Error(), "another replica has left"):
			return err.Error() // of the connections that it had
		}
		return ""
	})
	doubted(t, b)
}

func TestAPrimaryThatWasRestartedConfirms(t *testing.T) {
	t.Parallel()
	primary, _ := startReplicas(t)
	b := startDoubting(t, primary.URL(), forEver, forEver)
	for range 3 {
		primary.Restart()
		awaitReplicas(t, primary, 2)
		eventually(t, func() string {
			if _, err := replicated(t.Context(), b, "orders", "", 1); err != nil {
				return err.Error()
			}
			return ""
		})
	}
}

func TestAReplicaThatJoinsLaterCountsWhenItIsPromoted(t *testing.T) {
	t.Parallel()
	primary, _ := redistest.StartReplicated(t)
	b := startDoubting(t, primary.URL(), forEver, forNone)
	later := redistest.AddReplica(t, primary, 2)
	confirmed(t, b)
	do(t, later, "REPLICAOF", "NO", "ONE")
	doubted(t, b)
}

func TestReplicasAreAskedWithThePasswordOfTheHub(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	for _, s := range []*redistest.Server{replicas[0], replicas[1], primary} {
		c := s.Client(t)
		for _, option := range []string{"masterauth", "requirepass"} {
			if err := c.ConfigSet(t.Context(), option, "secret").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	promoted := goredis.NewClient(&goredis.Options{Addr: replicas[0].Addr(), Password: "secret"})
	defer promoted.Close()
	b := startDoubting(t, strings.Replace(primary.URL(), "://", "://:secret@", 1), forEver, forNone)
	if err := promoted.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	doubted(t, b)
}

func TestADeadReplicaHoldsUpNoConfirmation(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	b := startDoubting(t, primary.URL(), forEver, forEver)
	replicas[0].Kill()
	awaitReplicas(t, primary, 1)
	for range 20 {
		confirmed(t, b)
	}
}

func TestAReplicaThatStandsStillHoldsUpNoConfirmation(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	b := startDoubting(t, primary.URL(), forEver, forEver)
	replicas[0].Pause()
	for range 20 {
		confirmed(t, b)
	}
}

func TestAReplicaThatLeavesAndDoesNotSayWhyIsAReasonForAMoment(t *testing.T) {
	t.Parallel()
	const silent = time.Second
	primary, replicas := startReplicas(t)
	b := startDoubting(t, primary.URL(), forEver, silent)
	replicas[0].Pause()
	began := time.Now()
	do(t, primary, "CLIENT", "KILL", "TYPE", "replica") // the other comes back
	eventually(t, func() string {
		if _, err := replicated(t.Context(), b, "orders", "", 1); err != nil {
			return err.Error()
		}
		return ""
	})
	if took := time.Since(began); took < silent {
		t.Errorf("it is confirmed again after %s, want not before %s", took, silent)
	}
}

func TestARestartedReplicaIsNoReason(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	b := startDoubting(t, primary.URL(), forEver, forEver)
	for range 5 {
		replicas[0].Restart()
		eventually(t, func() string { // a connection that ends in the middle is looked at again
			if _, err := replicated(t.Context(), b, "orders", "", 1); err != nil {
				return err.Error()
			}
			return ""
		})
		awaitReplicas(t, primary, 2)
	}
}

func TestWithoutTheRightToAskAReplicasWordIsTaken(t *testing.T) {
	t.Parallel()
	primary, replicas := startReplicas(t)
	do(t, primary, "ACL", "SETUSER", "hub", "on", ">secret", "~*", "&*", "+@all", "-info")
	b := startDoubting(t, strings.Replace(primary.URL(), "://", "://hub:secret@", 1), forEver, forEver)
	do(t, replicas[0], "REPLICAOF", "NO", "ONE")
	for range 5 {
		confirmed(t, b)
	}
}
