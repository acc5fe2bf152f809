package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// reply is an error that Redis has answered.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestFailuresAreToldApart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		code hub.Code
	}{
		// Certainly not done: no connection, or Redis says that it does not serve.
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, hub.CodeUnavailable},
		{fmt.Errorf("wrapped: %w", &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}), hub.CodeUnavailable},
		{&net.DNSError{Err: "no such host"}, hub.CodeUnavailable},
		{redis.ErrPoolTimeout, hub.CodeUnavailable},
		{redis.ErrPoolExhausted, hub.CodeUnavailable},
		{redis.ErrClosed, hub.CodeUnavailable},
		{errAbandoned, hub.CodeUnavailable},
		{reply("LOADING Redis is loading the dataset in memory"), hub.CodeUnavailable},
		{reply("READONLY You can't write against a read only replica."), hub.CodeUnavailable},
		{reply("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."), hub.CodeUnavailable},
		{reply("CLUSTERDOWN The cluster is down"), hub.CodeUnavailable},
		{reply("TRYAGAIN Multiple keys request during rehashing of slot"), hub.CodeUnavailable},
		{reply("MOVED 866 10.0.0.1:6379"), hub.CodeUnavailable},
		{reply("ASK 866 10.0.0.1:6379"), hub.CodeUnavailable},
		{reply("NOREPLICAS Not enough good replicas to write."), hub.CodeUnavailable},
		{reply("BUSY Redis is busy running a script."), hub.CodeUnavailable},
		{reply("NOAUTH Authentication required."), hub.CodeUnavailable},
		{reply("WRONGPASS invalid username-password pair or user is disabled."), hub.CodeUnavailable},
		{reply("ERR max number of clients reached"), hub.CodeUnavailable},
		{reply("ERR Error running script: @user_script:3: @user_script: READONLY You can't write"), hub.CodeUnavailable},

		// No room for it.
		{reply("OOM command not allowed when used memory > 'maxmemory'."), hub.CodeStorageFull},
		{reply("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."), hub.CodeStorageFull},

		// Another program's key.
		{reply("WRONGTYPE Operation against a key holding the wrong kind of value"), hub.CodeConflict},

		// Redis refused it for a reason that is not the client's to know.
		{reply("NOPERM this user has no permissions to run the 'xadd' command"), hub.CodeInternal},
		{reply("ERR unknown command 'XADD'"), hub.CodeInternal},
		{reply("ERR the words OOM and READONLY stand in the middle"), hub.CodeInternal},

		// Sent, and the answer lost.
		{io.EOF, hub.CodeUnconfirmed},
		{io.ErrUnexpectedEOF, hub.CodeUnconfirmed},
		{context.DeadlineExceeded, hub.CodeUnconfirmed},
		{context.Canceled, hub.CodeUnconfirmed},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, hub.CodeUnconfirmed},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, hub.CodeUnconfirmed},
		{errors.New("OOM: not a word of Redis"), hub.CodeUnconfirmed},
	} {
		var e *hub.Error
		if err := failure(tc.err, "publishing"); !errors.As(err, &e) || e.Code != tc.code {
			t.Errorf("%v is answered %v, want %s", tc.err, err, tc.code)
			continue
		}
		if !errors.Is(e, tc.err) {
			t.Errorf("%v is not the cause of %v: the log would not show it", tc.err, e)
		}
		if strings.Contains(e.Detail, tc.err.Error()) || !strings.HasPrefix(e.Detail, "publishing: ") {
			t.Errorf("%v: the client is told %q", tc.err, e.Detail)
		}
		if wait := e.Code.Status() == 503; wait != (e.RetryAfter > 0) {
			t.Errorf("%v: status %d with Retry-After %s", tc.err, e.Code.Status(), e.RetryAfter)
		}
	}
}

func TestNoFailureIsNoError(t *testing.T) {
	t.Parallel()
	if err := failure(nil, "publishing"); err != nil {
		t.Error(err)
	}
}

func TestReadIsNeverInDoubt(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]hub.Code{
		io.EOF:                   hub.CodeUnavailable, // nothing was changed, whatever became of it
		context.DeadlineExceeded: hub.CodeUnavailable,
		reply("LOADING"):         hub.CodeUnavailable,
		reply("WRONGTYPE"):       hub.CodeConflict,
		reply("ERR no"):          hub.CodeInternal,
		hub.Errorf(hub.CodeSinkNotFound, "no sink"): hub.CodeSinkNotFound,
	} {
		if e := hub.AsError(readFailure(err, "reading")); e.Code != want {
			t.Errorf("%v is answered %v, want %s", err, e, want)
		}
	}
	if err := readFailure(nil, "reading"); err != nil {
		t.Error(err)
	}
}

func TestKnownErrorPassesAsItIs(t *testing.T) {
	t.Parallel()
	known := hub.Errorf(hub.CodeSinkNotFound, "there is no sink")
	if err := failure(known, "acknowledging"); !errors.Is(err, known) || hub.AsError(err) != known {
		t.Errorf("it became %v", err)
	}
}

func TestLostGroupIsRecognized(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c, ctx := engineClient(t, s.URL()), t.Context()
	if err := c.XGroupCreateMkStream(ctx, "other", "g", "$").Err(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a read of a group that is gone":      c.Do(ctx, "xreadgroup", "group", "x", "c", "streams", "other", ">").Err(),
		"a read of a stream that is gone":     c.Do(ctx, "xreadgroup", "group", "g", "c", "streams", "gone", ">").Err(),
		"a script over a group that is gone":  c.Do(ctx, "eval", ackScript.source, 8, "other", "b", "c", "d", "e", "f", "g", "h", "x", "1-0").Err(),
		"a script over a stream that is gone": c.Do(ctx, "eval", ackScript.source, 8, "gone", "b", "c", "d", "e", "f", "g", "h", "g", "1-0").Err(),
	} {
		if !isNoGroup(err) {
			t.Errorf("%s is answered %v, which is not seen as a lost group", name, err)
		}
	}
	if err := c.Do(ctx, "xadd", "other").Err(); isNoGroup(err) {
		t.Errorf("%v is seen as a lost group", err)
	}
}

// TestRealFailures holds the table to what Redis and go-redis really answer.
func TestRealFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail func(t *testing.T, s *redistest.Server) (url string)
		want hub.Code
	}{
		"nobody listens": {func(_ *testing.T, s *redistest.Server) string {
			s.Kill()
			return s.URL()
		}, hub.CodeUnavailable},
		"wrong password": {func(t *testing.T, s *redistest.Server) string {
			set(t, s, "requirepass", "right")
			return "redis://:wrong@" + s.Addr()
		}, hub.CodeUnavailable},
		"no password": {func(t *testing.T, s *redistest.Server) string {
			set(t, s, "requirepass", "right")
			return s.URL()
		}, hub.CodeUnavailable},
		"a replica": {func(t *testing.T, s *redistest.Server) string {
			if err := s.Client(t).Do(t.Context(), "replicaof", "127.0.0.1", "1").Err(); err != nil {
				t.Fatal(err)
			}
			return s.URL()
		}, hub.CodeUnavailable},
		"out of memory": {func(t *testing.T, s *redistest.Server) string {
			set(t, s, "maxmemory", "1")
			return s.URL()
		}, hub.CodeStorageFull},
		"too few replicas": {func(t *testing.T, s *redistest.Server) string {
			set(t, s, "min-replicas-to-write", "1")
			return s.URL()
		}, hub.CodeUnavailable},
		"another type": {func(t *testing.T, s *redistest.Server) string {
			if err := s.Client(t).Set(t.Context(), "hub:{s}:log", "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
			return s.URL()
		}, hub.CodeConflict},
		"no right": {func(t *testing.T, s *redistest.Server) string {
			if err := s.Client(t).Do(t.Context(), "acl", "setuser", "u", "on", ">p", "~*", "&*", "+@all", "-xadd").Err(); err != nil {
				t.Fatal(err)
			}
			return "redis://u:p@" + s.Addr()
		}, hub.CodeInternal},
		"the answer is lost": {func(t *testing.T, s *redistest.Server) string {
			p := redistest.NewProxy(t, s.Addr())
			p.DropReplies(1, "xadd", "evalsha")
			return p.URL()
		}, hub.CodeUnconfirmed},
	} {
		for _, size := range []int{1, 3} { // XADD, and the script
			t.Run(fmt.Sprintf("%s, %d events", name, size), func(t *testing.T) {
				t.Parallel()
				ls := newLanes(engineClient(t, tc.fail(t, redistest.Start(t))), false)
				defer ls.close()
				events := make([]hub.Event, size)
				for i := range events {
					events[i].Data = []byte("1")
				}
				cmd := command("xadd", "hub:{s}:log", "*", "data", "1")
				if size > 1 {
					b := &Broker{keys: keys{"hub:"}, opts: Options{}}
					cmd, _ = b.addCommand(hub.Publication{Stream: "s", Events: events})
				}
				if err := ls.do(t.Context(), "hub:{s}:log", &op{cmds: []redis.Cmder{cmd}}); err != nil {
					t.Fatal(err)
				}
				if got := failure(cmd.Err(), "publishing"); got == nil || hub.AsError(got).Code != tc.want {
					t.Errorf("it is answered %v, want %s", got, tc.want)
				}
			})
		}
	}
}

func set(t *testing.T, s *redistest.Server, name, value string) {
	t.Helper()
	if err := s.Client(t).ConfigSet(t.Context(), name, value).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestWaitIsSaidInWholeUnitsThatClientsCanWait(t *testing.T) {
	t.Parallel()
	if retryAfter < time.Second {
		t.Errorf("Retry-After counts seconds, %s is less", retryAfter)
	}
}
