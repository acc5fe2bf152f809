package hub_test

import (
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

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

func TestDelaysAreFromNothingTo30Days(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "1ms": time.Millisecond, "1.9ms": time.Millisecond, "900us": 0, "1h30m": 90 * time.Minute, "720h": 720 * time.Hour,
	} {
		if got, err := hub.ParseDelay(text); err != nil || got != want {
			t.Errorf("%q is read as %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "-1s", "720h0m0.001s", "1d", "soon"} {
		if got, err := hub.ParseDelay(text); err == nil || !strings.Contains(err.Error(), "not a duration from 0s to 720h") {
			t.Errorf("%q is read as %s (%v)", text, got, err)
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
