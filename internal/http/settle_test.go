package http_test

import (
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestSettlementsAreAnsweredIDByID(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	one, two := hub.ID{MS: 1}, hub.ID{MS: 2}
	var got hub.Settlement
	e.broker.settle = func(sink string, s hub.Settlement) (hub.Settled, error) {
		if got = s; sink != "billing" || s.Stream != "orders" {
			t.Errorf("the broker is asked for %+v of %s", s, sink)
		}
		return hub.Settled{Done: []hub.ID{one}, NotPending: []hub.ID{two}, Stale: []hub.ID{{MS: 3}}}, nil
	}
	ids := `{"stream":"orders","ids":["1-0","2-0"]}`
	e.call("POST", "/v1/sinks/billing/acks", ids).is(200, `{"acked":["1-0"],"not_pending":["2-0"]}`)
	if got.Verb != hub.VerbAck || !slices.Equal(got.Receipts, []hub.Receipt{{ID: one}, {ID: two}}) {
		t.Errorf("the ack is %+v", got)
	}
	e.call("POST", "/v1/sinks/billing/acks", `{"stream":"orders","up_to":"2-0"}`).is(200, `{"acked":["1-0"],"not_pending":["2-0"]}`)
	if got.UpTo == nil || *got.UpTo != two || len(got.Receipts) > 0 {
		t.Errorf("the ack is %+v", got)
	}
	e.call("POST", "/v1/sinks/billing/nacks", `{"stream":"orders","ids":[{"id":"1-0","attempt":2},"2-0"],"delay":"5s","reason":"no"}`).
		is(200, `{"nacked":["1-0"],"not_pending":["2-0"],"stale":["3-0"]}`)
	if got.Verb != hub.VerbNack || !slices.Equal(got.Receipts, []hub.Receipt{{ID: one, Attempt: 2}, {ID: two}}) ||
		got.Delay == nil || *got.Delay != 5*time.Second || got.Reason != "no" || got.DeadLetter {
		t.Errorf("the nack is %+v", got)
	}
	e.call("POST", "/v1/sinks/billing/extend", ids).is(200, `{"extended":["1-0"],"not_pending":["2-0"],"stale":["3-0"]}`)
	if got.Verb != hub.VerbExtend {
		t.Errorf("the extension is %+v", got)
	}
}

func TestNothingSettledIsShownAsEmptyLists(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	ids := `{"stream":"orders","ids":["1-0"]}`
	e.call("POST", "/v1/sinks/billing/acks", ids).is(200, `{"acked":[],"not_pending":[]}`)
	e.call("POST", "/v1/sinks/billing/nacks", ids).is(200, `{"nacked":[],"not_pending":[],"stale":[]}`)
	e.call("POST", "/v1/sinks/billing/extend", ids).is(200, `{"extended":[],"not_pending":[],"stale":[]}`)
}

func TestFaultySettlementReachesNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.settle = func(string, hub.Settlement) (hub.Settled, error) {
		t.Error("the broker was called")
		return hub.Settled{}, nil
	}
	for path, bodies := range map[string][]string{
		"acks":   {`{"stream":"orders","ids":["1-0","x"]}`, `{"stream":"orders","ids":["1-0"],"delay":"1s"}`, `{"stream":"orders"}`, `{"stream":"orders","ids":["1-0"],"up_to":"1-0"}`},
		"nacks":  {`{"stream":"orders","ids":["1-0"],"up_to":"1-0"}`, `{"stream":"orders","ids":["1-0"],"delay":"soon"}`, `{"stream":"orders","ids":["1-0"],"reason":1}`},
		"extend": {`{"ids":["1-0"]}`, `{"stream":"orders","ids":[]}`, `{"stream":"orders","ids":["1-0"],"reason":"x"}`},
	} {
		for _, body := range bodies {
			if p := e.call("POST", "/v1/sinks/billing/"+path, body).problem(hub.CodeInvalidRequest); len(p.Errors) != 1 {
				t.Errorf("%s of %s: the faults are %v", path, body, p.Errors)
			}
		}
	}
}

func TestSettlementOfAnUnknownSinkIsAProblem(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, code := range []hub.Code{hub.CodeSinkNotFound, hub.CodeStreamNotFound} {
		e.broker.settle = func(string, hub.Settlement) (hub.Settled, error) { return hub.Settled{}, hub.Errorf(code, "no") }
		for _, path := range []string{"acks", "nacks", "extend"} {
			e.call("POST", "/v1/sinks/billing/"+path, `{"stream":"orders","ids":["1-0"]}`).problem(code)
		}
	}
}
