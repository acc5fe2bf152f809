package ws

import (
	"fmt"
	"slices"
	"testing"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// gathering is a session without a connection, and its source.
func gathering(t *testing.T, consumer hub.Consumer) (*session, *sinkSource) {
	t.Helper()
	s := newService(t, &fakeBroker{}, Options{})
	sess, err := s.server.open(roleSink, "billing", auth.Everybody())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.server.closed(sess) })
	return sess, &sinkSource{consumer: consumer}
}

// free makes sure that no command of a session is under way.
func free(t *testing.T, sess *session) {
	t.Helper()
	if n := sess.commands.Load(); n != 0 || !sess.underway.TryAcquire(maxUnderway) {
		t.Errorf("%d commands are under way, or their weight", n)
	}
}

func replies(sess *session) (list []string) {
	frames, _, _ := sess.take()
	for _, frame := range frames {
		list = append(list, string(frame))
	}
	return list
}

func TestAcksThatCameTogetherAreAnsweredEach(t *testing.T) {
	t.Parallel()
	lost := hub.Errorf(hub.CodeUnconfirmed, "it may have been done")
	unknown := hub.Errorf(hub.CodeStreamNotFound, "no such stream")
	for name, test := range map[string]struct {
		prepare func(*fakeConsumer)
		want    *hub.Error
	}{
		"well":    {func(*fakeConsumer) {}, nil},
		"failed":  {func(c *fakeConsumer) { c.fail = lost }, lost},
		"refused": {func(c *fakeConsumer) { c.refuse = unknown }, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			consumer := newFakeConsumer()
			consumer.streams = []string{"orders"}
			test.prepare(consumer)
			sess, src := gathering(t, consumer)
			for _, frame := range []string{
				`{"type":"ack","ids":["1-0"]}`, `{"type":"ack","ids":["2-0"]}`, `{"type":"ack","ids":["2-0"]}`,
				`{"type":"ack","stream":"visits","ids":["3-0"]}`, `{"type":"ack","stream":"visits","ids":["4-0","5-0"]}`,
			} {
				if !src.gather(sess, []byte(frame)) {
					t.Fatalf("%s is not gathered", frame)
				}
			}
			src.settle(sess)
			src.settle(sess) // there is nothing left
			var want []string
			if test.want != nil {
				want = slices.Repeat([]string{string(errorFrame(nil, test.want))}, 5)
			}
			if got := replies(sess); !slices.Equal(got, want) {
				t.Errorf("the answers are %q, want %q", got, want)
			}
			told := []string{`ack orders 1-0 "" false`, `ack orders 2-0 "" false`, `ack orders 2-0 "" false`, `ack visits 3-0 "" false`, `ack visits 4-0 5-0 "" false`}
			if test.prepare(consumer); consumer.refuse != nil {
				told = []string{told[0], told[3], told[4]} // the fake refuses a crowd at its first
			}
			if got := consumer.heard(); !slices.Equal(got, told) {
				t.Errorf("the consumer was told %q, want %q", got, told)
			}
			free(t, sess)
		})
	}
}

func TestOddAcksAreNotGathered(t *testing.T) {
	t.Parallel()
	consumer := newFakeConsumer()
	consumer.streams = []string{"orders", "visits"}
	sess, src := gathering(t, consumer)
	for _, frame := range []string{
		`{"type":"ack","ids":["1-0"]}`, // of which stream?
		`{"type":"ack","stream":"- no name","ids":["1-0"]}`, `{"type":"ack","stream":"orders","ids":["1-0"],"ref":1}`, `{"type":"pause"}`, `ack`,
	} {
		if src.gather(sess, []byte(frame)) {
			t.Errorf("%s is gathered", frame)
		}
	}
	src.settle(sess)
	if got := consumer.heard(); len(got) > 0 || len(replies(sess)) > 0 {
		t.Errorf("the consumer was told %q", got)
	}
	free(t, sess)
}

// slowConsumer answers acks when a test says so.
type slowConsumer struct {
	*fakeConsumer
	crowds chan int // how many were acknowledged together
	done   func(n int, err error)
}

func (c *slowConsumer) AckEach(_ string, ids []hub.ID, done func(n int, err error)) error {
	c.done = done
	c.crowds <- len(ids)
	return nil
}

func TestAcksThatAreGatheredCountAsUnderWay(t *testing.T) {
	t.Parallel()
	consumer := &slowConsumer{fakeConsumer: newFakeConsumer(), crowds: make(chan int)}
	sess, src := gathering(t, consumer)
	const most = maxUnderway / (commandWeight + 1)
	ack := func(n int) {
		if !src.gather(sess, fmt.Appendf(nil, `{"type":"ack","stream":"orders","ids":["%d-0"]}`, n)) {
			t.Errorf("ack %d is not gathered", n)
		}
	}
	for n := range most {
		ack(n + 1)
	}
	if sess.quiet() {
		t.Error("the session is quiet, with acks that the engine does not know")
	}
	beyond := make(chan struct{})
	go func() {
		defer close(beyond)
		ack(most + 1)
	}()
	if n := receive(t, consumer.crowds, "no crowd"); n != most {
		t.Errorf("%d acks are under way, want %d", n, most)
	}
	select {
	case <-beyond:
		t.Error("one more is under way")
	default:
	}
	consumer.done(most-1, nil)
	consumer.done(1, nil)
	receive(t, beyond, "the next is not taken")
	go src.settle(sess)
	if n := receive(t, consumer.crowds, "no second crowd"); n != 1 {
		t.Errorf("%d acks are in the second crowd, want 1", n)
	}
	consumer.done(1, nil)
	free(t, sess)
}

func TestGatheredAcksKeepTheirPlaceAmongCommands(t *testing.T) {
	t.Parallel()
	p := connect(t, "").ready()
	for _, frame := range []string{
		`{"type":"ack","ids":["1-0"]}`, `{"type":"ack","ids":["2-0"]}`, `{"type":"nack","ids":["3-0"]}`, `{"type":"ack","ids":["4-0"]}`,
		`{"type":"ack","ids":["5-0"],"ref":1}`, `{"type":"ack","ids":["6-0"]}`, `{"type":"add_stream","stream":"visits"}`,
		`{"type":"ack","ids":["7-0"]}`, `{"type":"ack","ids":["8-0"],"stream":"visits"}`, `{"type":"pause","ref":2}`,
	} {
		p.send(frame)
	}
	p.expect(`{"type":"ok","ref":1,"acked":[],"not_pending":[]}`)
	p.refused(hub.CodeInvalidRequest, "stream is missing: this connection reads 2", "")
	p.expect(`{"type":"ok","ref":2}`)
	want := []string{
		`ack orders 1-0 "" false`, `ack orders 2-0 "" false`, `nack orders 3-0 "" false`, `ack orders 4-0 "" false`, `ack orders 5-0 "" false`,
		`ack orders 6-0 "" false`, `add visits from "", bounded true`, `ack visits 8-0 "" false`, `pause`,
	}
	if got := p.consumer.heard(); !slices.Equal(got, want) {
		t.Errorf("the consumer was told\n%q, want\n%q", got, want)
	}
}
