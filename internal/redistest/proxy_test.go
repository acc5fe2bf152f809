package redistest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// through returns a client that reaches its server only by way of p. It has one
// connection, so that a test knows which one a fault hits.
func through(t *testing.T, p *redistest.Proxy, maxRetries int) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	opts.PoolSize = 1
	opts.MaxRetries = maxRetries
	opts.ContextTimeoutEnabled = true
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// within gives f a context that ends soon.
func within(t *testing.T, d time.Duration, f func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return f(ctx)
}

// eventually waits until n has the value want on the server itself.
func eventually(t *testing.T, s *redistest.Server, want string) {
	t.Helper()
	c := s.Client(t)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got, err := c.Get(t.Context(), "n").Result()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("n is %q (%v), want %q", got, err, want)
		}
	}
}

func TestProxyForwardsLargeValuesUnchanged(t *testing.T) {
	t.Parallel()
	p := redistest.NewProxy(t, redistest.Start(t).Addr())
	c := through(t, p, -1)
	want := make([]byte, 3<<20)
	for i := range want {
		want[i] = byte(i * 31)
	}
	if err := c.Set(t.Context(), "big", want, 0).Err(); err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), "big").Result()
	if err != nil || got != string(want) {
		t.Errorf("got %d bytes (%v), want the %d sent", len(got), err, len(want))
	}
}

func TestBlackholeTimesOutAndRestoreRecovers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := through(t, p, -1)
	incr := func(ctx context.Context) error { return c.Incr(ctx, "n").Err() }
	if err := incr(t.Context()); err != nil {
		t.Fatal(err)
	}

	p.Blackhole()
	p.Blackhole() // changes nothing
	err := within(t, 100*time.Millisecond, incr)
	if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("in the black hole: %v, want a timeout", err)
	}
	if got := s.Client(t).Get(t.Context(), "n").Val(); got != "1" {
		t.Errorf("n is %s on the far side of the black hole, want 1", got)
	}

	p.Restore()
	eventually(t, s, "2") // what was sent into the hole arrives
	if err := incr(t.Context()); err != nil {
		t.Errorf("after Restore: %v", err)
	}
}

func TestBlackholeKeepsConnectionsOpen(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	old := dial(t, p.Addr())
	ask(t, old)
	p.Blackhole()
	s.Kill() // not even the end of the server's side is seen
	conns := map[string]net.Conn{"old": old, "new": dial(t, p.Addr())}
	for name, conn := range conns {
		if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
			t.Errorf("%s connection: %v", name, err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s connection: read gave %v, want silence", name, err)
		}
	}
}

func TestConnectionSurvivesBlackhole(t *testing.T) {
	t.Parallel()
	p := redistest.NewProxy(t, redistest.Start(t).Addr())
	old := dial(t, p.Addr())
	ask(t, old)
	p.Blackhole()
	fresh := dial(t, p.Addr())
	p.Restore()
	ask(t, old)
	ask(t, fresh)
}

func TestFreezeStopsTheConnectionsThereAreAndNoOthers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	old := dial(t, p.Addr())
	ask(t, old)
	p.Freeze()
	p.Freeze() // changes nothing
	if _, err := io.WriteString(old, "INCR n\r\n"); err != nil {
		t.Errorf("sending into the frozen connection: %v", err)
	}
	ask(t, dial(t, p.Addr()))
	_ = old.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the frozen connection: read gave %v, want silence", err)
	}
	if n := s.Client(t).Exists(t.Context(), "n").Val(); n != 0 {
		t.Error("a request passed through the frozen connection")
	}
}

func TestOneClientIsPartedFromTheServerAndNoOther(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	named := func(name string) *redis.Client {
		c := redis.NewClient(&redis.Options{Addr: p.Addr(), ClientName: name, PoolSize: 1, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ping := func(c *redis.Client) func(context.Context) error {
		return func(ctx context.Context) error { return c.Ping(ctx).Err() }
	}
	one, other, nobody := named("one"), named("other"), named("")
	for _, c := range []*redis.Client{one, other, nobody} {
		if err := ping(c)(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p.Part("one")
	p.Part("one") // changes nothing
	for name, c := range map[string]*redis.Client{"old": one, "new": named("one")} {
		if err := within(t, 100*time.Millisecond, ping(c)); err == nil {
			t.Errorf("its %s connection goes on", name)
		}
	}
	for name, c := range map[string]*redis.Client{"other": other, "another": named("another"), "nobody": nobody} {
		if err := within(t, 5*time.Second, ping(c)); err != nil {
			t.Errorf("%s is parted, too: %v", name, err)
		}
	}
	p.Restore()
	if err := within(t, 5*time.Second, ping(one)); err != nil {
		t.Errorf("after Restore: %v", err)
	}
}

func TestFrozenConnectionHidesTheEndOfTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	old := dial(t, p.Addr())
	ask(t, old)
	p.Freeze()
	s.Kill()
	_ = old.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read gave %v, want silence", err)
	}
}

func TestFrozenConnectionGoesOnAfterRestoreUnlessItIsCut(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	old := dial(t, p.Addr())
	ask(t, old)
	p.Freeze()
	if _, err := io.WriteString(old, "INCR n\r\n"); err != nil {
		t.Fatal(err)
	}
	p.Restore()
	eventually(t, s, "1")

	p.Freeze()
	if _, err := io.WriteString(old, "INCR n\r\n"); err != nil {
		t.Fatal(err)
	}
	p.CutAll()
	p.Restore()
	if got := s.Client(t).Get(t.Context(), "n").Val(); got != "1" {
		t.Errorf("n is %s, want 1: what a cut connection held is lost", got)
	}
}

func TestRefusedConnectionsAreNotMade(t *testing.T) {
	t.Parallel()
	p := redistest.NewProxy(t, redistest.Start(t).Addr())
	old := dial(t, p.Addr())
	ask(t, old)
	p.Refuse()
	p.Refuse() // changes nothing
	if _, err := old.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the old connection: read gave %v, want it closed", err)
	}
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling gave %v, want %v", err, syscall.ECONNREFUSED)
	}
	p.Restore()
	p.Restore() // changes nothing
	ask(t, dial(t, p.Addr()))
}

func TestDroppedReplyBelongsToAnExecutedCommand(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := through(t, p, -1)
	p.DropReplies(1)
	if err := c.Incr(t.Context(), "n").Err(); !errors.Is(err, io.EOF) {
		t.Errorf("lost reply: %v, want the connection closed", err)
	}
	if got := s.Client(t).Get(t.Context(), "n").Val(); got != "1" {
		t.Errorf("n is %s, want 1", got)
	}
	if got, err := c.Incr(t.Context(), "n").Result(); got != 2 || err != nil {
		t.Errorf("after the fault: %d (%v), want 2", got, err)
	}
}

func TestDroppedRepliesMeetRetriesNotHandshakes(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := through(t, p, 3)
	p.DropReplies(3)
	if got, err := c.Incr(t.Context(), "n").Result(); got != 4 || err != nil {
		t.Errorf("the fourth try gave %d (%v), want 4", got, err)
	}
}

func TestDroppedRepliesCanBeOneCommands(t *testing.T) {
	t.Parallel()
	p := redistest.NewProxy(t, redistest.Start(t).Addr())
	c := through(t, p, -1)
	p.DropReplies(1, "incr")
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("PING: %v", err)
	}
	if err := c.Incr(t.Context(), "n").Err(); err == nil {
		t.Error("INCR was answered")
	}
}

func TestDroppedReplyMayBeABlockedCommands(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	conn := dial(t, p.Addr())
	ask(t, conn)
	if _, err := io.WriteString(conn, "*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$1\r\n0\r\n"); err != nil {
		t.Fatal(err)
	}
	direct := s.Client(t)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if direct.InfoMap(t.Context(), "clients").Item("Clients", "blocked_clients") == "1" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("BLPOP never blocked")
		}
	}
	p.DropReplies(1)
	if err := direct.LPush(t.Context(), "q", "v").Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes (%v), want the connection closed", n, err)
	}
	if n, err := direct.LLen(t.Context(), "q").Result(); n != 0 || err != nil {
		t.Errorf("%d elements left (%v), want the one taken", n, err)
	}
}

func TestRestoreForgetsDroppedReplies(t *testing.T) {
	t.Parallel()
	p := redistest.NewProxy(t, redistest.Start(t).Addr())
	c := through(t, p, -1)
	p.DropReplies(5)
	p.Restore()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestCutAllClosesConnectionsEvenInABlackhole(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	conn := dial(t, p.Addr())
	ask(t, conn)
	p.Blackhole()
	p.CutAll()
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read gave %v, want the connection closed", err)
	}
	p.Restore()
	ask(t, dial(t, p.Addr()))
}

func TestProxyWithoutTargetClosesConnections(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	s.Kill()
	if _, err := dial(t, p.Addr()).Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read gave %v, want the connection closed", err)
	}
	s.Restart()
	ask(t, dial(t, p.Addr()))
}

func TestAttemptsAreCountedWhereverTheyLead(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	ask(t, dial(t, p.Addr()))
	p.Blackhole()
	dial(t, p.Addr())
	p.Restore()
	s.Kill()
	if _, err := dial(t, p.Addr()).Read(make([]byte, 1)); err == nil {
		t.Error("a server that is gone answers")
	}
	for deadline := time.Now().Add(10 * time.Second); p.Attempts() < 3 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
	}
	if got := p.Attempts(); got != 3 {
		t.Errorf("%d attempts are counted, want 3", got)
	}
}

// dial opens a bare connection, on which nothing waits longer than 10 s.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// ask sends a PING and wants its answer.
func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "*1\r\n$4\r\nPING\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(conn).ReadString('\n'); err != nil || got != "+PONG\r\n" {
		t.Fatalf("PING gave %q: %v", got, err)
	}
}
