package hub_test

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

var specDefaults = hub.SpecDefaults{Prefetch: 100, MaxStreams: 3}

func parseSpec(sink, query string) (hub.ConsumerSpec, error) {
	return hub.ParseConsumerSpec(sink, query, specDefaults)
}

func TestConsumerSpecIsRead(t *testing.T) {
	t.Parallel()
	spec, err := parseSpec("billing", "stream=orders&stream=payments&stream=orders&from=oldest&ack_wait=1m30s&prefetch=70&consumer=worker+%C3%A4"+
		"&topic=us.*&topic=eu.**&topic=us.*&type=re%3Ao.%2B&ack=none&max_deliveries=007&backoff=10s&backoff=1000ms&order=strict&expires_after=0"+
		"&max_bytes=1000&batch=5&max_latency=2s")
	want := hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders", "payments"}, Prefetch: 70, MaxBytes: 1000, Batch: 5, MaxLatency: 2 * time.Second, Label: "worker ä",
		Settings: hub.SinkSettings{
			"from": "oldest", "topics": `["eu.**","us.*"]`, "types": `["re:o.+"]`, "ack": "none", "ack_wait": "1m30s", "max_deliveries": "7",
			"backoff": `["10s","1s"]`, "order": "strict", "expires_after": "0s",
		},
	}
	if err != nil || !reflect.DeepEqual(spec, want) {
		t.Errorf("the spec is %+v (%v), want %+v", spec, err, want)
	}
}

func TestConsumerSpecHasDefaults(t *testing.T) {
	t.Parallel()
	spec, err := parseSpec("billing", "stream=orders")
	want := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Settings: hub.SinkSettings{}, Prefetch: 100, MaxBytes: 16 << 20}
	if err != nil || !reflect.DeepEqual(spec, want) {
		t.Errorf("the spec is %+v (%v), want %+v", spec, err, want)
	}
}

func TestPrefetchAndBatchFitTogether(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for query, want := range map[string]struct {
		prefetch, batch int
		latency         time.Duration
	}{
		"":                              {100, 0, 0},
		"prefetch=0":                    {0, 0, 0},
		"prefetch=7":                    {7, 0, 0},
		"batch=10":                      {100, 10, 100 * ms},
		"batch=500":                     {500, 500, 100 * ms},
		"batch=500&prefetch=500":        {500, 500, 100 * ms},
		"batch=500&prefetch=0":          {0, 500, 100 * ms},
		"batch=10&max_latency=1s":       {100, 10, 1000 * ms},
		"max_latency=1.9ms":             {100, 100, 1 * ms},
		"max_latency=1m&prefetch=7":     {7, 7, 60_000 * ms},
		"max_latency=1m&prefetch=0":     {0, 100, 60_000 * ms},
		"max_latency=1ms&prefetch=9999": {9999, 9999, 1 * ms},
	} {
		spec, err := parseSpec("s", "stream=a&"+query)
		if err != nil || spec.Prefetch != want.prefetch || spec.Batch != want.batch || spec.MaxLatency != want.latency {
			t.Errorf("%s: prefetch %d, batch %d, max_latency %s (%v), want %+v", query, spec.Prefetch, spec.Batch, spec.MaxLatency, err, want)
		}
	}
	_, err := parseSpec("s", "stream=a&batch=8&prefetch=7")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?batch", "8 is more than the prefetch of 7"}})
	_, err = parseSpec("s", "stream=a&batch=101&prefetch=x") // one mistake, one fault
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?prefetch", "not a whole number"}})
	_, err = parseSpec("s", "stream=a&batch=0&max_latency=1s&prefetch=1")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?batch", "from 1 to 10000"}})
}

func TestPullSpecKnowsTheSinkOnly(t *testing.T) {
	t.Parallel()
	spec, err := hub.ParsePullSpec("billing", "", hub.SpecDefaults{MaxStreams: 1})
	if err != nil || spec.Streams != nil || len(spec.Settings) != 0 || spec.Batch != 0 || spec.Sink != "billing" {
		t.Errorf("the spec is %+v (%v)", spec, err)
	}
	spec, err = hub.ParsePullSpec("billing", "stream=orders&ack_wait=5s&consumer=me&backoff=0", hub.SpecDefaults{MaxStreams: 1})
	if err != nil || !slices.Equal(spec.Streams, []string{"orders"}) || spec.Label != "me" ||
		!maps.Equal(spec.Settings, hub.SinkSettings{"ack_wait": "5s", "backoff": `["0s"]`}) {
		t.Errorf("the spec is %+v (%v)", spec, err)
	}
	_, err = hub.ParsePullSpec("billing", "stream=a&stream=b&prefetch=1&max_bytes=1&batch=1&max_latency=1s", hub.SpecDefaults{MaxStreams: 1})
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?batch", "not a known"},
		{"?max_bytes", "not a known"},
		{"?max_latency", "not a known"},
		{"?prefetch", "not a known"},
		{"?stream", "2 names, at most 1"},
	})
	_, err = hub.ParsePullSpec("no/sink", "", specDefaults)
	checkFaults(t, err, hub.CodeInvalidName, nil)
}

func TestEveryFaultOfAConsumerSpecIsListed(t *testing.T) {
	t.Parallel()
	_, err := parseSpec("billing",
		"stream=orders&stream=a+b&stream=&from=newest&ack_wait=soon&prefetch=-1&consumer=a%0Ab&colour=red&Stream=x&from_=1"+
			"&topic=&topic=eu&topic=%0A&type=re:(&ack=maybe&max_deliveries=many&backoff=1s&backoff=-1s&order=random&expires_after=1ms"+
			"&max_bytes=0&batch=0&max_latency=0s&topics=x")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?Stream", "not a known query parameter"},
		{"?colour", "not a known query parameter"},
		{"?from_", "not a known query parameter"},
		{"?topics", "not a known query parameter"},
		{"?stream", `"a b" is not a stream name`},
		{"?stream", `"" is not a stream name`},
		{"?from", "no start position"},
		{"?topic", "is empty"},
		{"?topic", "U+000A"},
		{"?type", "missing closing )"},
		{"?ack", `"maybe" is not known (want explicit or none)`},
		{"?ack_wait", "not a duration from 10ms to 24h"},
		{"?max_deliveries", `"many" is not a whole number from 0 to 1000000`},
		{"?backoff", `"-1s" is not a duration from 0s to 720h`},
		{"?order", `"random" is not known (want none or strict)`},
		{"?expires_after", `from 1s to 87600h, such as 30s or 1h30m (or "0": never)`},
		{"?consumer", "U+000A"},
		{"?prefetch", "from 0 to 10000"},
		{"?max_bytes", "from 1 to 1073741824"},
		{"?batch", "from 1 to 10000"},
		{"?max_latency", "not a duration from 1ms to 1m"},
	})
	_, err = parseSpec("billing", "from=latest&from=oldest&prefetch=1&prefetch=2&prefetch=3")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?stream", "missing"}, {"?from", "given 2 times"}, {"?prefetch", "given 3 times"},
	})
	_, err = parseSpec("billing", "stream=a%2Fb&from=x")
	checkFaults(t, err, hub.CodeInvalidName, []fault{{"?stream", "not a stream name"}, {"?from", "no start position"}})
	_, err = parseSpec("no/sink", "stream=orders")
	checkFaults(t, err, hub.CodeInvalidName, nil)
}

func TestReservedOrderIsNotSupported(t *testing.T) {
	t.Parallel()
	const detail = `"key" is reserved and not supported yet (want none or strict)`
	for _, query := range []string{"stream=a&order=key", "order=key&from=x&colour=red"} {
		_, err := parseSpec("s", query)
		if e := hub.AsError(err); err == nil || e.Code != hub.CodeNotSupported || e.Code.Status() != 400 || e.Detail != "order: "+detail ||
			e.Faults[0] != (hub.Fault{Pointer: "?order", Detail: detail}) {
			t.Errorf("%s is answered %v", query, err)
		}
	}
	_, err := hub.DecodeSinkPut([]byte(`{"x":1,"order":"key"}`))
	checkFaults(t, err, hub.CodeNotSupported, []fault{{"/order", detail}, {"/x", "not a known field"}})
}

func TestConsumerSpecLimitsHoldExactly(t *testing.T) {
	t.Parallel()
	for query, ok := range map[string]bool{
		"stream=a&stream=b&stream=c":                    true,
		"stream=a&stream=b&stream=c&stream=d":           false,
		"stream=a&stream=b&stream=c&stream=c&stream=a":  true, // repetitions count once
		"stream=a&prefetch=0":                           true,
		"stream=a&prefetch=-1":                          false,
		"stream=a&prefetch=%2B1":                        false,
		"stream=a&prefetch=10000":                       true,
		"stream=a&prefetch=10001":                       false,
		"stream=a&prefetch=99999999999999999999":        false,
		"stream=a&prefetch=9223372036854775808":         false,
		"stream=a&prefetch=1e2":                         false,
		"stream=a&prefetch=":                            false,
		"stream=a&batch=10000":                          true,
		"stream=a&batch=10001":                          false,
		"stream=a&max_bytes=1":                          true,
		"stream=a&max_bytes=1073741824":                 true,
		"stream=a&max_bytes=1073741825":                 false,
		"stream=a&max_latency=1ms":                      true,
		"stream=a&max_latency=999us":                    false,
		"stream=a&max_latency=1m":                       true,
		"stream=a&max_latency=1m1ms":                    false,
		"stream=a&ack_wait=10ms":                        true,
		"stream=a&ack_wait=9999us":                      false,
		"stream=a&ack_wait=24h":                         true,
		"stream=a&ack_wait=24h0m0.001s":                 false,
		"stream=a&ack_wait=-30s":                        false,
		"stream=a&ack_wait=30":                          false,
		"stream=a&ack_wait=":                            false,
		"stream=a&max_deliveries=0":                     true,
		"stream=a&max_deliveries=1000000":               true,
		"stream=a&max_deliveries=1000001":               false,
		"stream=a&expires_after=0":                      true,
		"stream=a&expires_after=0s":                     true,
		"stream=a&expires_after=999ms":                  false,
		"stream=a&expires_after=1s":                     true,
		"stream=a&expires_after=87600h":                 true,
		"stream=a&expires_after=87600h1ms":              false,
		"stream=a&backoff=720h":                         true,
		"stream=a&backoff=720h1ms":                      false,
		"stream=a" + strings.Repeat("&backoff=1s", 100): true,
		"stream=a" + strings.Repeat("&backoff=1s", 101): false,
		"stream=a" + strings.Repeat("&topic=a", 100):    true,
		"stream=a" + strings.Repeat("&type=a", 101):     false,
		"stream=a&topic=" + strings.Repeat("x", 256):    true,
		"stream=a&type=" + strings.Repeat("x", 257):     false,
		"stream=a&type=%FF":                             false,
		"stream=a&consumer=":                            true,
		"stream=a&consumer=" + strings.Repeat("x", 256): true,
		"stream=a&consumer=" + strings.Repeat("x", 257): false,
		"stream=a&consumer=%FF":                         false,
		"stream=a&from=":                                false,
		"stream=a&from=after:1-0":                       true,
	} {
		if _, err := parseSpec("s", query); (err == nil) != ok {
			t.Errorf("%.60s: %v", query, err)
		}
	}
}

func TestPageIsRead(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		limit  int
		cursor string
	}{
		"": {100, ""}, "limit=1": {1, ""}, "limit=1000&cursor=a%2Fb": {1000, "a/b"}, "cursor=": {100, ""},
	} {
		limit, cursor, err := hub.ParsePage(query, 1000, "limit", "cursor")
		if err != nil || limit != want.limit || cursor != want.cursor {
			t.Errorf("%s: limit %d, cursor %q (%v), want %+v", query, limit, cursor, err, want)
		}
	}
	if limit, _, err := hub.ParsePage("", 10, "limit"); err != nil || limit != 10 {
		t.Errorf("the limit is %d (%v), want the most there is", limit, err)
	}
	_, _, err := hub.ParsePage("limit=1001&cursor=x&page=2", 1000, "limit")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?cursor", "not a known"}, {"?page", "not a known"}, {"?limit", "from 1 to 1000"}})
	_, _, err = hub.ParsePage("limit=0&cursor=x&cursor=y", 1000, "limit", "cursor")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?limit", "from 1 to 1000"}, {"?cursor", "given 2 times"}})
}

func FuzzParseConsumerSpec(f *testing.F) {
	for _, seed := range []string{
		"stream=a", "stream=a&topic=eu.**&topic=re:a+&backoff=1s&ack=none", "order=key", "expires_after=0&ack_wait=1.0005s", "%", "stream=a;b",
		"stream=a&batch=5&prefetch=0&max_latency=1ms&max_bytes=1", "max_deliveries=007&from=after:1-0&order=strict&consumer=%FF",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		spec, err := parseSpec("s", query)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 || len(e.Faults) == 0 {
				t.Fatalf("%q is answered %v", query, err)
			}
			return
		}
		if len(spec.Streams) == 0 || spec.MaxBytes == 0 || spec.Prefetch != 0 && spec.Batch > spec.Prefetch || (spec.Batch > 0) != (spec.MaxLatency > 0) {
			t.Fatalf("%q is read as %+v", query, spec)
		}
		checkCanonical(t, spec.Settings)
	})
}

func TestUnknownParametersAreRepeatedInBounds(t *testing.T) {
	t.Parallel()
	values := url.Values{"stream": {"a"}}
	for i := range 1000 {
		values.Set(fmt.Sprintf("%d%s", i, strings.Repeat("x", 1000)), "")
	}
	_, err := hub.ParseConsumerSpec("s", values.Encode(), specDefaults)
	e := hub.AsError(err)
	if len(e.Faults) != 100 || len(e.Detail) > 1000 {
		t.Errorf("%d faults are listed with a detail of %d bytes", len(e.Faults), len(e.Detail))
	}
}

func TestParametersWhereNoneAreKnownAreFaults(t *testing.T) {
	t.Parallel()
	if err := hub.NoParams(""); err != nil {
		t.Error(err)
	}
	checkFaults(t, hub.NoParams("b=1&a"), hub.CodeInvalidRequest, []fault{{"?a", "not a known"}, {"?b", "not a known"}})
}

func TestMalformedQueryIsAFaultBesideTheOthers(t *testing.T) {
	t.Parallel()
	checkFaults(t, hub.NoParams("%zz"), hub.CodeInvalidRequest, []fault{{"?", "malformed"}})
	_, err := hub.ParseBroadcastSpec("channel=a;channel=b", 2) // net/url leaves such a pair out
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?", "malformed"}, {"?channel", "missing"}})
	_, err = parseSpec("s", "stream=a&prefetch=x&from=%")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?", "malformed"}, {"?prefetch", "from 0"}})
}
