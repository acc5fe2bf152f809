package ws

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"eventhub/internal/hub"
)

func TestLargeAnswersThatNobodyTakesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sess := &session{pump: newPump(), room: make(chan struct{}, 1), mute: make(chan struct{})}
		answer := []byte(strings.Repeat("x", maxReplyBytes/4))
		for range 3 {
			sess.reply(answer)
			if !sess.awaitRoom() {
				t.Error("the socket has ended")
			}
		}
		sess.reply(answer)
		went := make(chan bool, 1)
		go func() { went <- sess.awaitRoom() }()
		synctest.Wait()
		select {
		case <-went:
			t.Errorf("another command is read while %d bytes of answers wait", sess.waiting)
		default:
		}
		if replies, _, _ := sess.take(); len(replies) != 4 {
			t.Errorf("%d answers wait", len(replies))
		}
		if !<-went {
			t.Error("the socket has ended")
		}
	})
}

func TestPanicInACommandEndsTheSocketInOrder(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	sub := newFakeSubscription()
	sub.adding = make(chan struct{})
	close(sub.adding) // so that Subscribe panics
	s := newService(t, &fakeBroker{subscription: sub, publish: func(context.Context, hub.Publication) (hub.Published, error) {
		close(entered)
		<-release
		return hub.Published{}, nil
	}}, Options{})
	p := s.dial(broadcastPath).ready()
	p.send(`{"type":"publish","stream":"orders","events":[{"data":1}]}`)
	receive(t, entered, "the publish")
	sess := only(s.server)
	p.send(`{"type":"subscribe","channels":["x"]}`)
	receive(t, sess.mute, "the end of writing")
	select {
	case <-sub.closed:
		t.Error("the subscription is closed while a publish of the socket is under way")
	default:
	}
	close(release)
	receive(t, sub.closed, "the end of the subscription")
}
