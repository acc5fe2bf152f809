package hub_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// checkCanonical makes sure that settings are what a sink that has them says.
func checkCanonical(t *testing.T, s hub.SinkSettings) {
	t.Helper()
	all := hub.DefaultSinkConfig().With(s).Settings()
	for name, text := range s {
		if !slices.Contains(hub.SettingNames(), name) || all[name] != text {
			t.Errorf("%s was read as %q, a sink with it says %q", name, text, all[name])
		}
	}
}

func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	want := hub.SinkSettings{
		"from": "latest", "topics": "[]", "types": "[]", "ack": "explicit", "ack_wait": "30s", "max_deliveries": "10", "backoff": "[]",
		"order": "none", "expires_after": "720h",
	}
	got := hub.DefaultSinkConfig().Settings()
	if !maps.Equal(got, want) {
		t.Errorf("the defaults are %v, want %v", got, want)
	}
	if names := hub.SettingNames(); !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("the settings are %q", names)
	}
}

func TestSettingsMakeTheConfigTheyWereTakenFrom(t *testing.T) {
	t.Parallel()
	want := hub.SinkConfig{
		From: "after:1-0", Topics: []string{`a"b`, "é.**"}, Types: []string{"re:x|y"}, Ack: hub.AckNone, AckWait: 1500 * time.Millisecond,
		MaxDeliveries: 0, Backoff: []time.Duration{time.Minute, 0, time.Second}, Order: hub.OrderStrict, ExpiresAfter: 0,
	}
	settings := want.Settings()
	if got := hub.DefaultSinkConfig().With(settings); !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, want %+v", got, want)
	}
	if got := want.With(hub.DefaultSinkConfig().Settings()); !reflect.DeepEqual(got, hub.DefaultSinkConfig()) {
		t.Errorf("the defaults over it are %+v", got)
	}
	checkCanonical(t, settings)
}

func TestWithChangesWhatWasSaidOnly(t *testing.T) {
	t.Parallel()
	before := hub.SinkConfig{Streams: []string{"orders"}, From: "oldest", Backoff: []time.Duration{1, 2}, AckWait: time.Minute}
	after := before.With(hub.SinkSettings{"backoff": `["1s","2s"]`, "ack_wait": "5s"})
	if !slices.Equal(before.Backoff, []time.Duration{1, 2}) || before.AckWait != time.Minute {
		t.Errorf("the config it was made from became %+v", before)
	}
	want := hub.SinkConfig{Streams: []string{"orders"}, From: "oldest", Backoff: []time.Duration{time.Second, 2 * time.Second}, AckWait: 5 * time.Second}
	if !reflect.DeepEqual(after, want) {
		t.Errorf("it is %+v, want %+v", after, want)
	}
}

func TestSettingThatCannotBeReadLeavesWhatThereWas(t *testing.T) {
	t.Parallel()
	have := hub.SinkConfig{
		From: "oldest", Topics: []string{"a"}, Types: []string{"b"}, Ack: hub.AckNone, AckWait: time.Second, MaxDeliveries: 3,
		Backoff: []time.Duration{time.Second}, Order: hub.OrderStrict, ExpiresAfter: time.Hour,
	}
	for _, text := range []string{"", "x", "[", `["re:("]`, "[1]", "-1", "{}", "\xff", "key", `["a"] `} {
		bad := hub.SinkSettings{"colour": text}
		for _, name := range hub.SettingNames() {
			if text == `["a"] ` && name != "backoff" {
				continue // good enough for patterns
			}
			bad[name] = text
		}
		if got := have.With(bad); !reflect.DeepEqual(got, have) {
			t.Errorf("%q made it %+v", text, got)
		}
	}
}

func TestSettingsAreShownToPeople(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, canonical, want string }{
		{"ack_wait", "30s", "30s"},
		{"ack", "explicit", "explicit"},
		{"topics", `["eu.**","us.*"]`, "[eu.** us.*]"},
		{"types", "[]", "[]"},
		{"backoff", `["1s","10s"]`, "[1s 10s]"},
		{"topics", "{", "{"},
		{"from", strings.Repeat("x", 1000), strings.Repeat("x", 512) + "…"},
	} {
		if got := hub.SettingText(tc.name, tc.canonical); got != tc.want {
			t.Errorf("%s %s is shown as %q, want %q", tc.name, tc.canonical, got, tc.want)
		}
	}
}
