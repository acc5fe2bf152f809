package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestSubscribedChannelIsHeardOnceFromOkToOk(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	speakers := []*speaker{one.speaker("one"), two.speaker("two")}
	for _, s := range speakers {
		s.flow(t, 2*time.Millisecond, "room")
	}
	l := one.listen(overSocket, "channel=other")
	book := newLedger(t, speakers...)
	for range 10 {
		book.may("room")
		book.note(l.change("subscribe", "room")...)
		book.must("room")
		for before := book.count; book.count < before+20; {
			book.note(l.next())
		}
		book.note(l.change("unsubscribe", "room")...)
		book.not("room")
		// What is published meanwhile does not come, and nothing does afterwards.
		at := speakers[1].next("room")
		eventually(t, func() string {
			if n := speakers[1].next("room"); n < at+3 {
				return "nobody speaks"
			}
			return ""
		})
		l.hears(two.broadcast("other", `{"data":1}`)...)
	}
}

func TestSubscriptionsAreSetsAndChangeWhollyOrNotAtAll(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	l := one.listen(overSocket, "channel=a&channel=a&channel=b")
	for _, row := range []struct{ verb, channels, want string }{
		{"subscribe", `["c","a","c","d","a"]`, "[c a d]"}, // a was there, and c comes twice
		{"subscribe", `["c"]`, "[c]"},
		{"unsubscribe", `["d","nobody","d"]`, "[d nobody]"},
		{"unsubscribe", `["d"]`, "[d]"},
	} {
		if f, before := l.do(`{"type":%q,"channels":%s}`, row.verb, row.channels); f.Type != "ok" || fmt.Sprint(f.Channels) != row.want || before != nil {
			t.Errorf("%s %s was answered %+v after %v, want %s", row.verb, row.channels, f, before, row.want)
		}
	}
	for command, code := range map[string]string{
		`{"type":"subscribe","channels":["x","-"]}`:              "invalid_name",
		`{"type":"subscribe","channels":["x",1]}`:                "invalid_request",
		`{"type":"subscribe","channels":[]}`:                     "invalid_request",
		`{"type":"subscribe","channels":"x"}`:                    "invalid_request",
		`{"type":"subscribe","channels":null}`:                   "invalid_request",
		`{"type":"subscribe"}`:                                   "invalid_request",
		`{"type":"subscribe","channels":["x"],"topic":"eu"}`:     "invalid_request",
		`{"type":"unsubscribe","channels":["a","-"]}`:            "invalid_name",
		`{"type":"unsubscribe","channels":["a",{}]}`:             "invalid_request",
		`{"type":"unsubscribe","channels":[]}`:                   "invalid_request",
		`{"type":"unsubscribe"}`:                                 "invalid_request",
		`{"type":"unsubscribe","channels":["a"],"channel":"a"}`:  "invalid_request",
		`{"type":"subscribe","channels":["x"],"channels":["-"]}`: "invalid_request invalid_name",
	} {
		if f, _ := l.do("%s", command); f.Type != "error" || !slices.Contains(strings.Fields(code), f.Code) || f.Detail == "" {
			t.Errorf("%s was answered %+v, want %s", command, f, code)
		}
	}
	for _, channel := range []string{"x", "d"} {
		two.broadcast(channel, `{"data":1}`)
	}
	for _, channel := range []string{"a", "b", "c"} {
		l.hears(two.broadcast(channel, `{"data":1}`)...)
	}
	l.change("unsubscribe", "a", "b", "c")
	two.broadcast("a", `{"data":1}`)
	l.change("subscribe", "b")
	l.hears(two.broadcast("b", `{"data":1}`)...)
}

// redisSubscribers is how many connections have subscribed to a channel in Redis.
func redisSubscribers(t *testing.T, direct redis.UniversalClient, channel string) (total int64) {
	t.Helper()
	err := onEveryNode(t, direct, func(ctx context.Context, node *redis.Client) error {
		counts, err := node.PubSubNumSub(ctx, "hub:live:"+channel).Result()
		total += counts["hub:live:"+channel]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func TestRedisSubscriptionGoesWithTheLastSubscriberAndNotBefore(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	for last := range 3 {
		l := []*listener{one.listen(overSocket, "channel=other"), one.listen(overSocket, "channel=room"), one.listen(overSSE, "channel=room")}
		l[0].change("subscribe", "room")
		leave := []func(){func() { l[0].change("unsubscribe", "room") }, l[1].leave, l[2].leave}
		for left := 1; left < 3; left++ {
			leave[(last+left)%3]()
			id := two.broadcast("room", `{"data":1}`)
			for stays := left + 1; stays <= 3; stays++ {
				l[(last+stays)%3].hears(id...)
			}
			if n := redisSubscribers(t, direct, "room"); n != 1 {
				t.Errorf("Redis has %d subscriptions of a channel with %d subscribers", n, 3-left)
			}
		}
		leave[last]()
		within(t, 2*time.Second, func() string {
			if n := redisSubscribers(t, direct, "room"); n != 0 {
				return fmt.Sprintf("Redis has %d subscriptions of a channel that nobody listens to", n)
			}
			return ""
		})
	}
}

func TestThousandChannelsOfASocketAreAllLive(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const most = 1000
	channels := make([]string, most)
	for i := range channels {
		channels[i] = fmt.Sprint("room-", i)
	}
	l := one.listen(overSocket, "channel="+strings.Join(channels[:400], "&channel="))
	l.change("subscribe", channels[300:]...)
	tells := func() {
		t.Helper()
		s := two.dial("/v1/broadcast/ws?channel=speakers")
		for i, channel := range channels {
			command := fmt.Sprintf(`{"type":"publish","channel":%q,"events":[{"data":%d}]`, channel, i)
			if i < most-1 {
				s.send(command + "}")
			} else if f := s.ok("%s", command+"}"); len(f.IDs) != 1 { // and those before it, in their order
				t.Errorf("publishing was answered %+v", f)
			}
		}
		came := map[string]string{}
		for range channels {
			e := l.event()
			came[e.Channel] += string(e.Data)
		}
		for i, channel := range channels {
			if came[channel] != fmt.Sprint(i) {
				t.Fatalf("%q came of %s, want %d", came[channel], channel, i)
			}
		}
	}
	tells()
	for _, further := range [][]string{{"further"}, {"further", "room-1"}, append([]string{"further"}, channels...)} {
		f, _ := l.do(`{"type":"subscribe","channels":%s}`, list(further...))
		if f.Type != "error" || f.Code != "invalid_request" || !strings.Contains(f.Detail, "HUB_MAX_CHANNELS_PER_SOCKET") || !strings.Contains(f.Detail, "1000") {
			t.Errorf("with %d channels, %d further ones were answered %.300v", most, len(further), f)
		}
	}
	two.broadcast("further", `{"data":1}`)
	l.change("subscribe", channels...) // those that it has, once more
	tells()
	l.change("unsubscribe", "room-7")
	channels[7] = "further"
	l.change("subscribe", "further")
	tells()
	url := "/v1/broadcast/ws?channel=" + strings.Join(channels, "&channel=") + "&channel=more"
	if answer := one.call("GET", url, ""); answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer.body), "1000") {
		t.Errorf("connecting with %d channels was answered %d %s", most+1, answer.StatusCode, answer.body)
	}
}
