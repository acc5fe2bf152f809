package redistest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// hello opens a connection as go-redis does.
func hello(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn := dial(t, addr)
	if _, err := io.WriteString(conn, "*2\r\n$5\r\nhello\r\n$1\r\n2\r\n"); err != nil {
		t.Fatal(err)
	}
	// What HELLO answers ends with the modules.
	for lines := bufio.NewReader(conn); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "modules\r\n" {
			_, _ = lines.ReadString('\n')
			return conn
		}
	}
}

func TestANodesProxyBreaksOnlyConnectionsThatSayHello(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*redistest.Proxy){
		"blackhole": (*redistest.Proxy).Blackhole,
		"freeze":    (*redistest.Proxy).Freeze,
		"cut":       (*redistest.Proxy).CutAll,
		"replies":   func(p *redistest.Proxy) { p.DropReplies(2) },
		"resets":    func(p *redistest.Proxy) { p.SetShape(redistest.Shape{ResetEvery: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := redistest.NewNodeProxy(t, redistest.Start(t).Addr())
			client, server := hello(t, p.Addr()), dial(t, p.Addr())
			ask(t, client)
			ask(t, server)
			fault(p)
			ask(t, server)
			ask(t, dial(t, p.Addr()))
			_, _ = io.WriteString(client, "*1\r\n$4\r\nPING\r\n") // it may be closed
			_ = client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if n, err := client.Read(make([]byte, 1)); n > 0 {
				t.Errorf("a client was answered: %v", err)
			}
		})
	}
}

func TestABlackholeBeforeAPrimaryHurtsNeitherReplicasNorSentinels(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinelWith(t, 1, redistest.Setup{Proxied: true})
	primary, replica := s.Nodes[0], s.Nodes[1]
	led := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "mymaster", SentinelAddrs: []string{s.Sentinels[0].Addr()}, MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = led.Close() })
	if err := led.Set(t.Context(), "n", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, node := range s.Nodes {
		node.Proxy().Blackhole()
	}
	if err := within(t, 100*time.Millisecond, func(ctx context.Context) error { return led.Ping(ctx).Err() }); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("whom a sentinel leads to the primary gets %v, want a timeout", err)
	}
	if err := s.Client(t).Set(t.Context(), "n", "2", 0).Err(); err != nil {
		t.Fatalf("beside the proxy: %v", err)
	}
	eventually(t, replica, "2")

	sentinel := redis.NewSentinelClient(&redis.Options{Addr: s.Sentinels[0].Addr()})
	t.Cleanup(func() { _ = sentinel.Close() })
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // down-after is 1 s
		master, err := sentinel.Master(t.Context(), "mymaster").Result()
		if err != nil || master["flags"] != "master" {
			t.Fatalf("a sentinel says of the primary %q: %v", master["flags"], err)
		}
	}
	if s.Primary(t) != primary {
		t.Error("there is another primary")
	}
}

func TestSentinelsPromoteAReplicaBehindAProxy(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinelWith(t, 2, redistest.Setup{Proxied: true})
	old := s.Nodes[0]
	old.Kill()
	deadline := time.Now().Add(30 * time.Second)
	for s.Primary(t) == old {
		if time.Now().After(deadline) {
			t.Fatal("no replica is made the primary")
		}
		time.Sleep(10 * time.Millisecond)
	}
	now := s.Primary(t)
	if err := now.Client(t).Set(t.Context(), "n", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, node := range s.Nodes[1:] { // the other one is led to the new one
		eventually(t, node, "1")
	}
}

func TestABlackholeBeforeAMasterHurtsNoNodeOfItsCluster(t *testing.T) {
	t.Parallel()
	c, replicas := redistest.StartClusterWithReplicas(t, 3, redistest.Setup{Proxied: true, Args: []string{"--appendonly", "yes"}})
	led := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs(), MaxRetries: -1, MaxRedirects: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = led.Close() })
	direct := c.Client(t)
	if err := led.Set(t.Context(), "n", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	node, err := direct.MasterForKey(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for i, n := range c.Nodes {
		if n.Addr() == node.Options().Addr {
			at = i
		}
	}
	if at < 0 {
		t.Fatalf("a client beside the proxies goes to %s, which is no node", node.Options().Addr)
	}
	c.Nodes[at].Proxy().Blackhole()
	if err := within(t, 100*time.Millisecond, func(ctx context.Context) error { return led.Get(ctx, "n").Err() }); err == nil {
		t.Error("who is led by the cluster goes by no proxy")
	}
	if err := direct.Set(t.Context(), "n", "2", 0).Err(); err != nil {
		t.Fatalf("beside the proxy: %v", err)
	}
	replica := replicas[at].Client(t)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if replica.DBSize(t.Context()).Val() == 1 && strings.Contains(replica.Info(t.Context(), "replication").Val(), "master_link_status:up") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the replica does not follow")
		}
	}
	if got, err := c.Nodes[at].Client(t).ConfigGet(t.Context(), "appendonly").Result(); err != nil || got["appendonly"] != "yes" {
		t.Errorf("the arguments have not reached a node: %v, %v", got, err)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // its node timeout is 2 s
		for i, n := range c.Nodes {
			if view := n.Client(t).ClusterNodes(t.Context()).Val(); strings.Contains(view, "fail") {
				t.Fatalf("node %d sees\n%s", i, view)
			}
		}
	}
}
