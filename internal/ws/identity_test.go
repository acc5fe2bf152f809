package ws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// allowed are permissions for every path of sockets, and a principal of which each is.
func allowed() auth.Grant {
	return grant(
		auth.Permission{Allow: []string{"consume"}, Sinks: []string{"billing"}, Streams: []string{"orders"}},
		auth.Permission{Allow: []string{"read", "publish"}, Streams: []string{"orders"}},
		auth.Permission{Allow: []string{"subscribe", "publish"}, Channels: []string{"room"}, Topics: []string{"eu.**"}},
	)
}

func everySource() *fakeBroker {
	return &fakeBroker{consumer: newFakeConsumer(), reader: newFakeReader(), subscription: newFakeSubscription()}
}

func TestSocketIsToldOnceBeforeItsTokenExpiresAndClosedThen(t *testing.T) {
	t.Parallel()
	for _, path := range sockets {
		inBubble(t, everySource(), Options{}, func(b *bubble) {
			expires := time.Now().Add(2*time.Minute + 200*time.Millisecond)
			f := b.open(path, someone(b.t, "jwt:ann", allowed(), expires))
			time.Sleep(90 * time.Second)
			f.expect()
			time.Sleep(time.Second)
			f.expect(`{"type":"expiring","at":"` + hub.FormatTime(expires) + `"}`)
			time.Sleep(29 * time.Second)
			f.expect()
			time.Sleep(2 * time.Second)
			f.expect(`{"type":"error","code":"unauthenticated","detail":"the token has expired, at ` + hub.FormatTime(expires) + `"}`)
			code, _, gone := f.closed()
			if late := gone - 2*time.Minute - 200*time.Millisecond; code != 4401 || late < 0 || late > time.Second {
				b.t.Errorf("%s: closed with %d, %s late", path, code, late)
			}
		})
	}
}

func TestSocketWhoseTokenIsAboutToExpireIsToldBehindReady(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{}, func(b *bubble) {
		expires := time.Now().Add(10 * time.Second)
		f := b.open(broadcastPath, someone(b.t, "jwt:ann", allowed(), expires))
		f.expect(`{"type":"expiring","at":"` + hub.FormatTime(expires) + `"}`)
		time.Sleep(5 * time.Second)
		f.expect()
	})
}

func TestSocketOfARevokedKeyIsClosed(t *testing.T) {
	t.Parallel()
	for _, path := range sockets {
		inBubble(t, everySource(), Options{}, func(b *bubble) {
			who, end := mortal(b.t, "key:shop", allowed(), time.Time{})
			f := b.open(path, who)
			time.Sleep(time.Minute)
			end(hub.Errorf(hub.CodeUnauthenticated, "the key was taken away"))
			time.Sleep(keepInterval)
			f.expect(`{"type":"error","code":"unauthenticated","detail":"the key was taken away"}`)
			if code, reason, _ := f.closed(); code != 4401 || reason != "the key was taken away" {
				b.t.Errorf("%s: closed with %d %q", path, code, reason)
			}
		})
	}
}

func TestSocketWhosePermissionsChangedIsToComeAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{}, func(b *bubble) {
		who, end := mortal(b.t, "key:shop", allowed(), time.Time{})
		f := b.open(sockets[0], who)
		end(hub.Errorf(hub.CodeUnavailable, "permissions have changed: connect again"))
		time.Sleep(keepInterval)
		f.expect()
		if code, reason, _ := f.closed(); code != 1012 || reason != "permissions have changed: connect again" {
			b.t.Errorf("closed with %d %q", code, reason)
		}
	})
}

// TestWhoTakesFramesSlowlyDoesNotOutliveItsKey: the error and the close frame wait behind
// what was begun before.
func TestWhoTakesFramesSlowlyDoesNotOutliveItsKey(t *testing.T) {
	t.Parallel()
	large := message("room", `"`+strings.Repeat("x", 8<<20)+`"`)
	inBubble(t, &fakeBroker{subscription: newFakeSubscription(large)}, Options{}, func(b *bubble) {
		who, end := mortal(b.t, "key:shop", allowed(), time.Time{})
		conn, err := b.try(broadcastPath, who)
		if err != nil {
			b.t.Fatal(err)
		}
		end(hub.Errorf(hub.CodeUnauthenticated, "the key was taken away"))
		began, part := time.Now(), make([]byte, writePiece)
		for err == nil {
			_, err = conn.Read(part)
			time.Sleep(5 * time.Second) // half of what it may take for each piece
		}
		if took := time.Since(began); took > 20*time.Second {
			b.t.Errorf("it was served for %s", took)
		}
	})
}

func TestNobodyAndWhoHasEndedGetNoSocket(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{}, func(b *bubble) {
		changed, end := mortal(b.t, "key:shop", allowed(), time.Time{})
		end(hub.Errorf(hub.CodeUnavailable, "permissions have changed"))
		expired := someone(b.t, "jwt:ann", allowed(), time.Now())
		for _, path := range sockets {
			for who, want := range map[*auth.Principal]hub.Code{nil: hub.CodeUnauthenticated, changed: hub.CodeUnavailable, expired: hub.CodeUnauthenticated} {
				if _, err := b.try(path, who); err == nil || hub.AsError(err).Code != want {
					b.t.Errorf("%s: %v, want %s", path, err, want)
				}
			}
		}
	})
}

func TestConnectionsAreCountedOnTheAccountUntilTheyEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{}, func(b *bubble) {
		g := allowed()
		g.Limits.Connections = 1
		who := someone(b.t, "key:shop", g, time.Time{})
		for _, path := range sockets {
			f := b.open(path, who)
			for _, other := range sockets {
				_, err := b.try(other, who)
				if err == nil || hub.AsError(err).Code != hub.CodeRateLimited || hub.AsError(err).RetryAfter == 0 {
					b.t.Errorf("%s beside %s: %v", other, path, err)
				}
			}
			_ = f.conn.Close()
			synctest.Wait()
			<-b.ended(path)
		}
		b.broker.reader = nil // an engine that refuses
		for range 3 {
			if _, err := b.try(sockets[1], who); err == nil || hub.AsError(err).Code != hub.CodeStreamNotFound {
				b.t.Errorf("what was refused is counted: %v", err)
			}
		}
	})
}

// ended gets a signal when the source of a socket was closed.
func (b *bubble) ended(path string) <-chan struct{} {
	ended := make(chan struct{}, 1)
	switch path {
	case sockets[0]:
		<-b.broker.consumer.closed
	case sockets[1]:
		<-b.broker.reader.closed
	default:
		<-b.broker.subscription.closed
	}
	synctest.Wait()
	ended <- struct{}{}
	return ended
}

func TestEngineAsksWhomASocketIsServedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{}, func(b *bubble) {
		for _, path := range sockets {
			b.open(path, auth.Everybody())
		}
		if b.broker.spec.Scope != nil || b.broker.read.Scope != nil || b.broker.listen.Scope != nil {
			b.t.Error("the engine is to ask whether everybody may")
		}
	})
	inBubble(t, everySource(), Options{}, func(b *bubble) {
		who := someone(b.t, "key:shop", allowed(), time.Time{})
		for _, path := range sockets {
			b.open(path, who)
		}
		for name, test := range map[string]struct {
			scope     hub.Scope
			yes, says string
			topics    []string
		}{
			"sink":      {b.broker.spec.Scope, "orders", `consume the sink "billing" with the stream "no"`, nil},
			"reader":    {b.broker.read.Scope, "orders", `read the stream "no"`, nil},
			"broadcast": {b.broker.listen.Scope, "room", `subscribe the channel "no"`, []string{"eu.**"}},
		} {
			topics, err := test.scope.See(test.yes)
			if err != nil || !slices.Equal(topics, test.topics) {
				b.t.Errorf("%s: it sees %v (%v), want %v", name, topics, err, test.topics)
			}
			if _, err := test.scope.See("no"); err == nil || hub.AsError(err).Code != hub.CodeForbidden || !strings.Contains(err.Error(), test.says) {
				b.t.Errorf("%s: it sees another, or %v", name, err)
			}
		}
	})
}

// TestPlainGetTellsWhatIsForbidden: the channels are looked at before the handshake is.
func TestPlainGetTellsWhatIsForbidden(t *testing.T) {
	t.Parallel()
	s := newService(t, everySource(), Options{})
	s.who = someone(t, "key:shop", allowed(), time.Time{})
	if status, detail := s.get("/v1/broadcast/ws?channel=room&channel=hall"); status != 418 || !strings.Contains(detail, `forbidden: "key:shop" has no permission to subscribe the channel "hall"`) {
		t.Errorf("answered %d %s", status, detail)
	}
	if _, detail := s.get("/v1/broadcast/ws?channel=room"); !strings.Contains(detail, "upgrade_required") {
		t.Errorf("answered %s", detail)
	}
}

func TestPublishingTakesThePermissionForIt(t *testing.T) {
	t.Parallel()
	for _, path := range sockets {
		stored := &store{}
		broker := everySource()
		broker.publish, broker.broadcast = stored.publish, stored.broadcast
		inBubble(t, broker, Options{}, func(b *bubble) {
			f := b.open(path, someone(b.t, "key:shop", allowed(), time.Time{}))
			publish := func(fields string) { f.send(`{"type":"publish","ref":1,` + fields + `}`) }
			publish(`"stream":"orders","events":[{"data":1},{"data":2,"topic":"us"}]`)
			f.expect(`{"type":"ok","ref":1,"ids":["1-0","2-0"],"stream":"orders"}`)
			publish(`"channel":"room","events":[{"data":1,"topic":"eu.de"}]`)
			f.expect(`{"type":"ok","ref":1,"ids":["room/0"],"channel":"room"}`)

			publish(`"stream":"refunds","events":[{"data":1}]`)
			f.refused(hub.CodeForbidden, "1", `to publish the stream \"refunds\"`)
			publish(`"channel":"orders","events":[{}]`) // its faults are nobody's business
			f.refused(hub.CodeForbidden, "1", `to publish the channel \"orders\"`)
			publish(`"stream":"-","events":[{"data":1}]`)
			f.refused(hub.CodeInvalidName, "1", "stream name")
			for _, topic := range []string{`"us.ny"`, `""`, `"eu"`} {
				publish(`"channel":"room","events":[{"data":1,"topic":"eu.de"},{"data":1,"topic":` + topic + `}]`)
				f.refused(hub.CodeForbidden, "1", `nothing was published: /events/1/topic `)
			}
			publish(`"channel":"room","events":[{"data":1}]`)
			f.refused(hub.CodeForbidden, "1", `/events/0/topic \"\" is none of those that the permission allows: eu.**`)
			if code, _, gone := f.closed(); code != 0 || gone != 0 || len(stored.parts) != 1 {
				b.t.Errorf("closed with %d after %s; the engine was given %d times", code, gone, len(stored.parts))
			}
		})
	}
}

func TestPublishedEventsAreCountedOnTheAccount(t *testing.T) {
	t.Parallel()
	stored := &store{}
	broker := everySource()
	broker.publish, broker.broadcast = stored.publish, stored.broadcast
	inBubble(t, broker, Options{}, func(b *bubble) {
		g := allowed()
		g.Limits.Events = 3
		f := b.open(sockets[1], someone(b.t, "key:shop", g, time.Time{}))
		f.send(`{"type":"publish","stream":"orders","events":[{"data":1},{"data":2}],"ref":1}`)
		f.expect(`{"type":"ok","ref":1,"ids":["1-0","2-0"],"stream":"orders"}`)
		f.send(`{"type":"publish","stream":"orders","events":[{"data":3},{"data":4}],"ref":2}`)
		f.refused(hub.CodeRateLimited, "2", "more than 3 events in a second")
		f.send(`{"type":"publish","channel":"room","events":[{"data":3,"topic":"eu.x"},{"data":4,"topic":"eu.x"}],"ref":3}`)
		f.refused(hub.CodeRateLimited, "3", "HUB_EVENTS_PER_SECOND")
		time.Sleep(time.Second)
		f.send(`{"type":"publish","stream":"orders","events":[{"data":3},{"data":4}],"ref":4}`)
		f.expect(`{"type":"ok","ref":4,"ids":["3-0","4-0"],"stream":"orders"}`)
		if len(stored.parts) != 2 {
			b.t.Errorf("the engine was given %v", stored.parts)
		}
	})
}

// manySessions are registered, but have no connection.
func manySessions(tb testing.TB, n int) *Server {
	tb.Helper()
	server := NewServer(&fakeBroker{}, Options{})
	for i := range n {
		who, err := auth.New(fmt.Sprintf("jwt:%d", i%100), allowed(), time.Now().Add(time.Hour), auth.NewAccount(auth.Limits{}, 1))
		if err != nil {
			tb.Fatal(err)
		}
		sess, err := server.open(roleReader, "", who)
		if err != nil {
			tb.Fatal(err)
		}
		sess.wire = &wire{}
		sess.started.Store(true)
		tb.Cleanup(func() { server.closed(sess) })
	}
	server.stop()
	server.keeping.Wait() // the test looks in place of the keeper
	return server
}

func TestLookingAfterSocketsLeavesNoGarbage(t *testing.T) { //nolint:paralleltest // others' allocations would count
	server := manySessions(t, 100)
	now := time.Now()
	room := server.lookAtAll(nil, now)
	if allocations := testing.AllocsPerRun(100, func() { room = server.lookAtAll(room, now) }); allocations > 0 {
		t.Errorf("a look at 100 sockets costs %v allocations", allocations)
	}
}

// BenchmarkKeeper looks after 10,000 sockets, as is done twice a second.
func BenchmarkKeeper(b *testing.B) {
	server := manySessions(b, 10_000)
	now := time.Now()
	room := server.lookAtAll(nil, now)
	b.ReportAllocs()
	for b.Loop() {
		room = server.lookAtAll(room, now)
	}
}
