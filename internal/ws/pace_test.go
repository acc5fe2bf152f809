package ws

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// ordered is a consumer of one stream.
func ordered() *fakeConsumer {
	c := newFakeConsumer()
	c.streams = []string{"orders"}
	return c
}

// frames are commands, as they come together.
func together(n int, command func(i int) string) (frames []byte) {
	for i := range n {
		frames = append(frames, masked(finalText, []byte(command(i)))...)
	}
	return frames
}

func TestWhatSettlesEventsWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(i int) string{
		"ack":    func(i int) string { return fmt.Sprintf(`{"type":"ack","ids":["%d-0"]}`, i) },
		"ack 2":  func(i int) string { return fmt.Sprintf(`{"type":"ack","ids":["%d-0","%[1]d-1"]}`, i) },
		"ref":    func(i int) string { return fmt.Sprintf(`{"type":"ack","ref":%d,"ids":["%[1]d-0"]}`, i) },
		"nack":   func(i int) string { return fmt.Sprintf(`{"type":"nack","ids":["%d-0"]}`, i) },
		"extend": func(i int) string { return fmt.Sprintf(`{"type":"extend","ids":["%d-0"]}`, i) },
	} {
		inBubble(t, &fakeBroker{consumer: ordered()}, Options{CommandsPerSecond: 10}, func(b *bubble) {
			f := b.open(sockets[0], someone(b.t, "key:shop", allowed(), time.Time{}))
			if err := f.write(together(30, command)); err != nil {
				b.t.Fatal(err)
			}
			for second, want := range []int{10, 10, 10, 0} {
				synctest.Wait() // what came before the wait is done already
				if heard := b.broker.consumer.heard(); len(heard) != want {
					b.t.Errorf("%s: in second %d the engine is told %d times: %v", name, second, len(heard), heard)
				}
				time.Sleep(time.Second)
			}
			if n := b.limited.get(limitCommands); n != 20 || slices.ContainsFunc(f.take(), func(f string) bool { return f[:12] == `{"type":"err` }) {
				b.t.Errorf("%s: %d had to wait, or some were refused", name, n)
			}
		})
	}
}

func TestWhatSettlesWhatWasDeliveredWaitsForNothing(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"ack":  `{"type":"ack","ids":["%d-0"]}`,
		"ref":  `{"type":"ack","ref":%d,"ids":["%[1]d-0"]}`,
		"nack": `{"type":"nack","ids":["%d-0"]}`,
	} {
		inBubble(t, &fakeBroker{consumer: ordered()}, Options{CommandsPerSecond: 10}, func(b *bubble) {
			f := b.open(sockets[0], someone(b.t, "key:shop", allowed(), time.Time{}))
			events := make([]hub.Event, 30)
			for i := range events {
				events[i] = hub.Event{Stream: "orders", Data: []byte("1"), Attempt: 1}
			}
			b.broker.consumer.set(func() { b.broker.consumer.next = []hub.Delivery{{Events: events}} })
			synctest.Wait()
			// One for each event, and ten that settle nothing; the others wait.
			if err := f.write(together(45, func(i int) string { return fmt.Sprintf(command, i) })); err != nil {
				b.t.Fatal(err)
			}
			synctest.Wait()
			if heard := b.broker.consumer.heard(); len(heard) != 40 {
				b.t.Errorf("%s: the engine is told %d times at once", name, len(heard))
			}
			if n := b.limited.get(limitCommands); n != 1 {
				b.t.Errorf("%s: %d had to wait", name, n)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if heard := b.broker.consumer.heard(); len(heard) != 5 {
				b.t.Errorf("%s: the engine is told %d times later", name, len(heard))
			}
		})
	}
}

func TestOtherCommandsAreRefusedAndNotDone(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{CommandsPerSecond: 3, Auth: tokens{}}, func(b *bubble) {
		f := b.open(sockets[1], someone(b.t, "key:shop", allowed(), time.Time{}))
		for second := range 2 {
			for range 3 {
				f.send(`{"type":"pause","ref":1}`)
				f.expect(`{"type":"ok","ref":1}`)
			}
			for _, command := range []string{
				`"pause"`, `"add_stream","stream":"more"`, `"publish","stream":"orders","events":[{"data":1}]`, `"authenticate","token":"a"`, `"no such"`, `7`, `"pause","n":1,"n":1`,
			} {
				f.send(`{"ref":2,"type":` + command + `}`)
				f.refused(hub.CodeRateLimited, "2", "it was not done: more than 3 commands came in a second on this connection (HUB_COMMANDS_PER_SECOND)")
			}
			if heard := b.broker.reader.heard(); len(heard) != 3 {
				b.t.Errorf("the engine is told %v", heard)
			}
			if n := b.limited.get(limitCommands); n != 7*(second+1) {
				b.t.Errorf("%d are counted", n)
			}
			time.Sleep(time.Second)
		}
		if code, _, gone := f.closed(); code != 0 || gone != 0 {
			b.t.Errorf("closed with %d", code)
		}
	})
}

func TestWhoHasNoAccountSendsAsManyCommandsAsItLikes(t *testing.T) {
	t.Parallel()
	inBubble(t, &fakeBroker{consumer: ordered()}, Options{CommandsPerSecond: 1}, func(b *bubble) {
		f := b.open(sockets[0], auth.Everybody())
		if err := f.write(together(100, func(int) string { return `{"type":"ack","ids":["1-0"]}` })); err != nil {
			b.t.Fatal(err)
		}
		f.send(`{"type":"pause"}`)
		f.expect()
		if heard := b.broker.consumer.heard(); len(heard) != 101 {
			b.t.Errorf("the engine is told %d times", len(heard))
		}
	})
}

// TestEndDoesNotWaitForTheTurnOfACommand: by the hub's will, or because the connection is
// of no use any more.
func TestEndDoesNotWaitForTheTurnOfACommand(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*session){
		"close": func(s *session) { s.fail(hub.Errorf(hub.CodeUnauthenticated, "x")) },
		"kill":  (*session).kill,
	} {
		inBubble(t, &fakeBroker{consumer: ordered()}, Options{CommandsPerSecond: 1}, func(b *bubble) {
			f := b.open(sockets[0], someone(b.t, "key:shop", allowed(), time.Time{}))
			if err := f.write(together(3, func(int) string { return `{"type":"ack","ids":["1-0"]}` })); err != nil {
				b.t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			began := time.Now()
			end(only(b.server))
			<-b.broker.consumer.closed
			if took := time.Since(began); took > 0 {
				b.t.Errorf("%s: it took %s", name, took)
			}
			if heard := b.broker.consumer.heard(); len(heard) != 1 {
				b.t.Errorf("%s: the engine is told %v", name, heard)
			}
		})
	}
}
