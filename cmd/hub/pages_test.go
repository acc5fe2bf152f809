package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestPagesTellAllOfAStreamAndGoOnWithWhatComes(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 250)
	var got []event
	query := ""
	for _, n := range []int{100, 100, 50, 0} { // 100 by default
		p := two.page("orders", query)
		if len(p.Events) != n || p.Gap != nil {
			t.Fatalf("a page has %d events, want %d; gap %v", len(p.Events), n, p.Gap)
		}
		got, query = append(got, p.Events...), "?from="+p.Next
	}
	assertRead(t, got, id)
	next := one.publish("orders", `{"data":1}`)
	assertRead(t, two.page("orders", query).Events, []string{next})
	assertRead(t, two.page("orders", "?limit=3&from=after:"+id[246]).Events, id[247:250])
	if p := two.page("orders", "?from=latest"); len(p.Events) != 0 {
		t.Errorf("the latest are %v", ids(p.Events))
	}
	assertRead(t, one.page("orders", "?limit=1000").Events, append(slices.Clone(id), next))
	if f := one.stream("orders"); f.Events != 251 || len(f.Sinks) != 0 {
		t.Errorf("pages have left their marks: %+v", f)
	}
	for query, want := range map[string]string{
		"?limit=0&wait=61s&colour=red": "400 invalid_request ?colour ?limit ?wait", "?limit=1001": "400 invalid_request ?limit", "?from=x&wait=-1s": "400 invalid_request ?from ?wait",
	} {
		answer := one.call("GET", "/v1/streams/orders/events"+query, "")
		if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != want {
			t.Errorf("%s was refused as %s, want %s", query, got, want)
		}
	}
	if problem := one.want(http.StatusBadRequest, "GET", "/v1/streams/payments/events?from="+query[len("?from="):], ""); problem["code"] != "invalid_request" {
		t.Errorf("a cursor of another stream: %v", problem)
	}
}

func TestPageOfAStreamThatIsYetToCome(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	p := two.page("orders", "")
	if len(p.Events) != 0 || p.Gap != nil {
		t.Errorf("the page is %+v", p)
	}
	two.want(http.StatusNotFound, "GET", "/v1/streams/orders", "") // looking makes none
	id := one.publishMany("orders", 3)
	next := two.page("orders", "?from="+p.Next)
	if assertRead(t, next.Events, id); next.Gap != nil {
		t.Errorf("the next page has the gap %+v", *next.Gap)
	}
}

func TestPageWaitsUntilSomethingIsPublishedOnAnyHub(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.publishMany("orders", 3)
	fresh, filtered := two.pageIn("orders", "?from=latest&wait=30s"), two.pageIn("orders", "?from=oldest&wait=30s&type=other")
	published := time.Now()
	eventually(t, func() string { // the request may have come after the first
		id := one.publish("orders", `{"data":1}`)
		select {
		case p := <-fresh:
			if len(p.Events) != 1 || p.Events[0].ID != id && !slices.Contains(ids(one.everything("orders")), p.Events[0].ID) {
				t.Errorf("the page that waited is %+v", p)
			}
			return ""
		case <-time.After(500 * time.Millisecond):
			return "the page still waits"
		}
	})
	if took := time.Since(published); took > soon {
		t.Errorf("the page came %s after the event was published", took)
	}
	other := one.publish("orders", `{"type":"other","data":1}`)
	if p := <-filtered; len(p.Events) != 1 || p.Events[0].ID != other {
		t.Errorf("the filtered page is %+v", p)
	}
	began := time.Now()
	p := two.page("orders", "?wait=30s&limit=2") // there is something
	if took := time.Since(began); len(p.Events) == 0 || took > soon {
		t.Errorf("the page has %d events after %s", len(p.Events), took)
	}
	began = time.Now()
	p = two.page("orders", "?from=latest&wait=300ms")
	if took := time.Since(began); len(p.Events) != 0 || took < 300*time.Millisecond || took > soon {
		t.Errorf("a page of nothing has %d events after %s, want 300 ms", len(p.Events), took)
	}
	id := one.publish("orders", `{"data":2}`)
	assertRead(t, two.page("orders", "?wait=30s&from="+p.Next).Events, []string{id})
}
