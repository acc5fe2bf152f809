package main

import (
	"log/slog"
	"strings"
	"testing"
)

func TestClientsLeaveRoomForRedis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allowed, descriptors, want int
		warns                      bool
	}{
		{50_000, 1 << 20, 50_000, false},
		{50_000, 0, 50_000, false}, // nobody says
		{50_000, 20_000, 19_744, true},
		{256, 512, 256, false},
		{257, 512, 256, true},
		{50, 64, 32, true},
	} {
		logs := newLogBuffer()
		if got := roomFor(c.allowed, c.descriptors, slog.New(slog.NewTextHandler(logs, nil))); got != c.want {
			t.Errorf("of %d with %d descriptors: %d, want %d", c.allowed, c.descriptors, got, c.want)
		}
		if warned := strings.Contains(logs.String(), "HUB_MAX_CONNECTIONS"); warned != c.warns {
			t.Errorf("of %d with %d descriptors: warned %t, want %t", c.allowed, c.descriptors, warned, c.warns)
		}
	}
	if descriptors() < 64 {
		t.Errorf("this process may open %d files", descriptors())
	}
}
