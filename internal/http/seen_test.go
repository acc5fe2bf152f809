package http_test

import (
	"testing"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// as is the edge for who has these permissions.
func as(t *testing.T, permissions ...string) *edge {
	t.Helper()
	e := newEdgeWith(t, http.Options{Auth: opened(may(t, permissions...))})
	page := hub.StreamPage{Next: "zebras"}
	sinks := hub.SinkPage{Next: "zebras"}
	channels := hub.ChannelPage{Next: "zebras"}
	for _, name := range []string{"orders", "payments", "visits"} {
		page.Streams = append(page.Streams, hub.StreamStatus{Stream: name})
		channels.Channels = append(channels.Channels, hub.ChannelStatus{Channel: name, Subscribers: 1})
	}
	streams := []string{"orders", "payments"}
	for _, name := range []string{"billing", "mail"} {
		sinks.Sinks = append(sinks.Sinks, hub.SinkStatus{Sink: name, Config: hub.SinkConfig{Streams: streams}})
	}
	e.broker.streams = func(string, int, string) (hub.StreamPage, error) { return page, nil }
	e.broker.channels = func(string, int, string) (hub.ChannelPage, error) { return channels, nil }
	e.broker.sinks = func(int, string) (hub.SinkPage, error) { return sinks, nil }
	e.broker.stream = func(stream string) (hub.StreamStatus, error) {
		return hub.StreamStatus{Stream: stream, Sinks: []hub.StreamSinkStatus{{Sink: "billing"}, {Sink: "mail"}}}, nil
	}
	e.broker.putStream = func(stream string, c hub.StreamConfig) (hub.StreamStatus, bool, error) {
		return hub.StreamStatus{Stream: stream, Config: c, Sinks: []hub.StreamSinkStatus{{Sink: "billing"}, {Sink: "mail"}}}, true, nil
	}
	e.broker.prune = func(string, bool) (hub.Pruned, error) { return hub.Pruned{Owed: []string{"billing", "mail"}}, nil }
	status := func(sink string) hub.SinkStatus {
		return hub.SinkStatus{Sink: sink, Config: hub.SinkConfig{Streams: streams}, Streams: []hub.SinkStreamStatus{{Stream: "orders"}, {Stream: "payments"}}}
	}
	e.broker.status = func(sink string) (hub.SinkStatus, error) { return status(sink), nil }
	e.broker.putSink = func(sink string, _ hub.SinkPut) (hub.SinkStatus, bool, []string, error) {
		return status(sink), true, nil, nil
	}
	e.broker.pending = func(string, int) ([]hub.PendingEvent, error) {
		return []hub.PendingEvent{{Stream: "orders", ID: hub.ID{MS: 1}}, {Stream: "payments", ID: hub.ID{MS: 2}}}, nil
	}
	e.broker.deadLetters = func(string, int, string) (hub.DeadLetterPage, error) {
		letter := func(id, stream, topic string) hub.DeadLetter {
			return hub.DeadLetter{Event: hub.Event{ID: id, Stream: stream, Topic: topic, Data: []byte("1")}}
		}
		return hub.DeadLetterPage{DeadLetters: []hub.DeadLetter{
			letter("1-0", "orders", "eu.de"), letter("2-0", "orders", "us"), letter("3-0", "payments", "eu.de"), letter("4-0", "orders", ""),
		}, Next: "c"}, nil
	}
	e.broker.event = func(stream string, id hub.ID) (hub.Event, error) {
		return hub.Event{ID: id.String(), Stream: stream, Time: id.Time(), Topic: map[uint64]string{1: "eu.de", 2: "us"}[id.MS], Data: []byte("1")}, nil
	}
	return e
}

const (
	defaultConfig = `{"max_events":0,"max_age":"0s","on_full":""}`
	sinkRest      = `"from":"","topics":[],"types":[],"ack":"","ack_wait":"0s","max_deliveries":0,"backoff":[],"order":"","expires_after":"0s"}`
)

func listed(names ...string) string {
	text := ""
	for i, name := range names {
		if i > 0 {
			text += ","
		}
		text += `{"stream":"` + name + `","config":` + defaultConfig + `,"events":0,"bytes":0}`
	}
	return `{"streams":[` + text + `],"next":"zebras"}`
}

func TestListsHaveWhatMayBeSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ permission, path, want string }{
		{`{"allow":["read"],"streams":["orders"]}`, "/v1/streams", listed("orders")},
		{`{"allow":["manage"],"streams":["*s"]}`, "/v1/streams", listed("orders", "payments", "visits")},
		{`{"allow":["publish","consume","subscribe"],"streams":["**"],"sinks":["**"],"channels":["**"]}`, "/v1/streams", listed()},
		{`{"allow":["subscribe"],"channels":["pay*"]}`, "/v1/channels", `{"channels":[{"channel":"payments","subscribers":1}],"next":"zebras"}`},
		{`{"allow":["manage"],"channels":["visits"]}`, "/v1/channels", `{"channels":[{"channel":"visits","subscribers":1}],"next":"zebras"}`},
		{`{"allow":["publish"],"channels":["**"]}`, "/v1/channels", `{"channels":[],"next":"zebras"}`},
		{
			`{"allow":["consume"],"sinks":["billing"],"streams":["orders"]}`, "/v1/sinks",
			`{"sinks":[{"sink":"billing","config":{"streams":["orders"],` + sinkRest + `}],"next":"zebras"}`,
		},
		{`{"allow":["manage"],"sinks":["mail"]}`, "/v1/sinks", `{"sinks":[{"sink":"mail","config":{"streams":[],` + sinkRest + `}],"next":"zebras"}`},
		{`{"allow":["read"],"sinks":["**"],"streams":["**"]}`, "/v1/sinks", `{"sinks":[],"next":"zebras"}`},
	} {
		as(t, c.permission).call("GET", c.path, "").is(200, c.want)
	}
}

func TestSinksOfAStreamAreThoseThatMayBeSeen(t *testing.T) {
	t.Parallel()
	const permission = `{"allow":["read","consume","manage"],"streams":["orders"],"sinks":["mail"]}`
	e := as(t, permission)
	const stream = `{"stream":"orders","config":` + defaultConfig + `,"events":0,"bytes":0,"sinks":[{"sink":"mail","lag":0,"pending":0}]}`
	e.call("GET", "/v1/streams/orders", "").is(200, stream)
	e.call("POST", "/v1/streams/orders/prune", "").is(200, `{"stream":"orders","dry_run":false,"events":0,"owed_by":["mail"]}`)
	e.call("PUT", "/v1/streams/orders", `{"max_events":0,"max_age":"0s","on_full":"reject"}`).is(201,
		`{"stream":"orders","config":{"max_events":0,"max_age":"0s","on_full":"reject"},"events":0,"bytes":0,"sinks":[{"sink":"mail","lag":0,"pending":0}]}`)
}

func TestStreamsOfASinkAreThoseThatMayBeSeen(t *testing.T) {
	t.Parallel()
	for _, permission := range []string{`{"allow":["consume"],"sinks":["billing"],"streams":["orders"]}`, `{"allow":["manage"],"sinks":["billing"],"streams":["orders"]}`} {
		e := as(t, permission, `{"allow":["read","manage"],"streams":["payments"]}`)
		e.call("GET", "/v1/sinks/billing", "").is(200, `{"sink":"billing","config":{"streams":["orders"],`+sinkRest+
			`,"streams":[{"stream":"orders","lag":0,"pending":0,"oldest_pending_seconds":0,"redelivered":0,"dead_letters":0}],"consumers":[]}`)
		e.call("GET", "/v1/sinks/billing/pending", "").is(200, `{"pending":[{"stream":"orders","id":"1-0","state":"held","transport":"websocket","held_seconds":0,"attempts":0}]}`)
	}
	e := as(t, `{"allow":["manage"],"sinks":["billing"],"streams":["orders"]}`)
	e.call("PUT", "/v1/sinks/billing", `{}`).is(201, `{"sink":"billing","config":{"streams":["orders"],`+sinkRest+
		`,"streams":[{"stream":"orders","lag":0,"pending":0,"oldest_pending_seconds":0,"redelivered":0,"dead_letters":0}],"consumers":[]}`)
	e.call("PUT", "/v1/sinks/billing", `{"streams":["orders","payments"]}`).problem(hub.CodeForbidden)
	e.call("POST", "/v1/sinks/billing/seek", `{"stream":"payments","to":"oldest"}`).problem(hub.CodeForbidden)
	e.call("POST", "/v1/sinks/billing/dead-letters/redrive", `{"stream":"payments","all":true}`).problem(hub.CodeForbidden)
}

func TestDeadLettersAreThoseThatMayBeSeen(t *testing.T) {
	t.Parallel()
	letter := func(id, stream, topic string) string {
		if topic != "" {
			topic = `,"topic":"` + topic + `"`
		}
		return `{"event":{"id":"` + id + `","stream":"` + stream + `"` + topic + `,"time":"0001-01-01T00:00:00.000Z","content_type":"application/json","data":1},"reason":"","attempts":0}`
	}
	first, second, third, last := letter("1-0", "orders", "eu.de"), letter("2-0", "orders", "us"), letter("3-0", "payments", "eu.de"), letter("4-0", "orders", "")
	for permission, want := range map[string]string{
		`{"allow":["consume"],"sinks":["billing"],"streams":["orders"],"topics":["eu.**"]}`: first,
		`{"allow":["consume"],"sinks":["billing"],"streams":["orders"]}`:                    first + "," + second + "," + last,
		`{"allow":["consume"],"sinks":["billing"],"streams":["**"],"topics":["eu.*"]}`:      first + "," + third,
		`{"allow":["manage"],"sinks":["billing"],"streams":["orders"],"topics":["eu.**"]}`:  first + "," + second + "," + last, // topics do not bound managing
		`{"allow":["manage"],"sinks":["billing"]}`:                                          "",
		everything: first + "," + second + "," + third + "," + last,
	} {
		as(t, permission).call("GET", "/v1/sinks/billing/dead-letters", "").is(200, `{"dead_letters":[`+want+`],"next":"c"}`)
	}
}

func TestEventThatMayNotBeSeenIsNotThere(t *testing.T) {
	t.Parallel()
	e := as(t, `{"allow":["read"],"streams":["orders"],"topics":["eu.**"]}`)
	e.call("GET", "/v1/streams/orders/events/1-0", "").is(200, `{"id":"1-0","stream":"orders","topic":"eu.de","time":"1970-01-01T00:00:00.001Z","content_type":"application/json","data":1}`)
	e.call("GET", "/v1/streams/orders/events/2-0", "").problem(hub.CodeEventNotFound)
	e.call("GET", "/v1/streams/orders/events/3-0", "").problem(hub.CodeEventNotFound)
}
