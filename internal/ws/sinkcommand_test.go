package ws

import (
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestCommandsAreDoneAndAnswered(t *testing.T) {
	t.Parallel()
	p := connect(t, "", func(c *fakeConsumer) {
		c.settled = hub.Settled{Done: []hub.ID{{MS: 1}}, NotPending: []hub.ID{{MS: 2}}, Stale: []hub.ID{{MS: 3}}}
	}).ready()
	for _, step := range [][3]string{
		{`{"type":"ack","ids":["1-0","2-0"],"ref":1}`, `ack orders 1-0 2-0 "" false`, `{"type":"ok","ref":1,"acked":["1-0"],"not_pending":["2-0"]}`},
		{`{"type":"ack","stream":"visits","ids":["1-0"],"ref":"a"}`, `ack visits 1-0 "" false`, `{"type":"ok","ref":"a","acked":["1-0"],"not_pending":["2-0"]}`},
		{`{"type":"ack","up_to":"5-1","ref":1}`, `ack orders up to 5-1 "" false`, `{"type":"ok","ref":1,"acked":["1-0"],"not_pending":["2-0"]}`},
		{`{"ref":1,"ids":["1-0"],"type":"nack"}`, `nack orders 1-0 "" false`, `{"type":"ok","ref":1,"nacked":["1-0"],"not_pending":["2-0"],"stale":["3-0"]}`},
		{
			`{"type":"nack","ids":["1-0",{"attempt":2,"id":"2-0"}],"delay":"1m5s","reason":"no\u00a0\"way\"","dead_letter":false,"ref":1}`,
			"nack orders 1-0 2-0@2 in 1m5s \"no\\u00a0\\\"way\\\"\" false", `{"type":"ok","ref":1,"nacked":["1-0"],"not_pending":["2-0"],"stale":["3-0"]}`,
		},
		{`{"type":"nack","ids":["1-0"],"delay":"0s","ref":1}`, `nack orders 1-0 in 0s "" false`, `{"type":"ok","ref":1,"nacked":["1-0"],"not_pending":["2-0"],"stale":["3-0"]}`},
		{`{"type":"nack","ids":["1-0"],"dead_letter":true,"ref":1}`, `nack orders 1-0 "" true`, `{"type":"ok","ref":1,"nacked":["1-0"],"not_pending":["2-0"],"stale":["3-0"]}`},
		{`{"type":"extend","ids":[{"id":"1-0","attempt":1}],"ref":1}`, `extend orders 1-0@1 "" false`, `{"type":"ok","ref":1,"extended":["1-0"],"not_pending":["2-0"],"stale":["3-0"]}`},
		{`{"type":"credit","n":1,"ref":1}`, `credit 1`, `{"type":"ok","ref":1}`},
		{`{"type":"credit","n":10000,"ref":1}`, `credit 10000`, `{"type":"ok","ref":1}`},
		{`{"type":"pause","ref":1}`, `pause`, `{"type":"ok","ref":1}`},
		{`{"type":"resume","ref":1}`, `resume`, `{"type":"ok","ref":1}`},
		{
			`{"type":"add_stream","stream":"refunds","from":"oldest","ref":1}`, `add refunds from "oldest", bounded true`,
			`{"type":"ok","ref":1,"stream":"refunds","ignored":["from"]}`,
		},
		{`{"type":"add_stream","stream":"refunds","ref":1}`, `add refunds from "", bounded true`, `{"type":"ok","ref":1,"stream":"refunds","ignored":["from"]}`},
		{`{"type":"remove_stream","stream":"visits","ref":1}`, `remove visits`, `{"type":"ok","ref":1,"stream":"visits"}`},
	} {
		p.send(step[0])
		p.expect(step[2])
		if calls := p.consumer.heard(); !slices.Equal(calls, []string{step[1]}) {
			t.Errorf("%s: the consumer was told %q, want %q", step[0], calls, step[1])
		}
	}
}

func TestCommandWithoutARefIsAnsweredInErrorOnly(t *testing.T) {
	t.Parallel()
	p := connect(t, "").ready()
	for _, frame := range []string{
		`{"type":"ack","ids":["1-0"]}`, `{"type":"nack","ids":["1-0"]}`, `{"type":"extend","ids":["1-0"]}`, `{"type":"credit","n":1}`,
		`{"type":"pause"}`, `{"type":"resume"}`, `{"type":"add_stream","stream":"refunds"}`, `{"type":"remove_stream","stream":"refunds"}`,
	} {
		p.send(frame)
	}
	p.send(`{"type":"fly"}`)
	p.refused(hub.CodeInvalidRequest, `"fly" is not a command of a sink`, "")
	if calls := p.consumer.heard(); len(calls) != 8 {
		t.Errorf("the consumer was told %q", calls)
	}
}

func TestFaultyCommandsReachNoConsumerAndCloseNothing(t *testing.T) {
	t.Parallel()
	p := connect(t, "").ready()
	for frame, says := range map[string]string{
		`{"ref":7}`:          "type is missing",
		`{"ref":7,"type":1}`: "type is not a string",
		`{"ref":7,"type":"` + strings.Repeat("x", 1000) + `"}`:                        "is not a command of a sink",
		`{"type":"ack","ref":7}`:                                                      "ids is missing",
		`{"type":"ack","ref":7,"ids":1}`:                                              "",
		`{"type":"ack","ref":7,"ids":[]}`:                                             "",
		`{"type":"ack","ref":7,"ids":["1-0",2]}`:                                      "ids/1",
		`{"type":"ack","ref":7,"ids":["1-0","x"]}`:                                    "ids/1",
		`{"type":"ack","ref":7,"ids":["1-0"],"ids":["1-0"]}`:                          `"ids" is given twice`,
		`{"type":"ack","ref":7,"ids":[{"id":"1-0","attempt":1}]}`:                     "ids/0",
		`{"type":"ack","ref":7,"ids":["1-0"],"up_to":"1-0"}`:                          "ids and up_to",
		`{"type":"ack","ref":7,"up_to":"1"}`:                                          "up_to",
		`{"type":"ack","ref":7,"up_to":1}`:                                            "up_to is not a string",
		`{"type":"ack","ref":7,"ids":["1-0"],"stream":null}`:                          "stream is not a string",
		`{"type":"ack","ref":7,"ids":["1-0"],"delay":"1s"}`:                           `"delay" is not a field of ack`,
		`{"type":"ack","ref":7,"ids":["1-0"],"b` + strings.Repeat("x", 1000) + `":1}`: "is not a field of ack",
		`{"type":"nack","ref":7,"up_to":"1-0"}`:                                       `"up_to" is not a field of nack`,
		`{"type":"nack","ref":7,"ids":[{}]}`:                                          "ids/0",
		`{"type":"nack","ref":7,"ids":[{"id":1}]}`:                                    "ids/0",
		`{"type":"nack","ref":7,"ids":[{"id":"1-0","attempt":0}]}`:                    "ids/0",
		`{"type":"nack","ref":7,"ids":[{"id":"1-0","attempt":"1"}]}`:                  "ids/0",
		`{"type":"nack","ref":7,"ids":[{"id":"1-0","attempt":99999999999999999999}]}`: "ids/0",
		`{"type":"nack","ref":7,"ids":[{"id":"1-0","no":1}]}`:                         "ids/0",
		`{"type":"nack","ref":7,"ids":["1-0"],"delay":5}`:                             "delay is not a string",
		`{"type":"nack","ref":7,"ids":["1-0"],"delay":"5"}`:                           "delay",
		`{"type":"nack","ref":7,"ids":["1-0"],"delay":"-1s"}`:                         "delay",
		`{"type":"nack","ref":7,"ids":["1-0"],"delay":"721h"}`:                        "delay",
		`{"type":"nack","ref":7,"ids":["1-0"],"reason":["x"]}`:                        "reason is not a string",
		`{"type":"nack","ref":7,"ids":["1-0"],"reason":"` + long(1025) + `"}`:         "reason",
		`{"type":"nack","ref":7,"ids":["1-0"],"dead_letter":"true"}`:                  "dead_letter is neither",
		`{"type":"nack","ref":7,"ids":["1-0"],"dead_letter":null}`:                    "dead_letter is neither",
		`{"type":"extend","ref":7,"ids":["1-0"],"reason":"x"}`:                        `"reason" is not a field of extend`,
		`{"type":"credit","ref":7}`:                                                   "n: want",
		`{"type":"credit","ref":7,"n":0}`:                                             "n: want",
		`{"type":"credit","ref":7,"n":10001}`:                                         "n: want",
		`{"type":"credit","ref":7,"n":"1"}`:                                           "n: want",
		`{"type":"credit","ref":7,"n":1.5}`:                                           "n: want",
		`{"type":"pause","ref":7,"stream":"orders"}`:                                  `"stream" is not a field of pause`,
		`{"type":"resume","ref":7,"n":1}`:                                             `"n" is not a field of resume`,
		`{"type":"add_stream","ref":7}`:                                               "stream is missing",
		`{"type":"add_stream","ref":7,"stream":"refunds","from":"back"}`:              "from: ",
		`{"type":"add_stream","ref":7,"stream":"refunds","from":1}`:                   "from is not a string",
		`{"type":"add_stream","ref":7,"streams":["refunds"]}`:                         `"streams" is not a field of add_stream`,
		`{"type":"remove_stream","ref":7}`:                                            "stream is missing",
		`{"type":"remove_stream","ref":7,"stream":"orders","from":"oldest"}`:          `"from" is not a field of remove_stream`,
	} {
		p.send(frame)
		p.refused(hub.CodeInvalidRequest, says, "7")
		if calls := p.consumer.heard(); len(calls) > 0 {
			t.Errorf("%s: the consumer was told %q", frame, calls)
		}
	}
	p.send(`{"type":"ack","ref":7,"stream":"-","ids":["1-0"]}`)
	p.refused(hub.CodeInvalidName, "stream name", "7")
	p.send(`{"type":"ack","ref":7,"ids":["1-0"` + strings.Repeat(`,"1-0"`, hub.MaxAckIDs) + `]}`)
	p.refused(hub.CodePayloadTooLarge, "", "7")
	if calls := p.consumer.heard(); len(calls) > 0 {
		t.Errorf("the consumer was told %q", calls)
	}
	p.send(`{"type":"ack","ref":7,"ids":["1-0"` + strings.Repeat(`,"1-0"`, hub.MaxAckIDs-1) + `]}`)
	p.expect(`{"type":"ok","ref":7,"acked":[],"not_pending":[]}`)
	p.send(`{"type":"nack","ref":7,"ids":["1-0"],"reason":"` + long(1024) + `"}`)
	p.expect(`{"type":"ok","ref":7,"nacked":[],"not_pending":[],"stale":[]}`)
}

func long(n int) string { return strings.Repeat("x", n) }

func TestStreamMayBeLeftOutWhereOneIsRead(t *testing.T) {
	t.Parallel()
	p := connect(t, "&stream=payments").ready()
	for _, kind := range []string{"ack", "nack", "extend"} {
		p.send(`{"type":"` + kind + `","ids":["1-0"],"ref":1}`)
		p.refused(hub.CodeInvalidRequest, "stream is missing: this connection reads 2", "1")
	}
	p.send(`{"type":"remove_stream","stream":"orders"}`)
	p.send(`{"type":"ack","ids":["1-0"],"ref":1}`)
	p.expect(`{"type":"ok","ref":1,"acked":[],"not_pending":[]}`)
	if calls := p.consumer.heard(); !slices.Equal(calls, []string{"remove orders", `ack payments 1-0 "" false`}) {
		t.Errorf("the consumer was told %q", calls)
	}
	p.send(`{"type":"remove_stream","stream":"payments"}`)
	p.send(`{"type":"ack","ids":["1-0"],"ref":1}`)
	p.refused(hub.CodeInvalidRequest, "stream is missing: this connection reads 0", "1")
}

func TestStreamsOfAConnectionAreBounded(t *testing.T) {
	t.Parallel()
	p := connect(t, "&stream=payments").ready() // of three
	for stream, ok := range map[string]bool{"orders": true, "refunds": true} {
		p.send(`{"type":"add_stream","stream":"` + stream + `","ref":1}`)
		if got := strings.HasPrefix(p.next(), `{"type":"ok"`); got != ok {
			t.Errorf("adding %s: %t", stream, got)
		}
	}
	p.send(`{"type":"add_stream","stream":"visits","ref":1}`)
	p.refused(hub.CodeInvalidRequest, "at most 3", "1")
	p.send(`{"type":"add_stream","stream":"refunds","ref":1}`) // changes nothing
	p.expect(`{"type":"ok","ref":1,"stream":"refunds","ignored":["from"]}`)
}

func TestWhatTheEngineRefusesIsAnsweredUnderTheRef(t *testing.T) {
	t.Parallel()
	p := connect(t, "").ready()
	p.consumer.set(func() { p.consumer.refuse = hub.Errorf(hub.CodeConflict, "not so") })
	for _, frame := range []string{
		`{"type":"ack","ids":["1-0"],"ref":1}`, `{"type":"nack","ids":["1-0"],"ref":1}`, `{"type":"extend","ids":["1-0"],"ref":1}`,
		`{"type":"credit","n":1,"ref":1}`, `{"type":"add_stream","stream":"refunds","ref":1}`,
	} {
		p.send(frame)
		p.refused(hub.CodeConflict, "not so", "1")
	}
	p.consumer.set(func() { p.consumer.refuse, p.consumer.fail = nil, hub.Errorf(hub.CodeUnavailable, "Redis is away") })
	p.send(`{"type":"ack","ids":["1-0"]}`) // errors are told without a ref, too
	p.refused(hub.CodeUnavailable, "Redis is away", "")
}

func TestPauseIsAnsweredOnceItIsSo(t *testing.T) {
	t.Parallel()
	p := connect(t, "", func(c *fakeConsumer) { c.later = true }).ready()
	p.send(`{"type":"pause","ref":"p"}`)
	p.send(`{"type":"resume","ref":"r"}`) // others do not wait for it
	p.expect(`{"type":"ok","ref":"r"}`)
	p.consumer.mu.Lock()
	done := p.consumer.pauses[0]
	p.consumer.mu.Unlock()
	done()
	p.expect(`{"type":"ok","ref":"p"}`)
}
