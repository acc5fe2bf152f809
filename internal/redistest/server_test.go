package redistest_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestStartedServerAnswersAndPersistsNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if want := "redis://" + s.Addr(); s.URL() != want {
		t.Errorf("URL is %q, want %q", s.URL(), want)
	}
	for key, want := range map[string]string{"save": "", "appendonly": "no"} {
		got, err := c.ConfigGet(t.Context(), key).Result()
		if err != nil || got[key] != want {
			t.Errorf("config %s is %q (%v), want %q", key, got[key], err, want)
		}
	}
}

func TestArgumentsReachTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory", "64mb", "--save", "900 1")
	for key, want := range map[string]string{"maxmemory": "67108864", "save": "900 1"} {
		got, err := s.Client(t).ConfigGet(t.Context(), key).Result()
		if err != nil || got[key] != want {
			t.Errorf("config %s is %q (%v), want %q", key, got[key], err, want)
		}
	}
}

func TestCleanupEndsTheProcess(t *testing.T) {
	t.Parallel()
	var pid int
	r := record(t, func(t testing.TB) { pid = redistest.Start(t).Pid() })
	if r.failed {
		t.Fatalf("start failed: %s", r.log.String())
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after cleanup: %v, want %v", pid, err, syscall.ESRCH)
	}
	if r.log.Len() > 0 {
		t.Errorf("a test that passed logged %q", r.log.String())
	}
}

func TestMissingServerFailsWithWhatToType(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := record(t, func(t testing.TB) { redistest.Start(t) })
	for _, want := range []string{"redis-server is not installed", "`make test`", "`apt-get install redis-server`"} {
		if !r.failed || !strings.Contains(r.log.String(), want) {
			t.Errorf("failed %t with %q, want failure with %q", r.failed, r.log.String(), want)
		}
	}
}

func TestFailedStartShowsTheLog(t *testing.T) {
	t.Parallel()
	r := record(t, func(t testing.TB) { redistest.Start(t, "--no-such-option", "yes") })
	if want := "Bad directive"; !r.failed || !strings.Contains(r.log.String(), want) {
		t.Errorf("failed %t with %q, want failure with %q", r.failed, r.log.String(), want)
	}
}

func TestFailedTestShowsTheLog(t *testing.T) {
	t.Parallel()
	r := record(t, func(t testing.TB) {
		redistest.Start(t)
		t.Errorf("something else went wrong")
	})
	if want := "Ready to accept connections"; !strings.Contains(r.log.String(), want) {
		t.Errorf("log is %q, want it to contain %q", r.log.String(), want)
	}
}

func TestTakenPortIsReplaced(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	silent, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening at %v", ln.Addr())
	}
	other := redistest.Start(t)
	taken := []int{
		silent.Port,  // by somebody who never answers
		other.Port(), // by a server that answers PING
	}
	s := redistest.StartOn(t, taken...)
	for _, port := range taken {
		if s.Port() == port {
			t.Errorf("server claims port %d, which was taken", port)
		}
	}
	if err := s.Client(t).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestKilledServerRefusesConnections(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	s.Kill() // does nothing
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		conn.Close()
		t.Errorf("%s still accepts", s.Addr())
	}
}

func TestRestartKeepsAddressAndAppendOnlyData(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want int64
	}{
		"persistent": {[]string{"--appendonly", "yes"}, 1},
		"volatile":   {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, tc.args...)
			addr := s.Addr()
			if err := s.Client(t).Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			s.Kill()
			s.Restart()
			s.Restart() // a running server as well
			if s.Addr() != addr {
				t.Errorf("address is %s, was %s", s.Addr(), addr)
			}
			got, err := s.Client(t).Exists(t.Context(), "k").Result()
			if err != nil || got != tc.want {
				t.Errorf("%d keys after restart (%v), want %d", got, err, tc.want)
			}
		})
	}
}

func TestPausedServerIsSilentUntilResumed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Incr(ctx, "n").Err(); err == nil {
		t.Error("a paused server answered")
	}
	s.Resume()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after Resume: %v", err)
	}
}

func TestPausedServerCanBeKilledAndRestarted(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Pause()
	s.Restart()
	if err := s.Client(t).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestClientCountGoesByName(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, name := range []string{"hub-a", "hub-a", "hub-ab"} {
		conn := s.Client(t).Conn()
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.ClientSetName(t.Context(), name).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"hub-a": 2, "hub-ab": 1, "hub": 0} {
		if got := s.ClientCount(t, name); got != want {
			t.Errorf("%d clients are named %q, want %d", got, name, want)
		}
	}
}
