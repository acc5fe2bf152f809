package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// exchanges notes the commands of each pipeline that a client sends.
type exchanges struct {
	mu   sync.Mutex // protects the field below
	list []string   // such as "xadd xreadgroup"; of a bell its word, such as "bell-new"
}

func (*exchanges) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*exchanges) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (x *exchanges) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		names := make([]string, len(cmds))
		for i, cmd := range cmds {
			names[i] = cmd.Name()
			if words := strings.Fields(fmt.Sprint(cmd.Args()...)); names[i] == "publish" && len(words) > 1 {
				names[i] = "bell-" + words[1]
			}
		}
		x.mu.Lock()
		x.list = append(x.list, strings.Join(names, " "))
		x.mu.Unlock()
		return next(ctx, cmds)
	}
}

// with are those that have a command.
func (x *exchanges) with(name string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(x.list), func(names string) bool {
		return !slices.Contains(strings.Fields(names), name)
	})
}

// standing is a hub whose sink "billing" has a read standing by at "orders".
func standing(t *testing.T) (b *Broker, c *consumer, publishing, working *exchanges) {
	t.Helper()
	b, handle := startConsumer(t, redistest.Start(t).URL())
	c, _ = handle.(*consumer)
	publishOne(t, b) // the stream is known from now on
	settleAll(t, c, taken(t, c, 1))
	awaitStandby(t, c)
	publishing, working = &exchanges{}, &exchanges{}
	b.store.publish.AddHook(publishing)
	b.store.engine.AddHook(working)
	return b, c, publishing, working
}

func publishOne(t *testing.T, b *Broker) hub.ID {
	t.Helper()
	published, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{{Data: []byte("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	return published.IDs[0]
}

func settleAll(t *testing.T, c *consumer, events []hub.Event) {
	t.Helper()
	var ids []hub.ID
	for _, e := range events {
		id, err := hub.ParseID(e.ID)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	acked := make(chan error, 1)
	if err := c.Settle(settlement("orders", ids), func(_ hub.Settled, err error) { acked <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
}

// awaitStandby has the consumer ask for events, and waits until a read stands by.
func awaitStandby(t *testing.T, c *consumer) {
	t.Helper()
	found := make(chan *sinkStream, 1)
	c.sink.post(func() { found <- c.sink.streams["orders"] })
	st := <-found
	for deadline := time.Now().Add(20 * time.Second); ; {
		if d, err := c.Take(); err != nil || len(d.Events) > 0 {
			t.Fatalf("took %d events, error %v; want nothing", len(d.Events), err)
		}
		if o := st.standby.Load(); o != nil && o.state.Load() == opQueued {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no read stands by, although a consumer waits and there is nothing new")
		}
	}
}

// The sink may be awake for something else in the very moment of a publish: then its
// read comes after, as it would without any standing by.
func TestReadGoesOutBehindWhatItsHubPublishes(t *testing.T) {
	t.Parallel()
	b, c, publishing, working := standing(t)
	const events = 20
	for range events {
		id := publishOne(t, b)
		got := taken(t, c, 1)
		if got[0].ID != id.String() {
			t.Fatalf("event %s came, want %s", got[0].ID, id)
		}
		settleAll(t, c, got)
		awaitStandby(t, c)
	}
	behind := len(publishing.with("xreadgroup"))
	if behind < events/2 {
		t.Errorf("%d of %d publishes took a read along; pipelines: %q", behind, events, publishing.with("xadd"))
	}
	if again := len(working.with("xreadgroup")); behind+again > events+events/4 {
		t.Errorf("%d reads behind a publish and %d others were sent for %d events, want one for each", behind, again, events)
	}
}

func TestReadThatStandsByIsWithdrawn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, c *consumer){
		"pause": func(t *testing.T, c *consumer) {
			t.Helper()
			paused := make(chan struct{})
			c.Pause(func() { close(paused) })
			<-paused
		},
		"close": func(t *testing.T, c *consumer) { closeConsumer(t, c) },
		"remove_stream": func(t *testing.T, c *consumer) {
			t.Helper()
			removed := make(chan struct{})
			c.RemoveStream("orders", func() { close(removed) })
			<-removed
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, c, publishing, working := standing(t)
			change(t, c)
			publishOne(t, b)
			if got := publishing.with("xreadgroup"); len(got) > 0 {
				t.Errorf("nobody waits, and a read went out: %q", got)
			}
			if got := working.with("xreadgroup"); len(got) > 0 {
				t.Errorf("nobody waits, and a read went out: %q", got)
			}
		})
	}
}

func TestLostAnswerOfAReadBehindAPublishLosesNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr())
	b, handle := startConsumer(t, proxy.URL())
	c, _ := handle.(*consumer)
	publishOne(t, b)
	settleAll(t, c, taken(t, c, 1))
	awaitStandby(t, c)
	proxy.DropReplies(1, "xadd")
	events, lost := 0, false
	for ; !lost && events < 100; events++ { // until the hub knows the stream, a script adds
		_, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{{Data: []byte("2")}}})
		lost = err != nil && hub.AsError(err).Code == hub.CodeUnconfirmed
	}
	if !lost {
		t.Fatal("no publish lost its answer")
	}
	got := map[string]bool{}
	for len(got) < events {
		for _, e := range taken(t, c, 1) {
			if got[e.ID] || e.Attempt != 1 {
				t.Errorf("event %s came with attempt %d, or again: nobody has seen it before", e.ID, e.Attempt)
			}
			got[e.ID] = true
			settleAll(t, c, []hub.Event{e})
		}
	}
}

// What is published to many sinks at once does not wait for all of their reads.
func TestFewReadsGoOutBehindOnePublish(t *testing.T) {
	t.Parallel()
	b := &Broker{watchers: map[string]*watched{"orders": {sinks: map[*sinkStream]*watcher{}}}}
	for range standbyReads + 5 {
		st := &sinkStream{}
		st.standby.Store(&op{})
		b.watchers["orders"].sinks[st] = &watcher{}
	}
	if n := len(b.standbys(nil, "orders")); n != standbyReads {
		t.Errorf("%d reads go out behind one publish, want %d", n, standbyReads)
	}
	if n := len(b.standbys(nil, "orders")); n != 5 {
		t.Errorf("%d reads go out behind the next, want 5", n)
	}
}
