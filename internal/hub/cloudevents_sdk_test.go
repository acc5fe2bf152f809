package hub_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"

	"eventhub/internal/hub"
)

// sdkEvents are CloudEvents as the SDK makes them.
func sdkEvents(t *testing.T) []event.Event {
	t.Helper()
	with := func(contentType string, data []byte, set func(e *event.Event)) event.Event {
		e := event.New()
		e.SetID("a-1")
		e.SetSource("https://example.com/shop?x=1#y")
		e.SetType("com.example.order.created")
		if set != nil {
			set(&e)
		}
		if data != nil {
			e.SetDataContentType(contentType)
			e.DataEncoded = data // SetData would make it data_base64
		}
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		return e
	}
	return []event.Event{
		with("", nil, nil),
		with("application/json", []byte(`{"total":12.50,"big":12345678901234567890,"b":1,"a":[null,"\u00e9"]}`), nil),
		with("application/json", []byte(`"text"`), func(e *event.Event) { e.SetSubject("eu.de") }),
		with("application/json", []byte(`null`), func(e *event.Event) {
			e.SetTime(time.Date(2025, 11, 20, 12, 0, 0, 120_000_000, time.UTC))
			e.SetDataSchema("https://example.com/schema")
			e.SetExtension("partitionkey", "customer-42")
			e.SetExtension("sequence", 7)
			e.SetExtension("sampled", true)
			e.SetExtension("blob", []byte{0, 0xff})
			e.SetExtension("when", time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
			e.SetExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		}),
	}
}

// sdkAttributes are an event's attributes as text, as the headers they become.
func sdkAttributes(t *testing.T, e event.Event) map[string]string {
	t.Helper()
	attributes := map[string]string{
		"ce-specversion": e.SpecVersion(), "ce-id": e.ID(), "ce-source": e.Source(), "ce-type": e.Type(), "ce-subject": e.Subject(),
		"ce-dataschema": e.DataSchema(), "ce-datacontenttype": e.DataContentType(),
	}
	if !e.Time().IsZero() {
		attributes["ce-time"] = types.FormatTime(e.Time())
	}
	maps.DeleteFunc(attributes, func(_, value string) bool { return value == "" })
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			t.Fatal(err)
		}
		attributes["ce-"+name] = text
	}
	return attributes
}

// checkSame makes sure that the hub has read what the SDK means.
func checkSame(t *testing.T, mode string, got hub.Event, want event.Event) {
	t.Helper()
	checkCloudEvent(t, got)
	if headers, attributes := headersOf(t, got), sdkAttributes(t, want); !maps.Equal(headers, attributes) {
		t.Errorf("%s: the headers are %v, the SDK has %v", mode, headers, attributes)
	}
	data := want.Data()
	if data == nil {
		data = []byte("null")
	}
	if got.ContentType != want.DataContentType() || !bytes.Equal(got.Data, data) || got.Binary {
		t.Errorf("%s: the data is %q of %q, the SDK has %q of %q", mode, got.Data, got.ContentType, data, want.DataContentType())
	}
}

func TestWhatTheSDKSendsIsWhatItMeans(t *testing.T) {
	t.Parallel()
	events := sdkEvents(t)
	for _, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := hub.DecodeCloudEvent(body, hub.DefaultLimits)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		checkSame(t, "structured", got, e)

		header, body := sdkBinary(t, e)
		got, err = hub.DecodeBinaryCloudEvent(header, body, hub.DefaultLimits)
		if err != nil {
			t.Fatalf("%v %s: %v", header, body, err)
		}
		checkSame(t, "binary", got, e)
	}
	body, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	got, err := hub.DecodeCloudEvents(body, hub.DefaultLimits)
	if err != nil || len(got) != len(events) {
		t.Fatalf("%d events (%v), want %d", len(got), err, len(events))
	}
	for i := range events {
		checkSame(t, "batched", got[i], events[i])
	}
}

func TestBinaryPayloadOfTheSDK(t *testing.T) {
	t.Parallel()
	png := []byte{0x89, 'P', 'N', 'G', 0, 0xff, '\r', '\n'}
	e := sdkEvents(t)[0]
	if err := e.SetData("image/png", png); err != nil {
		t.Fatal(err)
	}
	structured, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	fromStructured, err := hub.DecodeCloudEvent(structured, hub.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	header, body := sdkBinary(t, e)
	fromBinary, err := hub.DecodeBinaryCloudEvent(header, body, hub.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	for mode, got := range map[string]hub.Event{"structured": fromStructured, "binary": fromBinary} {
		if !got.Binary || got.ContentType != "image/png" || !bytes.Equal(got.Data, png) {
			t.Errorf("%s: it is %+v", mode, got)
		}
	}
}

// sdkBinary is an event in binary mode as the SDK sends it.
func sdkBinary(t *testing.T, e event.Event) (nethttp.Header, []byte) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), nethttp.MethodPost, "/", nethttp.NoBody)
	if err := cehttp.WriteRequest(binding.WithForceBinary(t.Context()), binding.ToMessage(&e), r); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.Header, body
}

// checkOracle makes sure that the hub and the SDK read the same in what both
// accept. The SDK is left alone where it is known to read otherwise than the
// specification: it replaces halves of surrogate pairs in its own way.
func checkOracle(t *testing.T, body []byte, got hub.Event) {
	t.Helper()
	var want event.Event
	if json.Unmarshal(body, &want) != nil || want.Validate() != nil {
		return
	}
	headers := headersOf(t, got)
	for name, text := range map[string]string{"ce-id": want.ID(), "ce-type": want.Type(), "ce-subject": want.Subject(), "ce-datacontenttype": want.DataContentType()} {
		if headers[name] != text && !strings.Contains(headers[name], "\ufffd") {
			t.Fatalf("%q: %s is %q, the SDK has %q", body, name, headers[name], text)
		}
	}
	switch {
	case got.Binary:
		if !bytes.Equal(got.Data, want.Data()) {
			t.Fatalf("%q: the data is %q, the SDK has %q", body, got.Data, want.Data())
		}
	case got.ContentType == "" || got.ContentType == hub.JSONType:
		data := want.Data()
		if data == nil {
			data = []byte("null")
		}
		if !bytes.Equal(tokens(t, got.Data), tokens(t, data)) {
			t.Fatalf("%q: the data is %q, the SDK has %q", body, got.Data, data)
		}
	}
}

func TestHubAndSDKRefuseTheSame(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`,
		`{"specversion":"1.0","id":"1","source":"/s"}`,
		`{"specversion":"1.0","id":"1","type":"t"}`,
		`{"specversion":"1.0","source":"/s","type":"t"}`,
		`{"id":"1","source":"/s","type":"t"}`,
		`{"specversion":"2.0","id":"1","source":"/s","type":"t"}`,
		`{"specversion":"1.0","id":"","source":"/s","type":"t"}`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","a_b":"x"}`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","x":{}}`,
		`{"specversion":"1.0","id":1,"source":"/s","type":"t"}`,
	} {
		var e event.Event
		sdk := json.Unmarshal([]byte(body), &e)
		if sdk == nil {
			sdk = e.Validate()
		}
		if _, err := hub.DecodeCloudEvent([]byte(body), hub.DefaultLimits); err == nil || sdk == nil {
			t.Errorf("%s: the hub says %v, the SDK %v", body, err, sdk)
		}
	}
}
