package http_test

import (
	"context"
	"errors"
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/hub"
)

func TestFailuresOfOneCauseAreLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		post := func(code hub.Code, times int) {
			e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
				return hub.Published{}, hub.Errorf(code, "not now")
			}
			for range times {
				e.call("POST", "/v1/streams/orders/events", `{"data":1}`).problem(code)
			}
		}
		post(hub.CodeUnavailable, 100)
		post(hub.CodeStorageFull, 10)
		time.Sleep(time.Second)
		post(hub.CodeUnavailable, 1)
		lines := strings.Split(strings.TrimSpace(e.log.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[1], string(hub.CodeStorageFull)) {
			t.Errorf("111 failures of two codes within two seconds were logged as\n%s", e.log)
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, `"unlogged":99`) {
			t.Errorf("the last line does not say that 99 were not logged: %s", last)
		}
	})
}

func TestFailuresThatNobodyForesawAreAllLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
			return hub.Published{}, errors.New("nobody foresaw this")
		}
		for range 10 {
			e.call("POST", "/v1/streams/orders/events", `{"data":1}`).problem(hub.CodeInternal)
		}
		if n := strings.Count(e.log.String(), "nobody foresaw this"); n != 10 {
			t.Errorf("10 failures that nobody foresaw were logged as %d lines:\n%s", n, e.log)
		}
	})
}

func TestPartsThatFailForOneCauseAreLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
			if p.Stream == "good" {
				return hub.Published{IDs: []hub.ID{{MS: 1}}}, nil
			}
			return hub.Published{}, hub.Errorf(hub.CodeStorageFull, "not now")
		}
		for range 20 {
			answer := e.call("POST", "/v1/events", `[{"stream":"good","data":1},{"stream":"a","data":1},{"stream":"b","data":1}]`)
			if answer.Code != nethttp.StatusMultiStatus {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
		}
		if n := strings.Count(e.log.String(), "part of a request failed"); n != 1 {
			t.Errorf("40 parts that failed within a second were logged as %d lines:\n%s", n, e.log)
		}
	})
}
