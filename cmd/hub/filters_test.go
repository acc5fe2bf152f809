package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestFilteredEventsAreAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := two.dial("/v1/sinks/billing/ws?stream=orders&topic=eu.**&type=order.*&prefetch=3")
	one.publishMany("orders", 50) // of another type, without a topic
	want := []string{
		one.publish("orders", `{"type":"order.created","topic":"eu.de.berlin","data":1}`),
		one.publish("orders", `{"type":"order.paid","topic":"eu.fr","data":1}`),
	}
	one.publish("orders", `{"type":"order.paid","topic":"us.ny","data":1}`)
	one.publish("orders", `{"type":"bill.paid","topic":"eu.fr","data":1}`)
	assertEvents(t, s.events(2), want, 1)
	eventually(t, func() string {
		if f := sinkFigures(t, one, "billing"); f["pending"] != 2.0 || f["lag"] != 0.0 {
			return fmt.Sprint("with two events held: ", f)
		}
		return ""
	})
	s.ack("orders", want...)
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 || f["redelivered"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	if pending := pendingEvents(t, one, "billing"); len(pending) > 0 {
		t.Errorf("pending: %v", pending)
	}
}

func TestNobodyIsGivenWhatASinkFiltersOut(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.put("billing", `{"streams":["orders"],"from":"oldest","types":["order.*"]}`)
	one.publishMany("orders", 50)
	want := one.publish("orders", `{"type":"order.paid","data":1}`)
	if got := two.pull("billing", "", `{"max":10,"wait":"20s"}`); len(got) != 1 || got[0].ID != want {
		t.Errorf("the pull got %+v, want only %s", got, want)
	}
	if f := sinkFigures(t, one, "billing"); f["pending"] != 1.0 || f["lag"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	topics := []string{"eu", "eu.de", "eu.de.berlin", "eu.", "us.ny", "e?", "ü.de", "a+b", ""}
	topicOf := map[string]string{}
	for _, topic := range topics {
		body := fmt.Sprintf(`{"topic":%q,"data":1}`, topic)
		if topic == "" {
			body = `{"data":1}`
		}
		topicOf[h.publish("orders", body)] = topic
	}
	for i, c := range []struct{ patterns, want string }{
		{"**", "eu|eu.de|eu.de.berlin|eu.|us.ny|e?|ü.de|a+b|"},
		{"*", "eu|e?|a+b"},
		{"eu", "eu"},
		{"eu.*", "eu.de|eu."},
		{"eu.**", "eu.de|eu.de.berlin|eu."},
		{"eu**", "eu|eu.de|eu.de.berlin|eu."},
		{"e?", "eu|e?"},
		{"?.de", "ü.de"},
		{"*.de", "eu.de|ü.de"},
		{"**.berlin", "eu.de.berlin"},
		{"a+b", "a+b"},
		{"EU", ""},
		{"us.*\neu", "eu|us.ny"},
		{"re:eu|us", "eu"},
		{"re:(eu|us)\\..*", "eu.de|eu.de.berlin|eu.|us.ny"},
		{"re:.*", "eu|eu.de|eu.de.berlin|eu.|us.ny|e?|ü.de|a+b"},
		{"re:^e.$", "eu|e?"},
	} {
		query := url.Values{"stream": {"orders"}, "from": {"oldest"}, "topic": strings.Split(c.patterns, "\n")}
		sink := fmt.Sprint("sink-", i)
		got := map[string]bool{}
		for _, e := range h.pull(sink, "?"+query.Encode(), `{"max":1000}`) {
			got[topicOf[e.ID]+"|"] = true
		}
		want := map[string]bool{}
		for _, topic := range strings.SplitAfter(c.want+"|", "|") {
			if topic != "" && (topic != "|" || c.want != "") {
				want[topic] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q matches %v, want %v", c.patterns, got, want)
		}
	}
}

func TestRedeliveryRespectsAChangedFilter(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h")
	var eu, us []string
	for range 3 {
		eu = append(eu, one.publish("orders", `{"topic":"eu.de","data":1}`))
		us = append(us, one.publish("orders", `{"topic":"us.ny","data":1}`))
	}
	s.events(6)
	two.put("billing", `{"topics":["us.**"],"ack_wait":"300ms"}`)
	for held := slices.Clone(us); len(held) > 0; {
		for _, e := range s.next("events").Events {
			if i := slices.Index(held, e.ID); i >= 0 {
				held = slices.Delete(held, i, i+1)
			}
			if e.Topic != "us.ny" || e.Attempt < 2 {
				t.Errorf("the sink was given %+v again", e)
			}
			s.ack("orders", e.ID)
		}
	}
	eventually(t, func() string {
		if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 {
			return fmt.Sprintf("what the filter forbids is still owed, %v: %v", eu, f)
		}
		return ""
	})
	if letters := deadLetters(t, one, "billing"); len(letters) > 0 {
		t.Errorf("dead letters: %+v", letters)
	}
	two.want(http.StatusOK, "GET", "/v1/sinks/billing", "")
}
