package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	sentinels = 3
	quorum    = 2 // of them must agree that the primary is down

	// masterName is what the sentinels call the primary.
	masterName = "mymaster"

	// sentinelLimit bounds the meeting of the sentinels. It takes some 2 s
	// whatever the machine: that often they say hello (SENTINEL_PUBLISH_PERIOD).
	sentinelLimit = 30 * time.Second

	// sentinelPoll is how often they are asked meanwhile.
	sentinelPoll = 50 * time.Millisecond
)

// A Sentinel is a primary with one replica, or more, and three sentinels that watch
// over them. When the primary is killed, a replica takes its place within some 3 s:
// it takes the sentinels one to notice, and up to two to agree.
type Sentinel struct {
	Nodes     []*Server // the primary at first, then its replicas; none persists data unless Setup says so, and each its role
	Sentinels []*Server // a restarted one remembers what it knew
}

// StartSentinel runs the five servers and returns when the replica is in step
// with the primary, and every sentinel knows it and all the other sentinels.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	return StartSentinelWith(t, 1, Setup{})
}

// StartSentinelWith is StartSentinel with so many replicas, at least one.
func StartSentinelWith(t testing.TB, replicas int, setup Setup) *Sentinel {
	t.Helper()
	primary := start(t, func(s *Server) { setup.replicated(s, "") })
	s := &Sentinel{Nodes: []*Server{primary}}
	for len(s.Nodes) <= replicas {
		s.Nodes = append(s.Nodes, attachReplica(t, primary, len(s.Nodes), setup))
	}
	ctx, cancel := context.WithTimeout(t.Context(), sentinelLimit)
	defer cancel()
	for range sentinels {
		s.Sentinels = append(s.Sentinels, start(t, func(s *Server) { s.watch(primary) }))
	}
	for i, sentinel := range s.Sentinels {
		if err := await(ctx, func() error { return acquainted(ctx, sentinel, replicas) }); err != nil {
			t.Fatalf("redistest: sentinel %d: %v", i, err)
		}
	}
	return s
}

// watch makes s a sentinel. It keeps what it learns in its configuration file.
func (s *Server) watch(primary *Server) {
	s.args = []string{"--sentinel"}
	text := fmt.Sprintf("sentinel monitor %s %s %s %d\n", masterName, host, primary.announcedPort(), quorum)
	for option, ms := range map[string]int{
		"down-after-milliseconds": 1000, // less, and a busy machine looks like a dead server
		"failover-timeout":        2000, // twice that until a failover that came to nothing is tried again
	} {
		text += fmt.Sprintf("sentinel %s %s %d\n", option, masterName, ms)
	}
	s.configured("sentinel.conf", text)
}

// URL is redis+sentinel://host:port,host:port,…/name with all the sentinels.
func (s *Sentinel) URL() string {
	return "redis+sentinel://" + strings.Join(s.addrs(), ",") + "/" + masterName
}

func (s *Sentinel) addrs() []string {
	addrs := make([]string, len(s.Sentinels))
	for i, sentinel := range s.Sentinels {
		addrs[i] = sentinel.Addr()
	}
	return addrs
}

// Client returns a client of whichever node is the primary, closed when t ends. It goes
// by no proxy and repeats nothing.
func (s *Sentinel) Client(t testing.TB) *redis.Client {
	t.Helper()
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: masterName, SentinelAddrs: s.addrs(), MaxRetries: -1,
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, behind(s.Nodes, addr))
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Primary is the node that the first sentinel to answer takes for the primary.
// After a kill that is the dead one until the sentinels have agreed on its heir.
func (s *Sentinel) Primary(t testing.TB) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askTimeout)
	defer cancel()
	var errs []error
	for _, sentinel := range s.Sentinels {
		client := sentinel.dialSentinel()
		addr, err := client.GetMasterAddrByName(ctx, masterName).Result()
		_ = client.Close()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, node := range s.Nodes {
			if net.JoinHostPort(addr[0], addr[1]) == node.Announced() {
				return node
			}
		}
		t.Fatalf("redistest: the sentinels name %v as primary, which is none of ours", addr)
	}
	t.Fatalf("redistest: no sentinel answers: %v", errors.Join(errs...))
	return nil
}

func (s *Server) dialSentinel() *redis.SentinelClient {
	return redis.NewSentinelClient(&redis.Options{
		Addr:                  s.Addr(),
		MaxRetries:            -1,
		DialerRetries:         1,
		ContextTimeoutEnabled: true,
	})
}

// acquainted says what a sentinel still misses of the company it is to have.
func acquainted(ctx context.Context, sentinel *Server, want int) error {
	client := sentinel.dialSentinel()
	defer func() { _ = client.Close() }()
	master, err := client.Master(ctx, masterName).Result()
	if err != nil {
		return err
	}
	replicas, err := client.Replicas(ctx, masterName).Result()
	if err != nil {
		return err
	}
	others, err := client.Sentinels(ctx, masterName).Result()
	if err != nil {
		return err
	}
	linked := !slices.ContainsFunc(replicas, func(r map[string]string) bool { return r["master-link-status"] != "ok" })
	if master["flags"] == "master" && wellKnown(replicas, want, "slave") && wellKnown(others, sentinels-1, "sentinel") && linked {
		return nil
	}
	return fmt.Errorf("it knows the primary %v, the replicas %v and the sentinels %v", master, replicas, others)
}

// wellKnown says whether a sentinel knows so many instances of a kind, and has
// nothing to say against any: flags such as disconnected or s_down.
func wellKnown(instances []map[string]string, want int, kind string) bool {
	for _, instance := range instances {
		if instance["flags"] != kind {
			return false
		}
	}
	return len(instances) == want
}

// await returns nil once check does, or what was wrong when ctx ended.
func await(ctx context.Context, check func() error) error {
	var wrong error
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			wrong = err // later ones tell only that the time is over
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), wrong)
		case <-time.After(sentinelPoll):
		}
	}
}
