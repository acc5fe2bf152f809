package ws

import (
	"strings"
	"testing"
	"testing/synctest"
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
