package http_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// european may publish what is of Europe, to orders and room-1 only.
const european = `{"allow":["publish"],"streams":["orders"],"channels":["room-1"],"topics":["eu.**"]}`

func TestImposedTopicsBoundWhatIsPublishedInEveryForm(t *testing.T) {
	t.Parallel()
	const cloudEvent = `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":%q,"data":1}`
	for _, c := range []struct {
		path, body string
		header     []string
		faults     []string // pointers; none: all is stored
	}{
		{publishPath, `{"topic":"eu.de","data":1}`, nil, nil},
		{publishPath, `{"topic":"us","data":1}`, nil, []string{"/topic"}},
		{publishPath, `{"data":1}`, nil, []string{"/topic"}},
		{publishPath, `[{"topic":"eu.de","data":1},{"topic":"us","data":1},{"data":1},{"topic":"eu","data":1}]`, nil, []string{"/1/topic", "/2/topic", "/3/topic"}},
		{publishPath, `{"topic":"eu.de","data":1}` + "\n" + `{"topic":"us","data":1}`, []string{"Content-Type: application/x-ndjson"}, []string{"/1/topic"}},
		{publishPath, fmt.Sprintf(cloudEvent, "eu.de"), []string{"Content-Type: application/cloudevents+json"}, nil},
		{publishPath, fmt.Sprintf(cloudEvent, "us"), []string{"Content-Type: application/cloudevents+json"}, []string{"/subject"}},
		{publishPath, "[" + fmt.Sprintf(cloudEvent, "us") + "]", []string{"Content-Type: application/cloudevents-batch+json"}, []string{"/0/subject"}},
		{publishPath, `1`, []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: s", "Ce-Type: t", "Ce-Subject: us"}, []string{"header ce-subject"}},
		{"/v1/streams/orders/raw?topic=eu.de", `x`, nil, nil},
		{"/v1/streams/orders/raw?topic=us", `x`, nil, []string{"?topic"}},
		{"/v1/streams/orders/raw", `x`, nil, []string{"?topic"}},
		{"/v1/broadcast/room-1", `{"topic":"eu.de","data":1}`, nil, nil},
		{"/v1/broadcast/room-1", `[{"topic":"eu.de","data":1},{"topic":"us","data":1}]`, nil, []string{"/1/topic"}},
		{"/v1/events", `[{"stream":"orders","topic":"eu.de","data":1}]`, nil, nil},
		{
			"/v1/events", `[{"stream":"other","topic":"eu.de","data":1},{"stream":"orders","topic":"us","data":1},{"stream":"orders","topic":"eu.x","data":1},{"stream":"other","data":1}]`, nil,
			[]string{"/0/stream", "/1/topic", "/3/stream"},
		},
	} {
		e := newEdgeWith(t, http.Options{Auth: opened(may(t, european))})
		if c.faults != nil {
			e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) { panic("something was stored") }
			e.broker.broadcast = func(string, []hub.Event) ([]string, error) { panic("something was passed on") }
		}
		a := e.call("POST", c.path, c.body, c.header...)
		if c.faults == nil {
			if a.Code != 201 && a.Code != 202 {
				t.Errorf("%s with %s is answered %d %s", c.path, c.body, a.Code, a.Body)
			}
			continue
		}
		p := a.problem(hub.CodeForbidden)
		var pointers []string
		for _, fault := range p.Errors {
			pointers = append(pointers, fault.Pointer)
		}
		if !slices.Equal(pointers, c.faults) || !strings.HasPrefix(p.Detail, "nothing was stored: "+c.faults[0]+" ") {
			t.Errorf("%s with %s has the faults %q, want %q: %s", c.path, c.body, pointers, c.faults, p.Detail)
		}
	}
}

func TestListOfForbiddenEventsIsBounded(t *testing.T) {
	t.Parallel()
	e := newEdgeWith(t, http.Options{Auth: opened(may(t, european))})
	limits := hub.Limits{EventBytes: 100, BatchEvents: 1000, BatchBytes: 100_000}
	e.server = http.NewServer(http.Options{Broker: e.broker, Auth: opened(may(t, european)), Limits: limits})
	for path, event := range map[string]string{publishPath: `{"data":1}`, "/v1/events": `{"stream":"orders","data":1}`} {
		body := "[" + strings.Repeat(event+",", 500) + event + "]"
		if p := e.call("POST", path, body).problem(hub.CodeForbidden); len(p.Errors) != 100 {
			t.Errorf("%s lists %d faults, want 100", path, len(p.Errors))
		}
	}
}
