package http_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestChannelsAreListedInPages(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var asked []string
	page := hub.ChannelPage{Channels: []hub.ChannelStatus{{Channel: "room-1", Subscribers: 3}, {Channel: "room-2", Subscribers: 1}}, Next: "room-2"}
	e.broker.channels = func(prefix string, limit int, after string) (hub.ChannelPage, error) {
		asked = append(asked, prefix+"+"+after+"+"+strconv.Itoa(limit))
		return page, nil
	}
	e.call("GET", "/v1/channels", "").
		is(200, `{"channels":[{"channel":"room-1","subscribers":3},{"channel":"room-2","subscribers":1}],"next":"room-2"}`)
	page = hub.ChannelPage{}
	e.call("GET", "/v1/channels?prefix=ro&cursor=room-2&limit=1000", "").is(200, `{"channels":[]}`)
	e.call("GET", "/v1/channels?limit=1", "").is(200, `{"channels":[]}`)
	if want := []string{"++100", "ro+room-2+1000", "++1"}; !slices.Equal(asked, want) {
		t.Errorf("the broker is asked for %q, want %q", asked, want)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "prefix=a&prefix=b", "prefix=*", "channel=a"} {
		e.call("GET", "/v1/channels?"+query, "").problem(hub.CodeInvalidRequest)
	}
	e.broker.channels = func(string, int, string) (hub.ChannelPage, error) {
		return hub.ChannelPage{}, &hub.Error{Code: hub.CodeUnavailable, RetryAfter: time.Second, Detail: "Redis is away"}
	}
	if a := e.call("GET", "/v1/channels", ""); a.problem(hub.CodeUnavailable).Detail != "Redis is away" || a.Header().Get("Retry-After") == "" {
		t.Errorf("the answer is %s with %v", a.Body, a.Header())
	}
}

func TestChannelTellsItsSubscribers(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("GET", "/v1/channels/room-1", "").is(200, `{"channel":"room-1","subscribers":0}`)
	e.broker.channel = func(channel string) (hub.ChannelStatus, error) {
		return hub.ChannelStatus{Channel: channel, Subscribers: 3}, nil
	}
	e.call("GET", "/v1/channels/a%3Ab", "").is(200, `{"channel":"a:b","subscribers":3}`)
	e.broker.channel = func(string) (hub.ChannelStatus, error) {
		return hub.ChannelStatus{}, hub.Errorf(hub.CodeUnavailable, "Redis is away")
	}
	e.call("GET", "/v1/channels/room-1", "").problem(hub.CodeUnavailable)
	e.broker.channel = func(string) (hub.ChannelStatus, error) {
		t.Error("the broker was called")
		return hub.ChannelStatus{}, nil
	}
	e.call("GET", "/v1/channels/room-1?limit=1", "").problem(hub.CodeInvalidRequest)
	for _, channel := range []string{"-", "a%20b", "%C3%A4", strings.Repeat("x", 129)} {
		e.call("GET", "/v1/channels/"+channel, "").problem(hub.CodeInvalidName)
	}
}
