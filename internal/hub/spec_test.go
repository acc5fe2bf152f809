package hub_test

import (
	"fmt"
	"net/url"
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
	spec, err := parseSpec("billing", "stream=orders&stream=payments&stream=orders&from=oldest&ack_wait=1m30s&prefetch=7&consumer=worker+%C3%A4")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(spec.Streams, []string{"orders", "payments"}) || spec.Sink != "billing" || spec.From != "oldest" ||
		spec.AckWait != 90*time.Second || spec.Prefetch != 7 || spec.Label != "worker ä" {
		t.Errorf("the spec is %+v", spec)
	}
}

func TestConsumerSpecHasDefaults(t *testing.T) {
	t.Parallel()
	spec, err := parseSpec("billing", "stream=orders")
	if err != nil || spec.Prefetch != 100 || spec.From != "" || spec.AckWait != 0 || spec.Label != "" {
		t.Errorf("the spec is %+v (%v)", spec, err)
	}
}

func TestEveryFaultOfAConsumerSpecIsListed(t *testing.T) {
	t.Parallel()
	_, err := parseSpec("billing",
		"stream=orders&stream=a+b&stream=&from=newest&ack_wait=soon&prefetch=0&consumer=a%0Ab&colour=red&Stream=x&from_=1")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?Stream", "not a known query parameter"},
		{"?colour", "not a known query parameter"},
		{"?from_", "not a known query parameter"},
		{"?stream", `"a b" is not a stream name`},
		{"?stream", `"" is not a stream name`},
		{"?from", "no start position"},
		{"?ack_wait", "not a duration from 10ms to 24h"},
		{"?prefetch", "from 1 to 10000"},
		{"?consumer", "U+000A"},
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

func TestConsumerSpecLimitsHoldExactly(t *testing.T) {
	t.Parallel()
	for query, ok := range map[string]bool{
		"stream=a&stream=b&stream=c":                    true,
		"stream=a&stream=b&stream=c&stream=d":           false,
		"stream=a&stream=b&stream=c&stream=c&stream=a":  true, // repetitions count once
		"stream=a&prefetch=1":                           true,
		"stream=a&prefetch=0":                           false,
		"stream=a&prefetch=-1":                          false,
		"stream=a&prefetch=10000":                       true,
		"stream=a&prefetch=10001":                       false,
		"stream=a&prefetch=99999999999999999999":        false,
		"stream=a&prefetch=1e2":                         false,
		"stream=a&prefetch=":                            false,
		"stream=a&ack_wait=10ms":                        true,
		"stream=a&ack_wait=9999us":                      false,
		"stream=a&ack_wait=24h":                         true,
		"stream=a&ack_wait=24h0m0.001s":                 false,
		"stream=a&ack_wait=-30s":                        false,
		"stream=a&ack_wait=30":                          false,
		"stream=a&ack_wait=":                            false,
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

func TestChannelsAreRead(t *testing.T) {
	t.Parallel()
	channels, err := hub.ParseChannels("channel=b&channel=a&channel=b", 2)
	if err != nil || !slices.Equal(channels, []string{"b", "a"}) {
		t.Errorf("the channels are %q (%v)", channels, err)
	}
	_, err = hub.ParseChannels("channel=a&channel=b&channel=c&channel=d+e&stream=x", 2)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?stream", "not a known"}, {"?channel", "not a channel name"}, {"?channel", "3 names, at most 2"},
	})
	_, err = hub.ParseChannels("", 2)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?channel", "missing"}})
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
	_, err := hub.ParseChannels("channel=a;channel=b", 2) // net/url leaves such a pair out
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?", "malformed"}, {"?channel", "missing"}})
	_, err = parseSpec("s", "stream=a&prefetch=0&from=%")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?", "malformed"}, {"?prefetch", "from 1"}})
}

func TestDurationsAreWrittenBriefly(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                              "0s",
		30 * time.Second:               "30s",
		time.Minute:                    "1m",
		10 * time.Minute:               "10m",
		90 * time.Second:               "1m30s",
		time.Hour:                      "1h",
		10 * time.Hour:                 "10h",
		720 * time.Hour:                "720h",
		time.Hour + 30*time.Minute:     "1h30m",
		time.Hour + 10*time.Minute:     "1h10m",
		time.Hour + time.Second:        "1h0m1s",
		1500 * time.Millisecond:        "1.5s",
		time.Minute + time.Millisecond: "1m0.001s",
		-time.Hour:                     "-1h",
	} {
		if got := hub.FormatDuration(d); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
	}
}

func FuzzDurationRoundTrip(f *testing.F) {
	for _, seed := range []time.Duration{0, 1, time.Second, time.Minute, time.Hour, 90 * time.Minute, 25 * time.Hour, -time.Minute, 1<<63 - 1} {
		f.Add(int64(seed))
	}
	f.Fuzz(func(t *testing.T, n int64) {
		d := time.Duration(n)
		text := hub.FormatDuration(d)
		got, err := hub.ParseDuration(text, d, d)
		if err != nil || got != d {
			t.Fatalf("%v is written %q, which is read as %v (%v)", d, text, got, err)
		}
		if len(text) > len(d.String()) {
			t.Fatalf("%v is written %q, which is no briefer", d, text)
		}
	})
}
