package http_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestBroadcastIsShownAsAnEventStream(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	sub := newFakeSubscription(
		message("room", `{"a":1}`), missing("room", hub.GapSlow, 12), message("hall", `{"b":2}`), missing("hall", hub.GapReconnect, 0),
		missing("room", hub.GapLost, 1), message("room", `{"c":3}`))
	sub.ended = hub.Errorf(hub.CodeSlowConsumer, "too slow")
	e.broker.subscribe = func(context.Context, hub.BroadcastSpec) (hub.Subscription, error) { return sub, nil }
	e.call("GET", broadcastPath, "").streams(": \n\ndata: {\"a\":1}\n\n" +
		"event: hub.gap\ndata: {\"channel\":\"room\",\"reason\":\"slow_consumer\",\"dropped\":12}\n\n" +
		"data: {\"b\":2}\n\n" +
		"event: hub.gap\ndata: {\"channel\":\"hall\",\"reason\":\"redis_reconnect\"}\n\n" +
		"event: hub.gap\ndata: {\"channel\":\"room\",\"reason\":\"lost\",\"dropped\":1}\n\n" +
		"data: {\"c\":3}\n\n" +
		"event: hub.error\ndata: {\"code\":\"slow_consumer\",\"detail\":\"too slow\"}\n\n")
	receive(t, sub.closed, "the subscription's end")
	e.call("POST", "/v1/broadcast/sse", `{"data":1}`).is(202, `{"id":"m-a"}`) // a channel may be called so
}

func TestSubscriberGetsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var asked hub.BroadcastSpec
	e.broker.subscribe = func(_ context.Context, spec hub.BroadcastSpec) (hub.Subscription, error) {
		asked = spec
		return nil, hub.Errorf(hub.CodeUnavailable, "Redis is away")
	}
	for query, want := range map[string]hub.BroadcastSpec{
		"":                 {Channels: []string{"room"}, Slow: hub.SlowDisconnect},
		"&slow=disconnect": {Channels: []string{"room"}, Slow: hub.SlowDisconnect},
		"&channel=hall&channel=room&topic=eu.**&type=a&type=b&slow=drop": {
			Channels: []string{"room", "hall"}, Topics: []string{"eu.**"}, Types: []string{"a", "b"}, Slow: hub.SlowDrop,
		},
	} {
		e.call("GET", broadcastPath+query, "").problem(hub.CodeUnavailable)
		if fmt.Sprint(asked) != fmt.Sprint(want) {
			t.Errorf("%q: the engine is asked for %v, want %v", query, asked, want)
		}
	}
}

func TestBroadcastIsTakenALittleAtATime(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var all []*hub.Message
	var want strings.Builder
	for i := range 500 {
		all = append(all, message("room", fmt.Sprintf(`{"i":%d,"x":%q}`, i, strings.Repeat("x", 1000))))
		want.WriteString("data: " + string(all[i].JSON) + "\n\n")
	}
	sub := newFakeSubscription(all...)
	sub.ended = gone
	e.broker.subscribe = func(context.Context, hub.BroadcastSpec) (hub.Subscription, error) { return sub, nil }
	e.call("GET", broadcastPath, "").streams(": \n\n" + want.String() + goneText)
	for _, most := range sub.asked {
		if most <= 0 || most > 64<<10 {
			t.Errorf("the subscription is asked for %d bytes", most)
		}
	}
	if len(sub.asked) < 8 {
		t.Errorf("the subscription is asked for %v bytes", sub.asked)
	}
}
