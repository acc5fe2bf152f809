package ws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/hub"
)

// store is a stream of an engine that stores.
type store struct {
	mu     sync.Mutex // protects the fields below
	events []hub.Event
	parts  []hub.Publication
}

func (s *store) publish(_ context.Context, p hub.Publication) (hub.Published, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, p)
	ids := make([]hub.ID, len(p.Events))
	for i := range ids {
		s.events = append(s.events, p.Events[i])
		ids[i] = hub.ID{MS: uint64(len(s.events))}
	}
	return hub.Published{IDs: ids}, nil
}

func (s *store) broadcast(_ context.Context, channel string, events []hub.Event) ([]string, error) {
	ids := make([]string, len(events))
	for i := range ids {
		ids[i] = fmt.Sprintf("%s/%d", channel, i)
	}
	return ids, nil
}

// sockets are the paths of all kinds.
var sockets = []string{"/v1/sinks/billing/ws?stream=orders", "/v1/readers/ws?stream=orders", "/v1/broadcast/ws?channel=room"}

// holdFirst has the first publish wait until release is closed; entered is closed
// once it does.
func (b *fakeBroker) holdFirst(publish func(context.Context, hub.Publication) (hub.Published, error)) (entered, release chan struct{}) {
	entered, release = make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.publish = func(ctx context.Context, p hub.Publication) (hub.Published, error) {
		once.Do(func() {
			close(entered)
			<-release
		})
		return publish(ctx, p)
	}
	return entered, release
}

// publishing has every kind of socket, over an engine that stores.
func publishing(t *testing.T, opts Options) (*service, *store) {
	t.Helper()
	s := &store{}
	return newService(t, &fakeBroker{
		consumer: newFakeConsumer(), reader: newFakeReader(), subscription: newFakeSubscription(),
		publish: s.publish, broadcast: s.broadcast,
	}, opts), s
}

func TestEverySocketPublishes(t *testing.T) {
	t.Parallel()
	for _, path := range sockets {
		s, stored := publishing(t, Options{})
		p := s.dial(path).ready()
		p.send(`{"type":"publish","stream":"refunds","events":[{"data":{"b":1.50, "a":"<&>"},"key":"k"},{"data_base64":"AA==","idempotency_key":"i"}],"ref":1}`)
		p.expect(`{"type":"ok","ref":1,"ids":["1-0","2-0"],"stream":"refunds"}`)
		p.send(`{"type":"publish","channel":"room","events":[{"data":1}],"ref":"a"}`)
		p.expect(`{"type":"ok","ref":"a","ids":["room/0"],"channel":"room"}`)
		p.send(`{"type":"publish","stream":"refunds","events":[{"data":3}]}`) // is not answered
		p.send(`{"type":"publish","stream":"refunds","events":[{"data":4}],"ref":2}`)
		p.expect(`{"type":"ok","ref":2,"ids":["4-0"],"stream":"refunds"}`)
		if part := stored.parts[0]; part.Stream != "refunds" || part.Key != "" || part.IfExists || string(part.Events[0].Data) != `{"b":1.50, "a":"<&>"}` ||
			part.Events[0].Key != "k" || !part.Events[1].Binary || part.Events[1].IdempotencyKey != "i" {
			t.Errorf("%s: the engine is given %+v", path, part)
		}
	}
}

func TestReplaysAreNamed(t *testing.T) {
	t.Parallel()
	s, _ := publishing(t, Options{})
	s.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
		return hub.Published{IDs: []hub.ID{{MS: 1}, {MS: 2}, {MS: 3}}, Replayed: []int{0, 2}}, nil
	}
	p := s.dial(sockets[1]).ready()
	p.send(`{"type":"publish","stream":"orders","events":[{"data":1},{"data":2},{"data":3}],"ref":1}`)
	p.expect(`{"type":"ok","ref":1,"ids":["1-0","2-0","3-0"],"stream":"orders","replayed":[0,2]}`)
}

func TestFaultyPublishReachesNoEngineAndClosesNothing(t *testing.T) {
	t.Parallel()
	s, stored := publishing(t, Options{Limits: hub.Limits{EventBytes: 10, BatchEvents: 3, BatchBytes: 1000}})
	s.broker.broadcast = func(context.Context, string, []hub.Event) ([]string, error) {
		t.Error("it is broadcast")
		return nil, nil
	}
	p := s.dial(sockets[1]).ready()
	for fields, want := range map[string]struct {
		code hub.Code
		says string
	}{
		`"events":[{"data":1}]`:                                                   {hub.CodeInvalidRequest, "stream is missing, or channel"},
		`"stream":"a","channel":"b","events":[{"data":1}]`:                        {hub.CodeInvalidRequest, "both given"},
		`"stream":"-","events":[{"data":1}]`:                                      {hub.CodeInvalidName, "stream name"},
		`"channel":"-","events":[{"data":1}]`:                                     {hub.CodeInvalidName, "channel name"},
		`"stream":1,"events":[{"data":1}]`:                                        {hub.CodeInvalidRequest, "stream is not a string"},
		`"stream":"a"`:                                                            {hub.CodeInvalidRequest, "events: want an array"},
		`"stream":"a","events":{"data":1}`:                                        {hub.CodeInvalidRequest, "events: want an array"},
		`"stream":"a","events":[]`:                                                {hub.CodeInvalidRequest, "at least one event"},
		`"stream":"a","events":[{"data":1},{},1]`:                                 {hub.CodeInvalidRequest, "nothing was published: /events/1/data is missing"},
		`"stream":"a","events":[{"data":1}],"if_exists":true`:                     {hub.CodeInvalidRequest, `"if_exists" is not a field of publish`},
		`"channel":"a","events":[{"data":1,"idempotency_key":"k"}]`:               {hub.CodeInvalidRequest, "/events/0/idempotency_key"},
		`"stream":"a","events":[{"data":"` + long(9) + `"}]`:                      {hub.CodePayloadTooLarge, "/events/0/data is 11 bytes"},
		`"stream":"a","events":[{"data":1},{"data":1},{"data":1},{"data":1}]`:     {hub.CodePayloadTooLarge, "at most 3"},
		`"stream":"a","events":[{"data":1,"headers":{"h":"` + long(1000) + `"}}]`: {hub.CodePayloadTooLarge, "1000 bytes"},
	} {
		p.send(`{"type":"publish","ref":7,` + fields + `}`)
		p.refused(want.code, want.says, "7")
	}
	if len(stored.parts) > 0 {
		t.Errorf("the engine was given %+v", stored.parts)
	}
	p.send(`{"type":"publish","ref":7,"stream":"a","events":[{"data":"` + long(8) + `"}]}`)
	p.expect(`{"type":"ok","ref":7,"ids":["1-0"],"stream":"a"}`)
}

func TestFailedPublishIsAnswered(t *testing.T) {
	t.Parallel()
	s, _ := publishing(t, Options{})
	p := s.dial(sockets[0]).ready()
	for code, err := range map[hub.Code]*hub.Error{
		hub.CodeUnconfirmed: hub.Errorf(hub.CodeUnconfirmed, "it may be stored"),
		hub.CodeStreamFull:  hub.Errorf(hub.CodeStreamFull, "it may be stored, or not"),
		hub.CodeConflict: {Code: hub.CodeConflict, Detail: "no", Faults: []hub.Fault{
			{Pointer: "/0/idempotency_key", Detail: "was given with other content"}, {Pointer: "/1/idempotency_key", Detail: "x"},
		}},
	} {
		want := "it may be stored"
		if code == hub.CodeConflict {
			want = "nothing was published: /events/0/idempotency_key was given with other content"
		}
		s.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) { return hub.Published{}, err }
		s.broker.broadcast = func(context.Context, string, []hub.Event) ([]string, error) { return nil, err }
		p.send(`{"type":"publish","stream":"orders","events":[{"data":1}],"ref":1}`)
		p.refused(code, want, "1")
		p.send(`{"type":"publish","stream":"orders","events":[{"data":1}]}`)
		p.refused(code, want, "")
		if code != hub.CodeConflict {
			p.send(`{"type":"publish","channel":"room","events":[{"data":1}],"ref":2}`)
			p.refused(code, want, "2")
		}
	}
}

func TestEventsAreStoredInTheOrderOfTheirCommands(t *testing.T) {
	t.Parallel()
	s, stored := publishing(t, Options{})
	entered, release := s.broker.holdFirst(stored.publish)
	p := s.dial(sockets[1]).ready()
	const commands = 50 // that may all be under way
	for i := range commands {
		p.send(fmt.Sprintf(`{"type":"publish","stream":"orders","events":[{"data":%d}],"ref":%d}`, i, i))
	}
	p.send(`{"type":"pause","ref":"p"}`)
	p.expect(`{"type":"ok","ref":"p"}`) // others do not wait
	receive(t, entered, "the first")
	close(release)
	for i := range commands {
		p.expect(fmt.Sprintf(`{"type":"ok","ref":%d,"ids":["%d-0"],"stream":"orders"}`, i, i+1))
	}
	for i, event := range stored.events {
		if string(event.Data) != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, event.Data)
		}
	}
}

func TestEventsOfExactlyTheLimitFitIntoAFrame(t *testing.T) {
	t.Parallel()
	limits := hub.DefaultLimits
	limits.BatchBytes = 2 << 20 // of which the race detector takes less time
	s, stored := publishing(t, Options{Limits: limits})
	p := s.dial(sockets[1]).ready()
	data := `"` + long(limits.EventBytes-2) + `"`
	p.send(`{"type":"publish","stream":"orders","events":[{"data":` + data + `}],"ref":1}`)
	p.expect(`{"type":"ok","ref":1,"ids":["1-0"],"stream":"orders"}`)
	if len(stored.events[0].Data) != limits.EventBytes {
		t.Errorf("%d bytes were stored", len(stored.events[0].Data))
	}
	p.send(`{"type":"publish","stream":"orders","events":[{"data":` + data[:1] + "x" + data[1:] + `}],"ref":1}`)
	p.refused(hub.CodePayloadTooLarge, "HUB_MAX_EVENT_BYTES", "1")

	// A batch of exactly the limit, under the longest name there is.
	batch := `[{"data":` + data + `},`
	const head, tail = `{"data":"`, `"}]`
	batch += head + long(limits.BatchBytes-len(batch)-len(head)-len(tail)) + tail
	name := long(128)
	ref := `"` + long(254) + `"`
	p.send(`{"type":"publish","stream":"` + name + `","events":` + batch + `,"ref":` + ref + `}`)
	p.expect(`{"type":"ok","ref":` + ref + `,"ids":["2-0","3-0"],"stream":"` + name + `"}`)
	p.send(`{"type":"publish","stream":"orders","events": [` + batch[1:len(batch)-1] + ` ],"ref":1}`)
	p.refused(hub.CodePayloadTooLarge, "HUB_MAX_BATCH_BYTES", "1")

	p.send(`{"type":"publish","stream":"orders","events":` + batch + `,"x":"` + long(targetBytes) + `"}`)
	p.refused(hub.CodePayloadTooLarge, "a frame may have at most", "")
	p.closed(websocket.StatusMessageTooBig)
}

func TestLargePublishesDoNotPileUp(t *testing.T) {
	t.Parallel()
	s, stored := publishing(t, Options{})
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	defer free() // or the socket's end would wait for ever
	s.broker.publish = func(ctx context.Context, p hub.Publication) (hub.Published, error) {
		<-release
		return stored.publish(ctx, p)
	}
	p := s.dial(sockets[1]).ready()
	sent := make(chan error, 1)
	large := []byte(`{"type":"publish","stream":"orders","events":[{"data":"` + long(1<<20-2) + `"}]}`)
	go func() {
		var err error
		for i := 0; i < 9 && err == nil; i++ {
			err = p.conn.Write(t.Context(), websocket.MessageText, large)
		}
		if err == nil {
			err = p.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"publish","stream":"orders","events":[{"data":1}],"ref":1}`))
		}
		sent <- err
	}()
	// Of 1 MiB each, 7 are under way, and one more has been read and waits.
	sess := only(s.server)
	waitFor(t, func() bool {
		if sess.underway.TryAcquire(1) { // not while somebody waits
			sess.underway.Release(1)
			return false
		}
		return sess.commands.Load() == 7
	})
	free()
	for !strings.Contains(p.next(), `"ref":1`) { // those that have waited for too long are refused
	}
	if err := receive(t, sent, "the end of sending"); err != nil {
		t.Error(err)
	}
}

// only is the one session of a server.
func only(s *Server) *session { return s.all(nil)[0] }

// waitFor waits for what another goroutine is about to do.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	limit := time.After(patience)
	for !condition() {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatal("it does not come about")
		}
	}
}

func TestSocketsThatPublishNothingHaveNoPublisher(t *testing.T) {
	t.Parallel()
	s, _ := publishing(t, Options{})
	p := s.dial(sockets[1]).ready()
	p.send(`{"type":"pause","ref":1}`)
	p.expect(`{"type":"ok","ref":1}`)
	sess := only(s.server)
	_ = p.conn.Close(websocket.StatusNormalClosure, "")
	receive(t, s.broker.reader.closed, "the reader's end")
	if sess.publisher != nil {
		t.Error("it has one")
	}
}

func TestDrainWaitsForPublishesUnderWay(t *testing.T) {
	t.Parallel()
	s, stored := publishing(t, Options{})
	entered, release := make(chan struct{}), make(chan struct{})
	s.broker.publish = func(ctx context.Context, p hub.Publication) (hub.Published, error) {
		close(entered)
		<-release
		return stored.publish(ctx, p)
	}
	p := s.dial(sockets[1]).ready()
	p.send(`{"type":"publish","stream":"orders","events":[{"data":1}],"ref":1}`)
	receive(t, entered, "the publish")
	drained := make(chan struct{})
	go func() {
		s.server.Drain(t.Context())
		close(drained)
	}()
	if frame := p.next(); !strings.HasPrefix(frame, `{"type":"drain",`) {
		t.Errorf("the frame is %s", frame)
	}
	close(release)
	p.expect(`{"type":"ok","ref":1,"ids":["1-0"],"stream":"orders"}`)
	p.closed(websocket.StatusServiceRestart)
	receive(t, drained, "the end of the drain")
}

func TestWhatCameBeforeTheCloseIsPublished(t *testing.T) {
	t.Parallel()
	s, stored := publishing(t, Options{})
	entered, release := s.broker.holdFirst(stored.publish)
	p := s.dial(sockets[1]).ready()
	for i := range 3 {
		p.send(fmt.Sprintf(`{"type":"publish","stream":"orders","events":[{"data":%d}]}`, i))
	}
	receive(t, entered, "the first")
	_ = p.conn.Close(websocket.StatusNormalClosure, "")
	close(release)
	receive(t, s.broker.reader.closed, "the end of the socket")
	stored.mu.Lock()
	defer stored.mu.Unlock()
	if len(stored.events) != 3 {
		t.Errorf("%d of 3 events were stored", len(stored.events))
	}
}

func TestPublisherGivesUpInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var done []string
		p := newPublisher()
		add := func(name string, takes time.Duration) {
			p.add(turn{time.Now(), func(ctx context.Context) {
				select {
				case <-ctx.Done():
					done = append(done, fmt.Sprint(name, " cut off at ", time.Since(began)))
				case <-time.After(takes):
					done = append(done, fmt.Sprint(name, " at ", time.Since(began)))
				}
			}, func() { done = append(done, fmt.Sprint(name, " late at ", time.Since(began))) }})
		}
		add("a", 2*time.Second)
		add("b", 2*time.Second)
		add("c", 2*time.Second)
		<-time.After(5 * time.Second)
		add("d", time.Second) // another goroutine's, as the first has ended
		add("e", time.Hour)
		add("f", time.Hour)
		p.close()
		want := []string{"a at 2s", "b at 4s", "c late at 4s", "d at 6s", "e cut off at 8s", "f late at 8s"}
		if !slices.Equal(done, want) {
			t.Errorf("it did %q, want %q", done, want)
		}
	})
	var none *publisher
	none.close()
}

func TestDataGoesThroughASocketAsItIs(t *testing.T) {
	t.Parallel()
	s, stored := publishing(t, Options{})
	p := s.dial(sockets[2]).ready()
	values := []string{`null`, `""`, `"123"`, `{"z":1,"a":[1.10,12345678901234567890,-0,1e400]}`, `"\u0000\"\\\/é€😀"`, `[]`, `false`}
	for _, value := range values {
		p.send(`{"type":"publish","stream":"orders","events":[{"data":` + value + `}],"ref":1}`)
		p.next()
	}
	for i, value := range values {
		if got := stored.events[i].Data; !bytes.Equal(got, []byte(value)) || !json.Valid(got) {
			t.Errorf("%s is stored as %s", value, got)
		}
	}
}
