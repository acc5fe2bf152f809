package hub_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestStreamConfigIsRead(t *testing.T) {
	t.Parallel()
	defaults := hub.StreamConfig{MaxEvents: 5, MaxAge: time.Hour, OnFull: hub.OnFullReject, TTL: time.Minute, Sliding: true}
	with := func(change func(c *hub.StreamConfig)) hub.StreamConfig {
		c := defaults
		change(&c)
		return c
	}
	for body, want := range map[string]hub.StreamConfig{
		"":                             defaults,
		" \r\n":                        defaults,
		"{}":                           defaults,
		`{"max_events":0}`:             with(func(c *hub.StreamConfig) { c.MaxEvents = 0 }),
		`{"max_events":1000000000000}`: with(func(c *hub.StreamConfig) { c.MaxEvents = 1_000_000_000_000 }),
		`{"max_age":"0"}`:              with(func(c *hub.StreamConfig) { c.MaxAge = 0 }),
		`{"max_age":"0s"}`:             with(func(c *hub.StreamConfig) { c.MaxAge = 0 }),
		`{"max_age":"87600h"}`:         with(func(c *hub.StreamConfig) { c.MaxAge = 87_600 * time.Hour }),
		`{"max_age":"1.0009s"}`:        with(func(c *hub.StreamConfig) { c.MaxAge = time.Second }),
		`{"on_full":"drop_oldest"}`:    with(func(c *hub.StreamConfig) { c.OnFull = hub.OnFullDropOldest }),
		`{"ttl":null}`:                 with(func(c *hub.StreamConfig) { c.TTL, c.Sliding = 0, false }),
		`{"ttl":{"after":"1s"}}`:       with(func(c *hub.StreamConfig) { c.TTL, c.Sliding = time.Second, false }),
		` { "ttl" : {"sliding":true, "after":"1h30m"} , "max_events" : 7 } `: with(func(c *hub.StreamConfig) {
			c.TTL, c.Sliding, c.MaxEvents = 90*time.Minute, true, 7
		}),
	} {
		if got, err := hub.DecodeStreamConfig([]byte(body), defaults); err != nil || got != want {
			t.Errorf("%q is %+v (%v), want %+v", body, got, err, want)
		}
	}
}

// faultyConfigs are configs with what is wrong with them.
var faultyConfigs = map[string][]fault{
	`{"max_events":"1","max_age":1,"on_full":true,"ttl":"1h"}`: {
		{"/max_events", "not a whole number"}, {"/max_age", "not a string"}, {"/on_full", "not a string"}, {"/ttl", "neither null nor an object"},
	},
	`{"max_events":-1,"max_age":"999ms","on_full":"drop","ttl":{"after":"999ms","sliding":"no","x":1}}`: {
		{"/max_events", "from 0 (no bound) to 1000000000000"},
		{"/max_age", `from 1s to 87600h, such as 30s or 1h30m (or "0": never)`},
		{"/on_full", "want drop_oldest or reject"},
		{"/ttl/after", "from 1s to 87600h"},
		{"/ttl/sliding", "neither true nor false"},
		{"/ttl/x", "not a known field (after, sliding)"},
	},
	`{"max_events":1000000000001,"max_age":"87600h1s","ttl":{}}`: {{"/max_events", "not a whole number"}, {"/max_age", "to 87600h"}, {"/ttl/after", "is missing"}},
	`{"max_events":1.0,"max_age":"-1s","ttl":[]}`:                {{"/max_events", "not a whole number"}, {"/max_age", "not a duration"}, {"/ttl", "neither"}},
	`{"max_events":null,"max_age":null,"on_full":null}`:          {{"/max_events", "not a whole number"}, {"/max_age", "not a string"}, {"/on_full", "not a string"}},
	`{"max_events":1,"max_events":2,"name":"x"}`:                 {{"/max_events", "twice"}, {"/name", "not a known field (max_events, max_age, on_full, ttl)"}},
}

func TestEveryFaultOfAStreamConfigIsListed(t *testing.T) {
	t.Parallel()
	for body, want := range faultyConfigs {
		got, err := hub.DecodeStreamConfig([]byte(body), hub.DefaultStreamConfig())
		checkFaults(t, err, hub.CodeInvalidRequest, want)
		if got != (hub.StreamConfig{}) {
			t.Errorf("there is something all the same: %+v", got)
		}
	}
	for _, body := range []string{"[]", "null", "{", "1", "\xff"} {
		_, err := hub.DecodeStreamConfig([]byte(body), hub.DefaultStreamConfig())
		checkFaults(t, err, hub.CodeInvalidRequest, nil)
	}
}

func TestDeclaredStreamsAreRead(t *testing.T) {
	t.Parallel()
	defaults := hub.DefaultStreamConfig()
	small := defaults
	small.MaxEvents = 1000
	for body, want := range map[string]map[string]hub.StreamConfig{
		"{}": {},
		"\n{\"orders\":{\"max_events\":1000},\"a.b:c\":{}}": {"orders": small, "a.b:c": defaults},
	} {
		if got, err := hub.DecodeStreams([]byte(body), defaults); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s is %+v (%v), want %+v", body, got, err, want)
		}
	}
}

func TestEveryFaultOfDeclaredStreamsIsListed(t *testing.T) {
	t.Parallel()
	for config, faults := range faultyConfigs {
		var want []fault
		for _, f := range faults {
			want = append(want, fault{"/orders" + f.pointer, f.says})
		}
		want = append(want, fault{"/a~1b", "not a stream name"}, fault{"/orders", "twice"}, fault{"/orders", "not an object"}, fault{"/x", "not an object"})
		_, err := hub.DecodeStreams(fmt.Appendf(nil, `{"orders":%s,"a/b":{},"orders":null,"x":[]}`, config), hub.DefaultStreamConfig())
		checkFaults(t, err, hub.CodeInvalidRequest, want)
	}
	for _, body := range []string{"", "[]", "null", "{", "\xff", `"orders"`} {
		_, err := hub.DecodeStreams([]byte(body), hub.DefaultStreamConfig())
		checkFaults(t, err, hub.CodeInvalidRequest, nil)
	}
}

func FuzzDecodeStreams(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":{}}`, `{"a":{"max_events":0,"max_age":"0","on_full":"reject","ttl":{"after":"1h","sliding":true}},"b":{"ttl":null}}`, `{"a":{"max_events":1e3}}`,
		`{"":{}}`, `{"a":[]}`, `[]`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	defaults := hub.DefaultStreamConfig()
	f.Fuzz(func(t *testing.T, body []byte) {
		if one, err := hub.DecodeStreamConfig(body, defaults); err == nil {
			checkConfig(t, body, one)
		} else if e := hub.AsError(err); e.Code.Status() != 400 || e.Detail == "" {
			t.Fatalf("%q is answered %v", body, err)
		}
		streams, err := hub.DecodeStreams(body, defaults)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 || e.Detail == "" || streams != nil {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		for name, config := range streams {
			if err := hub.CheckName("stream", name); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			checkConfig(t, body, config)
		}
	})
}

// checkConfig makes sure that a config is within bounds, and is read from what it
// says as itself.
func checkConfig(t *testing.T, body []byte, c hub.StreamConfig) {
	t.Helper()
	ttl := "null"
	if c.TTL > 0 {
		ttl = fmt.Sprintf(`{"after":%q,"sliding":%t}`, hub.FormatDuration(c.TTL), c.Sliding)
	}
	text := fmt.Sprintf(`{"max_events":%d,"max_age":%q,"on_full":%q,"ttl":%s}`, c.MaxEvents, hub.FormatDuration(c.MaxAge), c.OnFull, ttl)
	again, err := hub.DecodeStreamConfig([]byte(text), hub.StreamConfig{})
	if err != nil || again != c {
		t.Fatalf("%q is read as %+v, which is read as %+v (%v)", body, c, again, err)
	}
}
