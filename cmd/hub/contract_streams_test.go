package main

import (
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func (c *contract) publishingOnce(t *testing.T) {
	const orders = "POST /v1/streams/orders/events"
	key, long := []string{"Idempotency-Key: k"}, []string{"Idempotency-Key: " + strings.Repeat("k", 257)}
	c.run(t, contractHub(t), []contractCase{
		{name: "an event", request: orders, body: `{"data":1,"idempotency_key":"k"}`, status: 201},
		{name: "the same", request: orders, body: `{"data":1,"idempotency_key":"k"}`, status: 200},
		{name: "another with its key", request: orders, body: `{"data":2,"idempotency_key":"k"}`, code: hub.CodeConflict, pointers: "/idempotency_key"},
		{name: "the same and others", request: orders, body: `[{"data":1,"idempotency_key":"k"},{"data":2},{"data":3,"idempotency_key":"l"}]`, status: 201},
		{name: "some that are all the same", request: orders, body: `[{"data":1,"idempotency_key":"k"},{"data":3,"idempotency_key":"l"}]`, status: 200},
		{
			name: "several others", request: orders, body: `[{"data":2,"idempotency_key":"k"},{"data":2},{"data":2,"idempotency_key":"l"}]`,
			code: hub.CodeConflict, pointers: "/0/idempotency_key /2/idempotency_key",
		},
		{name: "a key too long", request: orders, body: `{"data":1,"idempotency_key":"` + long[0] + `"}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/idempotency_key"},
		{name: "a request", request: orders, body: `[{"data":1},{"data":2}]`, header: key, status: 201},
		{name: "the same request", request: orders, body: `[{"data":1},{"data":2}]`, header: key, status: 200},
		{name: "another request", request: orders, body: `[{"data":1}]`, header: key, code: hub.CodeConflict, pointers: "header Idempotency-Key"},
		{name: "a key of a request too long", request: orders, body: `{"data":1}`, header: long, fit: breaks, code: hub.CodeInvalidRequest, pointers: "header Idempotency-Key"},
	})
}

// A CloudEvent and the headers of the three modes.
const contractCloudEvent = `{"specversion":"1.0","id":"1","source":"/shop","type":"order.created","subject":"eu.de","partitionkey":"c","time":null,` +
	`"datacontenttype":"application/json","tenant":"acme","level":1,"data":[1.50]}`

var (
	contractStructured = []string{"Content-Type: application/cloudevents+json; charset=utf-8"}
	contractBatch      = []string{"Content-Type: application/cloudevents-batch+json"}
	contractBinary     = []string{
		"ce-specversion: 1.0", "ce-id: 1", "ce-source: /shop%20one", "ce-type: order.created", "ce-subject: eu.de", "ce-partitionkey: c", "ce-tenant: acme",
	}
)

func (c *contract) publishingCloudEvents(t *testing.T) {
	const orders = "POST /v1/streams/orders/events"
	without := func(n int) []string { return append([]string{"Content-Type: image/png"}, contractBinary[n:]...) }
	other := strings.Replace(contractCloudEvent, "1.50", "2", 1)
	long := strings.Replace(contractCloudEvent, "1.50", `"`+strings.Repeat("x", 100)+`"`, 1)
	c.run(t, contractHub(t, contractLimits...), []contractCase{
		{name: "structured", request: orders, body: contractCloudEvent, header: contractStructured, status: 201},
		{name: "the same", request: orders, body: contractCloudEvent, header: contractStructured, status: 200},
		{name: "another with its id", request: orders, body: other, header: contractStructured, code: hub.CodeConflict, pointers: "/id"},
		{name: "binary data", request: orders, body: `{"specversion":"1.0","id":"2","source":"s","type":"t","data_base64":"AA=="}`, header: contractStructured, status: 201},
		{
			name: "every fault is listed", request: orders, body: `{"specversion":"0.3","id":"","type":5,"Tenant":"a","extra":{}}`, header: contractStructured,
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "/specversion /id /type /Tenant /extra /source",
		},
		{
			name: "both kinds of data", request: orders, body: contractCloudEvent[:len(contractCloudEvent)-1] + `,"data_base64":""}`, header: contractStructured,
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "/data_base64",
		},
		{name: "too much data", request: orders, body: long, header: contractStructured, fit: beyond, code: hub.CodePayloadTooLarge, pointers: "/data"},
		{name: "a batch", request: orders, body: `[{"specversion":"1.0","id":"3","source":"s","type":"t"}]`, header: contractBatch, status: 201},
		{name: "another batch with an id", request: orders, body: `[` + other + `]`, header: contractBatch, code: hub.CodeConflict, pointers: "/0/id"},
		{name: "a batch of none", request: orders, body: `[]`, header: contractBatch, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "in headers", request: orders, body: "\x00\xff", header: without(0), status: 201},
		{name: "the same in headers", request: orders, body: "\x00\xff", header: without(0), status: 200},
		{name: "another in headers", request: orders, body: "\xff", header: without(0), code: hub.CodeConflict, pointers: "header ce-id"},
		{name: "JSON, in headers", request: orders, body: `{"total":1}`, header: append(contractBinary[:len(contractBinary):len(contractBinary)], "ce-id: 4"), fit: beyond, status: 201},
		{name: "without needed headers", request: orders, body: "x", header: append(without(4), contractBinary[0]), fit: beyond, code: hub.CodeInvalidRequest, pointers: "*"},
		{
			name: "of another version", request: orders, body: "x", header: append(without(1), "ce-specversion: 0.3"),
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "header ce-specversion",
		},
	})
}

func (c *contract) publishingRaw(t *testing.T) {
	const hooks = "POST /v1/streams/hooks/raw"
	png, key := []string{"Content-Type: image/png"}, []string{"Idempotency-Key: k"}
	long := strings.Repeat("x", 257)
	h := contractHub(t, contractLimits...)
	c.run(t, h, []contractCase{
		{name: "JSON", request: hooks + "?type=a&topic=b&key=c&if_exists=false", body: `{"total":1.50}`, status: 201},
		{name: "an image", request: hooks, body: "\x89PNG\x00\xff", header: png, status: 201},
		{name: "nothing", request: hooks, status: 201},
		{name: "once", request: hooks, body: `1`, header: key, status: 201},
		{name: "once more", request: hooks, body: `1`, header: key, status: 200},
		{name: "another with its key", request: hooks, body: `2`, header: key, code: hub.CodeConflict, pointers: "header Idempotency-Key"},
		{name: "no JSON", request: hooks, body: `{"total":`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "*"},
		{
			name: "every wrong parameter is listed", request: hooks + "?type=" + long + "&topic=%07&key=" + long + "&if_exists=1&headers=x",
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "?headers ?if_exists ?type ?topic ?key",
		},
		{name: "a wrong name", request: "POST /v1/streams/a~b/raw", fit: breaks, code: hub.CodeInvalidName},
		{name: "too much", request: hooks, body: long, header: png, fit: beyond, code: hub.CodePayloadTooLarge, pointers: "*"},
		{name: "if the stream exists", request: "POST /v1/streams/visits/raw?if_exists=true", body: `1`, code: hub.CodeStreamNotFound},
	})
	h.want(200, "PUT", "/v1/streams/hooks", `{"max_events":1,"on_full":"reject"}`)
	c.run(t, h, []contractCase{{name: "more than fits", request: hooks, body: `1`, code: hub.CodeStreamFull}})
}

func (c *contract) publishingMany(t *testing.T) {
	const events = "POST /v1/events"
	key := []string{"Idempotency-Key: k"}
	h := contractHub(t, contractLimits...)
	h.want(201, "PUT", "/v1/streams/full", `{"max_events":1,"on_full":"reject"}`)
	c.run(t, h, []contractCase{
		{
			name: "to two", request: events, status: 201,
			body: `[{"stream":"orders","type":"a","topic":"b","key":"c","content_type":"x/y","headers":{"d":"e"},"data":1,"idempotency_key":"k"},{"stream":"visits","data_base64":""}]`,
		},
		{name: "partly the same", request: events, body: `[{"stream":"visits","data":1},{"stream":"visits","data":2}]`, header: key, status: 201},
		{name: "all the same", request: events, body: `[{"stream":"visits","data":1},{"stream":"visits","data":2}]`, header: key, status: 200},
		{
			name: "for one that is full", request: events, status: 207,
			body: `[{"stream":"full","data":1},{"stream":"visits","data":1,"idempotency_key":"k"},{"stream":"full","data":2}]`,
		},
		{name: "partly stored before", request: events, status: 201, body: `[{"stream":"orders","data":1},{"stream":"visits","data":1,"idempotency_key":"k"}]`},
		{name: "if they exist", request: events + "?if_exists=true", body: `[{"stream":"orders","data":1},{"stream":"new","data":1}]`, status: 207},
		{name: "another with its key", request: events, body: `[{"stream":"visits","data":2,"idempotency_key":"k"}]`, status: 207},
		{name: "lines", request: events, body: "{\"stream\":\"orders\",\"data\":1}\n", header: contractLines, status: 201},
		{
			name: "every fault is listed", request: events, body: `[{"data":1},{"stream":"a~b","data":1},{"stream":5}]`,
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "/0/stream /1/stream /2/stream /2/data",
		},
		{name: "one object", request: events, body: `{"stream":"orders","data":1}`, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "nothing", request: events, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "to too many", request: events, body: `[{"stream":"a","data":1},{"stream":"b","data":1},{"stream":"c","data":1}]`, fit: beyond, code: hub.CodeInvalidRequest},
		{name: "too many", request: events, body: `[` + strings.Repeat(`{"stream":"a","data":1},`, 3) + `{"stream":"a","data":1}]`, fit: beyond, code: hub.CodePayloadTooLarge},
		{name: "an unknown parameter", request: events + "?stream=a", body: `[{"stream":"a","data":1}]`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "?stream"},
		{name: "a CloudEvent", request: events, body: contractCloudEvent, header: contractStructured, fit: breaks, code: hub.CodeUnsupportedMedia},
	})
}

func (c *contract) streams(t *testing.T) {
	const orders, put = "/v1/streams/orders", "PUT /v1/streams/orders"
	h := contractHub(t, contractLimits...)
	form, text := []string{"Content-Type: application/x-www-form-urlencoded"}, []string{"Content-Type: text/plain"}
	c.run(t, h, []contractCase{
		{name: "no streams", request: "GET /v1/streams", status: 200},
		{name: "a stream that nobody has made", request: "GET " + orders, code: hub.CodeStreamNotFound},
		{name: "pruning it", request: "POST " + orders + "/prune", code: hub.CodeStreamNotFound},
		{name: "a new stream", request: put, body: `{"max_events":0,"max_age":"0","on_full":"reject","ttl":{"after":"24h","sliding":true}}`, status: 201},
		{name: "with other settings", request: put, body: `{"max_events":1000000000000,"max_age":"1.5h","on_full":"drop_oldest","ttl":null}`, status: 200},
		{name: "as curl -d sends it", request: put, body: `{"ttl":{"after":"1h"}}`, header: form, status: 200},
		{name: "with the defaults", request: put, status: 200},
		{
			name: "every fault is listed", request: put, body: `{"max_events":-1,"max_age":"x","on_full":"drop","ttl":{"sliding":1},"ttl_ms":1}`,
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "/max_events /max_age /on_full /ttl/sliding /ttl/after /ttl_ms",
		},
		{name: "ages too short", request: put, body: `{"max_age":"1ms","ttl":{"after":"1ms"}}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/max_age /ttl/after"},
		{name: "no JSON", request: put, body: `{`, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "as text", request: put, body: `{}`, header: text, fit: breaks, code: hub.CodeUnsupportedMedia},
		{name: "too many bytes", request: put, body: `{}` + strings.Repeat(" ", 1000), fit: beyond, code: hub.CodePayloadTooLarge},
		{name: "an unknown parameter", request: put + "?ttl=1h", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?ttl"},
		{name: "a wrong name", request: "PUT /v1/streams/a~b", fit: breaks, code: hub.CodeInvalidName},
	})
	h.put("billing", `{"streams":["orders"],"from":"oldest"}`)
	h.publishMany("orders", 3)
	h.publish("visits", `{"data":1}`)
	c.run(t, h, []contractCase{
		{name: "a stream with a sink", request: "GET " + orders, status: 200},
		{name: "a wrong stream", request: "GET /v1/streams/a~b", fit: breaks, code: hub.CodeInvalidName},
		{name: "a stream with a parameter", request: "GET " + orders + "?verbose=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?verbose"},
		{name: "all streams", request: "GET /v1/streams?limit=1000&cursor=a&prefix=", status: 200},
		{name: "the first of them", request: "GET /v1/streams?limit=1", status: 200},
		{name: "some of them", request: "GET /v1/streams?prefix=ord", status: 200},
		{name: "none of them", request: "GET /v1/streams?limit=0&prefix=~&from=a", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?from ?prefix ?limit"},

		{name: "pruning nothing", request: "POST " + orders + "/prune", status: 200},
		{name: "with a smaller bound", request: put, body: `{"max_events":1}`, status: 200},
		{name: "what pruning would remove", request: "POST " + orders + "/prune?dry_run=true", status: 200},
		{name: "pruning", request: "POST " + orders + "/prune?dry_run=false", status: 200},
		{name: "pruning perhaps", request: "POST " + orders + "/prune?dry_run=maybe", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?dry_run"},
		{name: "pruning a wrong name", request: "POST /v1/streams/a~b/prune", fit: breaks, code: hub.CodeInvalidName},

		{name: "rejecting", request: put, body: `{"max_events":1,"on_full":"reject"}`, status: 200},
		{name: "more than fits", request: "POST " + orders + "/events", body: `[{"data":1},{"data":2}]`, code: hub.CodeStreamFull},

		{name: "deleting it", request: "DELETE " + orders, status: 204},
		{name: "deleting it again", request: "DELETE " + orders, status: 204},
		{name: "deleting a wrong name", request: "DELETE /v1/streams/a~b", fit: breaks, code: hub.CodeInvalidName},
		{name: "deleting with a parameter", request: "DELETE " + orders + "?force=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?force"},
	})
}

func (c *contract) events(t *testing.T) {
	const orders = "/v1/streams/orders/events"
	h := contractHub(t)
	h.want(201, "PUT", "/v1/streams/clicks", `{"max_events":1}`)
	clicks := h.publishMany("clicks", 300)
	id := h.publish("orders", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":[1.50]}`)
	h.publish("orders", `{"data_base64":"AAE=","content_type":"image/png"}`)
	next := h.call("GET", orders+"?limit=1", "").json(t)["next"].(string)
	c.run(t, h, []contractCase{
		{name: "an event", request: "GET " + orders + "/" + id, status: 200},
		{name: "an event that is not there", request: "GET " + orders + "/1-0", code: hub.CodeEventNotFound},
		{name: "an event of no stream", request: "GET /v1/streams/visits/events/1-0", code: hub.CodeStreamNotFound},
		{name: "no id", request: "GET " + orders + "/latest", fit: breaks, code: hub.CodeInvalidRequest},
		{name: "an event of a wrong name", request: "GET /v1/streams/a~b/events/1-0", fit: breaks, code: hub.CodeInvalidName},
		{name: "an event with a parameter", request: "GET " + orders + "/1-0?raw=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?raw"},

		{name: "a page", request: "GET " + orders, status: 200},
		{name: "the next page", request: "GET " + orders + "?from=" + next, status: 200},
		{name: "a page with everything", request: "GET " + orders + "?from=at:2025-11-20T14:46:40Z&limit=1000&topic=b&topic=eu.**&type=re:a&wait=60s", status: 200},
		{name: "the end of a stream", request: "GET " + orders + "?from=latest&wait=1ms", status: 200},
		{name: "a stream that nobody has made", request: "GET /v1/streams/visits/events?wait=0s", status: 200},
		{name: "a page behind a gap", request: "GET /v1/streams/clicks/events?from=after:" + clicks[0], status: 200},
		{name: "a page of another stream since", request: "GET " + orders + "?from=after:1-0", status: 200},
		{
			name: "every wrong parameter is listed", request: "GET " + orders + "?from=now&limit=0&topic=&type=%07&wait=2m&cursor=a",
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "?cursor ?from ?topic ?type ?limit ?wait",
		},
		{name: "a cursor of another stream", request: "GET /v1/streams/visits/events?from=" + next, fit: beyond, code: hub.CodeInvalidRequest, pointers: "?from"},
		{name: "a page of a wrong name", request: "GET /v1/streams/a~b/events", fit: breaks, code: hub.CodeInvalidName},

		{name: "deleting an event", request: "DELETE " + orders + "/" + id, status: 204},
		{name: "deleting it again", request: "DELETE " + orders + "/" + id, status: 204},
		{name: "deleting no id", request: "DELETE " + orders + "/1", fit: breaks, code: hub.CodeInvalidRequest},
		{name: "deleting one of a wrong name", request: "DELETE /v1/streams/a~b/events/1-0", fit: breaks, code: hub.CodeInvalidName},
		{name: "deleting with a parameter", request: "DELETE " + orders + "/1-0?force=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?force"},
	})
	for query, gap := range map[string]bool{"clicks/events?from=after:" + clicks[0]: true, "orders/events?from=after:1-0": true, "orders/events": false} {
		if _, is := h.want(200, "GET", "/v1/streams/"+query, "")["gap"]; is != gap {
			t.Errorf("%s: is there a gap: %v, want %v", query, is, gap)
		}
	}
}

// unmade: a hub where streams have to be made first.
func (c *contract) unmade(t *testing.T) {
	h := contractHub(t, "HUB_AUTO_CREATE=false", `HUB_STREAMS={"declared":{}}`)
	c.run(t, h, []contractCase{
		{name: "publishing", request: "POST /v1/streams/orders/events", body: `{"data":1}`, code: hub.CodeStreamNotFound},
		{name: "publishing as it is", request: "POST /v1/streams/orders/raw", body: `1`, code: hub.CodeStreamNotFound},
		{name: "publishing to one that is declared", request: "POST /v1/streams/declared/events", body: `{"data":1}`, status: 201},
		{name: "publishing to both", request: "POST /v1/events", body: `[{"stream":"orders","data":1},{"stream":"declared","data":1}]`, status: 207},
		{name: "a page", request: "GET /v1/streams/orders/events", code: hub.CodeStreamNotFound},
		{name: "a reader", request: "GET /v1/readers/ws?stream=orders", header: contractUpgrade, code: hub.CodeStreamNotFound},
		{name: "a feed", request: "GET /v1/readers/sse?stream=declared&stream=orders", code: hub.CodeStreamNotFound},
		{name: "a sink", request: "PUT /v1/sinks/billing", body: `{"streams":["orders"]}`, code: hub.CodeStreamNotFound},
		{name: "a consumer", request: "GET /v1/sinks/billing/ws?stream=orders", code: hub.CodeStreamNotFound},
		{name: "a pull", request: "POST /v1/sinks/billing/pull?stream=orders", code: hub.CodeStreamNotFound},
	})
}
