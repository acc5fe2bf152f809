package http_test

import (
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestDeadLettersAreShownAsTheyWerePublished(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	at := func(second int) time.Time { return time.Date(2025, 11, 20, 12, 0, second, 0, time.UTC) }
	e.broker.deadLetters = func(sink string, limit int, cursor string) (hub.DeadLetterPage, error) {
		if sink != "billing" || limit != 2 || cursor != "c1" {
			t.Errorf("the broker is asked for %d of %s after %q", limit, sink, cursor)
		}
		return hub.DeadLetterPage{Next: `c"2`, DeadLetters: []hub.DeadLetter{
			{
				Event:  hub.Event{ID: "1-0", Stream: "orders", Time: at(0), Data: []byte(`{"b":1.50, "a":"<&>"}`)},
				Reason: `said "no"`, Attempts: 10, FirstDelivered: at(1), LastDelivered: at(2), LastConsumer: "w", DeadSince: at(3),
			},
			{Event: hub.Event{ID: "2-0", Stream: "orders", Time: at(0), Data: []byte{0}, Binary: true}, Reason: "nacked", Attempts: 1, DeadSince: at(4)},
		}}, nil
	}
	e.call("GET", "/v1/sinks/billing/dead-letters?limit=2&cursor=c1", "").is(200, `{"dead_letters":[`+
		`{"event":{"id":"1-0","stream":"orders","time":"2025-11-20T12:00:00.000Z","content_type":"application/json","data":{"b":1.50, "a":"<&>"}},`+
		`"reason":"said \"no\"","attempts":10,"first_delivered":"2025-11-20T12:00:01.000Z","last_delivered":"2025-11-20T12:00:02.000Z",`+
		`"last_consumer":"w","dead_since":"2025-11-20T12:00:03.000Z"},`+
		`{"event":{"id":"2-0","stream":"orders","time":"2025-11-20T12:00:00.000Z","content_type":"application/json","data_base64":"AA=="},`+
		`"reason":"nacked","attempts":1,"dead_since":"2025-11-20T12:00:04.000Z"}],"next":"c\"2"}`)
}

func TestNoDeadLettersAreAnEmptyList(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("GET", "/v1/sinks/billing/dead-letters", "").is(200, `{"dead_letters":[]}`)
	e.call("GET", "/v1/sinks/billing/dead-letters?limit=1001", "").problem(hub.CodeInvalidRequest)
	e.broker.deadLetters = func(string, int, string) (hub.DeadLetterPage, error) {
		return hub.DeadLetterPage{}, hub.Errorf(hub.CodeInvalidRequest, "no such cursor")
	}
	e.call("GET", "/v1/sinks/billing/dead-letters?cursor=x", "").problem(hub.CodeInvalidRequest)
}

func TestRedriveSaysWhatItFound(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var got hub.Redrive
	e.broker.redrive = func(sink string, r hub.Redrive) (hub.Redriven, error) {
		if got = r; sink != "billing" {
			t.Errorf("the sink is %q", sink)
		}
		return hub.Redriven{Count: 1, IDs: r.IDs, NotFound: nil}, nil
	}
	e.call("POST", "/v1/sinks/billing/dead-letters/redrive", `{"stream":"orders","ids":["1-0"]}`).is(200, `{"count":1,"not_found":[],"redriven":["1-0"]}`)
	if got.Stream != "orders" || !slices.Equal(got.IDs, []hub.ID{{MS: 1}}) {
		t.Errorf("the broker is asked for %+v", got)
	}
	e.call("POST", "/v1/sinks/billing/dead-letters/redrive", `{"all":true}`).is(200, `{"count":1}`)
	if got.Stream != "" || got.IDs != nil {
		t.Errorf("the broker is asked for %+v", got)
	}
	for _, body := range []string{`{}`, `{"all":false}`, `{"ids":[]}`, `{"ids":["1-0"],"all":true}`, ``} {
		e.call("POST", "/v1/sinks/billing/dead-letters/redrive", body).problem(hub.CodeInvalidRequest)
	}
}

func TestDeadLettersAreDropped(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("DELETE", "/v1/sinks/billing/dead-letters", "").nothing()
	e.broker.purge = noSink
	e.call("DELETE", "/v1/sinks/billing/dead-letters", "").problem(hub.CodeSinkNotFound)
}
