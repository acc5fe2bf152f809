package ws

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"eventhub/internal/hub"
)

func TestSubscriberCommandsAreDoneAndAnswered(t *testing.T) {
	t.Parallel()
	p := subscribe(t, "", newFakeSubscription()).ready()
	for _, step := range [][3]string{
		{`{"type":"subscribe","channels":["x","y","x"],"ref":1}`, `subscribe x y, bounded true`, `{"type":"ok","ref":1,"channels":["x","y"]}`},
		{`{"type":"subscribe","channels":["room"],"ref":"a"}`, `subscribe room, bounded true`, `{"type":"ok","ref":"a","channels":["room"]}`},
		{`{"type":"unsubscribe","channels":[ "y" , "room", "y" ],"ref":1}`, `unsubscribe y room`, `{"type":"ok","ref":1,"channels":["y","room"]}`},
		{`{"type":"unsubscribe","channels":["y","z"],"ref":1}`, `unsubscribe y z`, `{"type":"ok","ref":1,"channels":["y","z"]}`},
		{`{"type":"unsubscribe","channels":["x"],"ref":1}`, `unsubscribe x`, `{"type":"ok","ref":1,"channels":["x"]}`}, // none is left
		{`{"channels":["\u0078"],"ref":2,"type":"subscribe"}`, `subscribe x, bounded true`, `{"type":"ok","ref":2,"channels":["x"]}`},
	} {
		p.send(step[0])
		p.expect(step[2])
		if calls := p.sub.heard(); !slices.Equal(calls, []string{step[1]}) {
			t.Errorf("%s: the subscription was told %q, want %q", step[0], calls, step[1])
		}
	}
	p.send(`{"type":"subscribe","channels":["y"]}`) // is not answered
	p.send(`{"type":"unsubscribe","channels":["y"]}`)
	p.send(`{"type":"unsubscribe","channels":["x"],"ref":3}`)
	p.expect(`{"type":"ok","ref":3,"channels":["x"]}`)
}

func TestFaultySubscriberCommandsReachNoSubscription(t *testing.T) {
	t.Parallel()
	p := subscribe(t, "", newFakeSubscription()).ready()
	for _, kind := range []string{"subscribe", "unsubscribe"} {
		for fields, want := range map[string]struct {
			code hub.Code
			says string
		}{
			``:                                  {hub.CodeInvalidRequest, "channels: want an array"},
			`,"channels":"x"`:                   {hub.CodeInvalidRequest, "channels: want an array"},
			`,"channels":{"x":1}`:               {hub.CodeInvalidRequest, "channels: want an array"},
			`,"channels":null`:                  {hub.CodeInvalidRequest, "channels: want an array"},
			`,"channels":[]`:                    {hub.CodeInvalidRequest, "name at least one"},
			`,"channels":["x",7]`:               {hub.CodeInvalidRequest, "channels: 7 is not a string"},
			`,"channels":["x",["y"]]`:           {hub.CodeInvalidRequest, `channels: ["y"] is not a string`},
			`,"channels":["x","-","+"]`:         {hub.CodeInvalidName, `"-" is not a channel name`},
			`,"channels":[""]`:                  {hub.CodeInvalidName, `"" is not a channel name`},
			`,"channels":["` + long(129) + `"]`: {hub.CodeInvalidName, "is not a channel name"},
			`,"channels":["x"],"channel":"y"`:   {hub.CodeInvalidRequest, `"channel" is not a field of ` + kind},
			`,"channels":["x"],"channels":[]`:   {hub.CodeInvalidRequest, `"channels" is given twice`},
			`,"channels":["a","b","c","d"]`:     {hub.CodeInvalidRequest, "more than 3 are named, which is the most on one connection (HUB_MAX_CHANNELS_PER_SOCKET)"},
		} {
			p.send(`{"type":"` + kind + `","ref":7` + fields + `}`)
			p.refused(want.code, want.says, "7")
		}
	}
	for _, kind := range []string{"ack", "nack", "extend", "credit", "pause", "resume", "add_stream", "remove_stream", "fly"} {
		p.send(fmt.Sprintf(`{"type":%q,"ref":7}`, kind))
		p.refused(hub.CodeInvalidRequest, fmt.Sprintf("%q is not a command of a broadcast socket", kind), "7")
	}
	if calls := p.sub.heard(); len(calls) > 0 {
		t.Errorf("the subscription was told %q", calls)
	}
}

func TestTooManyChannelsTogetherChangeNothing(t *testing.T) {
	t.Parallel()
	p := subscribe(t, "&channel=hall", newFakeSubscription()).ready()
	p.send(`{"type":"subscribe","channels":["x","room","y"],"ref":1}`)
	p.refused(hub.CodeInvalidRequest, "at most 3 are allowed on one connection (HUB_MAX_CHANNELS_PER_SOCKET), it has 2, and 2 more are named", "1")
	if calls := p.sub.heard(); len(calls) > 0 {
		t.Errorf("the subscription was told %q", calls)
	}
	p.send(`{"type":"subscribe","channels":["x","room","hall","x"],"ref":2}`) // those that it has do not count
	p.expect(`{"type":"ok","ref":2,"channels":["x","room","hall"]}`)
	p.send(`{"type":"subscribe","channels":["y"],"ref":3}`)
	p.refused(hub.CodeInvalidRequest, "it has 3, and 1 more are named", "3")
	p.send(`{"type":"unsubscribe","channels":["room"],"ref":4}`)
	p.expect(`{"type":"ok","ref":4,"channels":["room"]}`)
	p.send(`{"type":"subscribe","channels":["y"],"ref":5}`)
	p.expect(`{"type":"ok","ref":5,"channels":["y"]}`)
}

func TestFailedSubscribeIsAnsweredAndClosesNothing(t *testing.T) {
	t.Parallel()
	sub := newFakeSubscription()
	sub.refuse = hub.Errorf(hub.CodeUnavailable, "Redis is away")
	p := subscribe(t, "", sub).ready()
	p.send(`{"type":"subscribe","channels":["x"],"ref":1}`)
	p.refused(hub.CodeUnavailable, "Redis is away", "1")
	p.send(`{"type":"subscribe","channels":["x"]}`) // nor is it hidden without a ref
	p.refused(hub.CodeUnavailable, "Redis is away", "")
	sub.set(func() { sub.next = []*hub.Message{message("room", "1")} })
	p.expect(`{"type":"events","events":[1]}`)
}

func TestAnswerOfUnsubscribeStandsBehindTheLastEvent(t *testing.T) {
	t.Parallel()
	sub := newFakeSubscription(message("room", "1"), missing("room", hub.GapLost, 1), message("room", "2"))
	sub.taking = make(chan struct{})
	p := subscribe(t, "&channel=hall", sub)
	receive(t, sub.taking, "the take")
	sub.set(func() { sub.next = []*hub.Message{message("room", "3"), message("hall", "4")} })
	p.send(`{"type":"unsubscribe","channels":["room"],"ref":1}`)
	sess := p.server.all(nil)[0]
	for answered := false; !answered; runtime.Gosched() { // the answer waits while its events are not written
		sess.mu.Lock()
		answered = len(sess.replies) > 0
		sess.mu.Unlock()
	}
	sub.taking <- struct{}{}
	p.ready()
	p.expect(`{"type":"events","events":[1]}`)
	p.expect(`{"type":"gap","channel":"room","reason":"lost","dropped":1}`)
	p.expect(`{"type":"events","events":[2]}`)
	receive(t, sub.taking, "the next take")
	sub.taking <- struct{}{}
	p.expect(`{"type":"ok","ref":1,"channels":["room"]}`)
	p.expect(`{"type":"events","events":[4]}`)
}

func TestEventsGoOnWhileASubscribeWaits(t *testing.T) {
	t.Parallel()
	sub := newFakeSubscription()
	sub.adding = make(chan struct{})
	p := subscribe(t, "", sub).ready()
	p.send(`{"type":"subscribe","channels":["hall"],"ref":1}`)
	p.send(`{"type":"unsubscribe","channels":["hall"],"ref":2}`)
	receive(t, sub.adding, "the command")
	for i := range 10 {
		sub.set(func() { sub.next = []*hub.Message{message("room", fmt.Sprint(i))} })
		p.expect(fmt.Sprintf(`{"type":"events","events":[%d]}`, i))
	}
	if calls := sub.heard(); !slices.Equal(calls, []string{"subscribe hall, bounded true"}) {
		t.Errorf("meanwhile the subscription was told %q", calls)
	}
	sub.adding <- struct{}{}
	p.expect(`{"type":"ok","ref":1,"channels":["hall"]}`)
	p.expect(`{"type":"ok","ref":2,"channels":["hall"]}`)
}
