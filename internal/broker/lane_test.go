package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// valve counts the pipelines that a client sends, and holds them while it is
// shut.
type valve struct {
	sent chan int // commands of each pipeline, before it is sent

	mu   sync.Mutex // protects the field below
	open chan struct{}
}

func (*valve) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*valve) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (v *valve) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		v.mu.Lock()
		open := v.open
		v.mu.Unlock()
		v.sent <- len(cmds)
		<-open
		return next(ctx, cmds)
	}
}

func (v *valve) shut() {
	v.mu.Lock()
	v.open = make(chan struct{})
	v.mu.Unlock()
}

func (v *valve) release() {
	v.mu.Lock()
	close(v.open)
	v.mu.Unlock()
}

// pipelines are the sizes of those that were sent meanwhile.
func (v *valve) pipelines() []int {
	var sizes []int
	for {
		select {
		case n := <-v.sent:
			sizes = append(sizes, n)
		default:
			return sizes
		}
	}
}

// laneRig is a lane to a Redis of its own, behind a valve that is open.
type laneRig struct {
	*valve
	lanes  *lanes
	client *redis.Client
	server *redistest.Server
}

func newLaneRig(t *testing.T) *laneRig {
	t.Helper()
	s := redistest.Start(t)
	client := redis.NewClient(&redis.Options{
		Addr: s.Addr(), MaxRetries: -1, Protocol: 2, PipelinePoolSize: -1,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, // longer than a test holds it up
	})
	if err := client.Ping(t.Context()).Err(); err != nil { // the handshake would count as a pipeline
		t.Fatal(err)
	}
	v := &valve{sent: make(chan int, 100_000), open: make(chan struct{})}
	client.AddHook(v)
	close(v.open)
	r := &laneRig{valve: v, lanes: newLanes(client, false), client: s.Client(t), server: s}
	t.Cleanup(func() {
		r.lanes.close()
		_ = client.Close()
	})
	return r
}

// lane is the only one there is, once something was submitted.
func (r *laneRig) lane() *lane {
	r.lanes.mu.RLock()
	defer r.lanes.mu.RUnlock()
	return r.lanes.byShard[""]
}

// hold shuts the valve and has a first pipeline wait in it, so that what is
// submitted now stays in the queue. The channel is closed once that is done.
func (r *laneRig) hold(t *testing.T) (first chan struct{}) {
	t.Helper()
	r.shut()
	first = make(chan struct{})
	r.submit(t, &op{cmds: []redis.Cmder{command("ping")}, done: func() { close(first) }})
	<-r.sent
	return first
}

func (r *laneRig) submit(t *testing.T, o *op) {
	t.Helper()
	if err := r.lanes.submit(t.Context(), "k", o); err != nil {
		t.Fatal(err)
	}
}

func (r *laneRig) get(t *testing.T, key string) string {
	t.Helper()
	value, err := r.client.Get(t.Context(), key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return value
}

func TestConcurrentCallersSharePipelines(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	first := r.hold(t)
	const callers = 500
	answers := make(chan int64, callers)
	var calling, answered sync.WaitGroup
	answered.Add(callers)
	for range callers {
		calling.Go(func() {
			cmd := command("incr", "n")
			o := &op{cmds: []redis.Cmder{cmd}, bytes: 10, done: func() {
				n, _ := cmd.Int64()
				answers <- n
				answered.Done()
			}}
			if err := r.lanes.submit(t.Context(), "k", o); err != nil {
				t.Error(err)
				answered.Done()
			}
		})
	}
	calling.Wait()
	r.release()
	answered.Wait()
	<-first
	close(answers)
	if sizes := r.pipelines(); !slices.Equal(sizes, []int{callers}) {
		t.Errorf("they went out in pipelines of %v, want one of %d", sizes, callers)
	}
	seen := map[int64]bool{}
	for n := range answers {
		seen[n] = true
	}
	if len(seen) != callers || !seen[1] || !seen[callers] {
		t.Errorf("there are %d different answers, want each caller to have its own", len(seen))
	}
}

func TestLoneCallerWaitsForNobody(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	for range 20 {
		if err := r.lanes.do(t.Context(), "k", &op{cmds: []redis.Cmder{command("ping")}}); err != nil {
			t.Fatal(err)
		}
	}
	if sizes := r.pipelines(); len(sizes) != 20 {
		t.Errorf("20 calls in a row went out in %d pipelines", len(sizes))
	}
}

func TestPipelinesAreBounded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ops, cmds, bytes, reply int
		want                    []int
	}{
		"by commands":              {ops: 2500, cmds: 1, bytes: 1, want: []int{1024, 1024, 452}},
		"by bytes":                 {ops: 5, cmds: 1, bytes: batchBytes / 2, want: []int{2, 2, 1}},
		"by the answer":            {ops: 5, cmds: 1, reply: batchReply / 2, want: []int{2, 2, 1}},
		"an operation stays whole": {ops: 3, cmds: 1000, bytes: 1, want: []int{1000, 1000, 1000}},
		"even a large one":         {ops: 2, cmds: 3000, bytes: 2 * batchBytes, want: []int{3000, 3000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newLaneRig(t)
			r.hold(t)
			var answered sync.WaitGroup
			answered.Add(tc.ops)
			for range tc.ops {
				o := &op{bytes: tc.bytes, reply: tc.reply, done: answered.Done}
				for range tc.cmds {
					o.cmds = append(o.cmds, command("ping"))
				}
				r.submit(t, o)
			}
			r.release()
			answered.Wait()
			if sizes := r.pipelines(); !slices.Equal(sizes, tc.want) {
				t.Errorf("the pipelines have %v commands, want %v", sizes, tc.want)
			}
		})
	}
}

func TestLaneKeepsOrder(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	const callers, each = 10, 300
	var calling, answered sync.WaitGroup
	answered.Add(callers * each)
	for caller := range callers {
		calling.Go(func() {
			for i := range each {
				o := &op{cmds: []redis.Cmder{
					command("rpush", caller, 2*i), command("rpush", caller, 2*i+1),
				}, done: answered.Done}
				if err := r.lanes.submit(t.Context(), "k", o); err != nil {
					t.Error(err)
					answered.Done()
				}
			}
		})
	}
	calling.Wait()
	answered.Wait()
	want := make([]string, 2*each)
	for i := range want {
		want[i] = strconv.Itoa(i)
	}
	for caller := range callers {
		got, err := r.client.LRange(t.Context(), strconv.Itoa(caller), 0, -1).Result()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("what caller %d has pushed is out of order (%v): %v", caller, err, got)
		}
	}
}

func TestScriptUnknownToRedisRunsOnce(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	script := newScript(`return redis.call('INCR', KEYS[1])`)
	fails := newScript(`redis.call('INCR', KEYS[1]) return redis.error_reply('ERR no')`)
	for round := range 3 {
		r.hold(t)
		const callers = 50
		var answered sync.WaitGroup
		var cmds, failing []once
		for i := range callers {
			cmd, failed := script.call([]string{"n"}), fails.call([]string{"failed"})
			cmds, failing = append(cmds, cmd), append(failing, failed)
			answered.Add(1)
			r.submit(t, &op{cmds: []redis.Cmder{command("set", "plain", i), cmd, failed}, done: answered.Done})
		}
		r.release()
		answered.Wait()
		for i, cmd := range cmds {
			if n, err := cmd.Int(); err != nil || n != round*callers+i+1 {
				t.Fatalf("round %d: script %d answered %d (%v)", round, i, n, err)
			}
			if err := failing[i].Err(); err == nil || err.Error()[:6] != "ERR no" {
				t.Fatalf("round %d: the script's own error is %v", round, err)
			}
		}
		want := strconv.Itoa((round + 1) * callers)
		if n, failed := r.get(t, "n"), r.get(t, "failed"); n != want || failed != want {
			t.Fatalf("round %d: the scripts have run %s and %s times, want %s", round, n, failed, want)
		}
		// The first round meets a Redis that knows no script; the second, one that
		// does; the third, one that has forgotten.
		if round == 1 {
			if err := r.client.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestKnownScriptIsNotSentAgain(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	script := newScript(`return 1`)
	for range 3 {
		if err := r.lanes.do(t.Context(), "k", &op{cmds: []redis.Cmder{script.call([]string{"k"})}}); err != nil {
			t.Fatal(err)
		}
	}
	if sizes := r.pipelines(); len(sizes) != 4 { // the first call needs two
		t.Errorf("3 calls took %d pipelines, want 4", len(sizes))
	}
}

// do is lanes.do in a goroutine of its own.
func (r *laneRig) do(ctx context.Context, o *op) <-chan error {
	answer := make(chan error, 1)
	go func() { answer <- r.lanes.do(ctx, "k", o) }()
	return answer
}

// queued waits until n operations wait behind the one that is under way.
func (r *laneRig) queued(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for len(r.lane().queue) != n {
		select {
		case <-deadline:
			t.Fatalf("%d operations are queued, want %d", len(r.lane().queue), n)
		case <-time.After(time.Millisecond): // a queue sends no signal
		}
	}
}

func TestAbandonedOperationIsNeverSent(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	r.server.Pause()
	first := make(chan struct{})
	r.submit(t, &op{cmds: []redis.Cmder{command("set", "first", 1)}, done: func() { close(first) }})
	<-r.sent // and now Redis has it, and is silent

	ctx, leave := context.WithCancel(t.Context())
	var told atomic.Bool
	abandoned := r.do(ctx, &op{cmds: []redis.Cmder{command("set", "second", 1)}, done: func() { told.Store(true) }})
	r.queued(t, 1)
	leave()
	if err := <-abandoned; !errors.Is(err, errAbandoned) {
		t.Errorf("the caller that left got %v, want %v", err, errAbandoned)
	}
	r.server.Resume()
	if err := r.lanes.do(t.Context(), "k", &op{cmds: []redis.Cmder{command("set", "third", 1)}}); err != nil {
		t.Fatal(err)
	}
	<-first
	if got := r.get(t, "first") + r.get(t, "second") + r.get(t, "third"); got != "11" || r.get(t, "second") != "" {
		t.Errorf("the second command was sent although its caller was told that it was not")
	}
	if told.Load() {
		t.Error("it was said to be done")
	}
	if code := hub.AsError(failure(errAbandoned, "x")).Code; code != hub.CodeUnavailable {
		t.Errorf("clients are told %s, want that certainly nothing was done", code)
	}
}

func TestOfWhatWasAbandonedNoAnswerIsDue(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	first := r.hold(t)
	ctx, leave := context.WithCancel(t.Context())
	abandoned := r.do(ctx, &op{cmds: []redis.Cmder{command("ping")}})
	r.queued(t, 1)
	leave()
	<-abandoned
	r.release()
	<-first
	r.lanes.close() // the lane has taken what was abandoned, too
	if r.lane().since.Load() != 0 {
		t.Error("a Redis that has answered all that it was asked is taken for silent")
	}
}

func TestOperationUnderWayMayHaveBeenDone(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	r.shut()
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	answer := r.do(ctx, &op{cmds: []redis.Cmder{command("set", "k", 1)}, done: func() { close(done) }})
	<-r.sent
	leave()
	err := <-answer
	if code := hub.AsError(failure(err, "x")).Code; code != hub.CodeUnconfirmed {
		t.Errorf("the caller that left is told %s (%v), want %s", code, err, hub.CodeUnconfirmed)
	}
	r.release()
	<-done // the hub hears of its end all the same
	if got := r.get(t, "k"); got != "1" {
		t.Errorf("the command left %q", got)
	}
}

func TestSilentRedisIsAnAnswerWithin3Seconds(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	r.hold(t)
	defer r.release()
	began := time.Now()
	err := r.lanes.do(t.Context(), "k", &op{cmds: []redis.Cmder{command("ping")}})
	if !errors.Is(err, errAbandoned) {
		t.Errorf("the caller got %v, want %v", err, errAbandoned)
	}
	const slack = 2 * time.Second // of a loaded machine
	if took := time.Since(began); took > 3*time.Second+slack {
		t.Errorf("the answer took %s", took)
	}
}

func TestFullQueueIsAnAnswer(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	r.hold(t)
	var answered sync.WaitGroup
	accepted := 0
	var err error
	for err == nil && accepted <= laneOps {
		answered.Add(1)
		if err = r.lanes.submit(t.Context(), "k", &op{cmds: []redis.Cmder{command("incr", "n")}, bytes: 1, done: answered.Done}); err == nil {
			accepted++
		} else {
			answered.Done()
		}
	}
	if accepted != laneOps || !errors.Is(err, errOverloaded) {
		t.Errorf("%d operations were queued, then %v; want %d, then %v", accepted, err, laneOps, errOverloaded)
	}
	if e := hub.AsError(err); e.Code != hub.CodeUnavailable || e.RetryAfter == 0 {
		t.Errorf("it is answered %+v, want %s with Retry-After", e, hub.CodeUnavailable)
	}
	if err := r.lanes.do(t.Context(), "k", &op{}); !errors.Is(err, errOverloaded) {
		t.Errorf("a caller that waits gets %v, want %v", err, errOverloaded)
	}
	r.release()
	answered.Wait()
	if n := r.get(t, "n"); n != strconv.Itoa(laneOps) {
		t.Errorf("%s operations were done, want %d", n, laneOps)
	}
	if err := r.lanes.do(t.Context(), "k", &op{cmds: []redis.Cmder{command("ping")}}); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	r.hold(t)
	var answered sync.WaitGroup
	answered.Add(2)
	large := func(bytes int) *op {
		return &op{cmds: []redis.Cmder{command("ping")}, bytes: bytes, done: answered.Done}
	}
	r.submit(t, large(laneBytes-1))
	if err := r.lanes.submit(t.Context(), "k", &op{bytes: 2}); !errors.Is(err, errOverloaded) {
		t.Errorf("a byte too much is answered %v, want %v", err, errOverloaded)
	}
	r.submit(t, large(1))
	r.release()
	answered.Wait()
	if n := r.lane().waiting.Load(); n != 0 {
		t.Errorf("%d bytes are said to wait in an empty queue", n)
	}
}

func TestCloseSendsWhatIsQueued(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	r.hold(t)
	for range 10 {
		r.submit(t, &op{cmds: []redis.Cmder{command("incr", "n")}})
	}
	closed := make(chan struct{})
	go func() {
		r.lanes.close()
		r.lanes.close() // does nothing
		close(closed)
	}()
	r.release()
	<-closed
	if n := r.get(t, "n"); n != "10" {
		t.Errorf("%s operations were done, want 10", n)
	}
	err := r.lanes.submit(t.Context(), "k", &op{})
	if code := hub.AsError(err).Code; err == nil || code != hub.CodeUnavailable {
		t.Errorf("closed lanes answer %v, want %s", err, hub.CodeUnavailable)
	}
}

func TestCallersMeetAClosingLaneUnharmed(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	var calling sync.WaitGroup
	var accepted, answered atomic.Int64
	begin := make(chan struct{})
	for range 20 {
		calling.Go(func() {
			<-begin
			for range 50 {
				o := &op{cmds: []redis.Cmder{command("ping")}, done: func() { answered.Add(1) }}
				if r.lanes.submit(t.Context(), "k", o) == nil {
					accepted.Add(1)
				}
			}
		})
	}
	close(begin)
	r.lanes.close()
	calling.Wait()
	if accepted.Load() != answered.Load() {
		t.Errorf("%d operations were accepted and %d answered", accepted.Load(), answered.Load())
	}
}

func TestEachCommandHasItsOwnError(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	good, bad, missing := command("incr", "n"), command("incr", "n", "n"), command("get", "missing")
	if err := r.lanes.do(t.Context(), "k", &op{cmds: []redis.Cmder{good, bad, missing}}); err != nil {
		t.Fatal(err)
	}
	if good.Err() != nil || !isReply(bad.Err()) || !errors.Is(missing.Err(), redis.Nil) {
		t.Errorf("the errors are %v, %v and %v", good.Err(), bad.Err(), missing.Err())
	}
}

func TestLostConnectionFailsEveryCommandOfItsPipeline(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	r.hold(t)
	cmds := make([]redis.Cmder, 5)
	for i := range cmds {
		cmds[i] = command("ping")
	}
	done := make(chan struct{})
	r.submit(t, &op{cmds: cmds, done: func() { close(done) }})
	r.server.Kill()
	r.release()
	<-done
	for i, cmd := range cmds {
		if cmd.Err() == nil {
			t.Errorf("command %d is said to have worked", i)
		}
	}
}

func TestOnceIsNeverRetried(t *testing.T) {
	t.Parallel()
	var cmd redis.Cmder = command("ping")
	if r, ok := cmd.(interface{ NoRetry() bool }); !ok || !r.NoRetry() {
		t.Error("go-redis may send it twice")
	}
	if fmt.Sprint(newScript("x").call([]string{"a", "b"}, 1, "c").Args()...) != fmt.Sprint("evalsha", newScript("x").sha, 2, "a", "b", 1, "c") {
		t.Error("the arguments are not those of EVALSHA")
	}
}

func TestOnlyWhatCertainlyWasNotSentIsTakenBack(t *testing.T) {
	t.Parallel()
	errDial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for name, test := range map[string]struct {
		results []error // of the second op's commands
		want    string
	}{
		"refused":  {[]error{errDial, errDial}, "begin begin unsent 2 unsent 1"},
		"answered": {[]error{nil, nil}, "begin begin unsent 1"},
		"in part":  {[]error{nil, errDial}, "begin begin unsent 1"},
		"cut off":  {[]error{io.EOF, io.EOF}, "begin begin unsent 1"},
	} {
		var said []string
		newOp := func(name string, commands int) *op {
			o := &op{
				begin:  func() { said = append(said, "begin") },
				unsent: func() { said = append(said, "unsent "+name) },
			}
			for range commands {
				o.cmds = append(o.cmds, command("publish", "a", "b"))
			}
			return o
		}
		first, second, abandoned := newOp("1", 1), newOp("2", 2), newOp("3", 1)
		abandoned.state.Store(opAbandoned)
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
		client.AddHook(answers(func(cmds []redis.Cmder) {
			cmds[0].SetErr(errDial)
			for i, err := range test.results {
				cmds[i+1].SetErr(err)
			}
		}))
		l := &lane{}
		l.commit([]*op{first, second, abandoned}, client.Pipeline())
		if got := strings.Join(said, " "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		_ = client.Close()
	}
}

// answers are a Redis's, in place of one.
type answers func(cmds []redis.Cmder)

func (answers) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (answers) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (a answers) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		a(cmds)
		return nil
	}
}

// caller is a client of whom the context does not tell.
type caller struct{ left atomic.Bool }

func (c *caller) Left() bool { return c.left.Load() }

func TestOperationOfAClientThatHasLeftIsNeverSent(t *testing.T) {
	t.Parallel()
	r := newLaneRig(t)
	first := r.hold(t)
	there, gone := &caller{}, &caller{}
	gone.left.Store(true)
	stays := r.do(hub.WithClient(t.Context(), there), &op{cmds: []redis.Cmder{command("set", "stays", 1)}})
	leaves := r.do(hub.WithClient(t.Context(), gone), &op{cmds: []redis.Cmder{command("set", "leaves", 1)}})
	if err := <-leaves; !errors.Is(err, errAbandoned) {
		t.Errorf("the operation of a client that has left got %v, want %v", err, errAbandoned)
	}
	r.release()
	<-first
	if err := <-stays; err != nil {
		t.Errorf("the operation of a client that is there got %v", err)
	}
	if r.get(t, "stays") != "1" || r.get(t, "leaves") != "" {
		t.Errorf("stays is %q, leaves is %q: want 1, and nothing", r.get(t, "stays"), r.get(t, "leaves"))
	}
}
