package ws

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"eventhub/internal/alloctest"
)

// acknowledging is a consumer, and the bare connection of its client.
func acknowledging(t *testing.T) (*fakeConsumer, *alloctest.Client) {
	t.Helper()
	consumer := newFakeConsumer()
	s := newService(t, &fakeBroker{consumer: consumer}, Options{})
	return consumer, alloctest.DialSocket(t, strings.TrimPrefix(s.url, "http://"), "/v1/sinks/billing/ws?stream=orders")
}

const (
	firstAck   = `{"type":"ack","ids":["1-0"]}`
	firstTold  = `ack orders 1-0 "" false`
	secondAck  = `{"type":"ack","ids":["2-0"]}`
	secondTold = `ack orders 2-0 "" false`
)

// TestAcksThatCameWithTheCloseReachTheEngine sends all in one segment: nothing is read
// behind it, so that only the end of reading can do what was gathered.
func TestAcksThatCameWithTheCloseReachTheEngine(t *testing.T) {
	t.Parallel()
	consumer, client := acknowledging(t)
	segment := client.Append(client.Append(nil, []byte(firstAck)), []byte(secondAck))
	const closing, masked, normal = 0x88, 0x80, 1000
	client.Write(append(segment, closing, masked|2, 0, 0, 0, 0, normal>>8, normal&0xff))
	receive(t, consumer.closed, "the consumer's end")
	if got, want := consumer.heard(), []string{firstTold, secondTold}; !slices.Equal(got, want) {
		t.Errorf("before its end the consumer was told %q, want %q", got, want)
	}
}

// TestAckDoesNotWaitForTheRestOfTheNextFrame: that may never come.
func TestAckDoesNotWaitForTheRestOfTheNextFrame(t *testing.T) {
	t.Parallel()
	consumer, client := acknowledging(t)
	var got, want []string
	told := func(call string) {
		t.Helper()
		want = append(want, call)
		waitFor(t, func() bool {
			got = append(got, consumer.heard()...)
			return len(got) >= len(want)
		})
	}
	next := client.Append(nil, []byte(secondAck))
	for begun := range next {
		client.Write(append(client.Append(nil, []byte(firstAck)), next[:begun]...))
		told(firstTold)
		client.Write(next[begun:])
		told(secondTold)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the consumer was told %q, want %q", got, want)
	}
}

// settling is a gatherer that tells when it is to settle.
type settling struct{ told chan struct{} }

func (g settling) gather(*session, []byte) bool { return true }
func (g settling) settle(*session)              { poke(g.told) }

func TestAckDoesNotWaitForAClientThatTakesNoAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := settling{make(chan struct{}, 1)}
		sess := &session{pump: newPump(), gatherer: g, room: make(chan struct{}, 1), mute: make(chan struct{})}
		sess.reply(make([]byte, maxReplyBytes))
		ended := make(chan bool, 1)
		go func() { ended <- sess.awaitRoom() }()
		defer func() {
			close(sess.mute)
			if <-ended {
				t.Error("there is room, though no answer was taken")
			}
		}()
		receive(t, g.told, "the settling of what was gathered")
	})
}

func TestSocketDoesNotKeepTheRoomOfALargeFrame(t *testing.T) {
	t.Parallel()
	p := connect(t, "").ready()
	sess := only(p.server)
	p.send(`{"type":"ack","ids":["1-0"` + strings.Repeat(`,"1-0"`, keptFrame) + `]}`)
	p.send(firstAck)
	p.send(`{"type":"pause","ref":1}`)
	p.expect(`{"type":"ok","ref":1}`)
	_ = p.conn.CloseNow()
	receive(t, p.consumer.closed, "the consumer's end") // nobody uses the room any more
	if n := cap(sess.frame); n == 0 || n > keptFrame {
		t.Errorf("an idle socket has room for %d bytes, want some, but at most %d", n, keptFrame)
	}
}
