package http

import (
	"net/http"

	"eventhub/internal/hub"
)

// eventsBody is the events of a request.
type eventsBody struct {
	events []hub.Event
	batch  bool // it is answered with a list of ids
	form   form
}

// form is how events are written in a body.
type form uint8

const (
	formJSON form = iota
	formLines
	formCloudEvent       // structured
	formCloudEvents      // batched
	formBinaryCloudEvent // in the headers
	formRaw              // the body is the payload of one
)

// formOf tells a body's form by its headers. Content-Type comes first: a CloudEvent
// in structured mode may repeat its attributes as headers (HTTP Protocol Binding
// for CloudEvents 1.0.2, §3.2.3).
func formOf(r *http.Request) (form, error) {
	kind := mediaType(r)
	switch kind {
	case "application/cloudevents+json":
		return formCloudEvent, nil
	case "application/cloudevents-batch+json":
		return formCloudEvents, nil
	}
	switch _, binary := r.Header["Ce-Specversion"]; {
	case binary:
		return formBinaryCloudEvent, nil
	case kind == "application/x-ndjson":
		return formLines, nil
	case saysJSON(kind):
		return formJSON, nil
	}
	return 0, unsupported(r, hub.JSONType+", application/x-ndjson, or a CloudEvent in JSON format")
}

// readEvents reads a body in any form.
func (h *handler) readEvents(w http.ResponseWriter, r *http.Request, to hub.Target) (b eventsBody, err error) {
	if b.form, err = formOf(r); err != nil {
		return b, err
	}
	tooLarge := hub.TooLargeBody
	if b.form == formBinaryCloudEvent {
		tooLarge = hub.TooLargePayload
	}
	body, err := h.read(w, r, tooLarge)
	if err != nil {
		return b, err
	}
	if len(body) == 0 && b.form != formBinaryCloudEvent {
		return b, hub.Errorf(hub.CodeInvalidRequest, "the body is empty: send JSON")
	}
	return h.decodeEvents(b.form, to, r.Header, body)
}

func (h *handler) decodeEvents(f form, to hub.Target, header http.Header, body []byte) (b eventsBody, err error) {
	b = eventsBody{form: f, batch: true}
	var one hub.Event
	switch f {
	case formJSON:
		b.events, b.batch, err = to.Decode(body, h.Limits)
		return b, err
	case formLines:
		b.events, err = to.DecodeLines(body, h.Limits)
		return b, err
	case formCloudEvents:
		b.events, err = hub.DecodeCloudEvents(body, h.Limits)
		return b, err
	case formCloudEvent:
		one, err = hub.DecodeCloudEvent(body, h.Limits)
	case formBinaryCloudEvent:
		one, err = hub.DecodeBinaryCloudEvent(header, body, h.Limits)
	}
	b.events, b.batch = []hub.Event{one}, false
	return b, err
}
