package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestACauseIsLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := newCalmLog(slog.New(slog.NewTextHandler(&out, nil)))
		said := func() int {
			defer out.Reset()
			return strings.Count(out.String(), "\n")
		}
		for range 10 {
			log.Warn("reading failed", slog.String("sink", "a"), slog.String("error", "EOF"))
			log.Warn("reading failed", slog.String("sink", "b"))
			log.With("hub", 1).Error("reading failed", slog.String("sink", "b"))
			time.Sleep(90 * time.Millisecond)
		}
		if n := said(); n != 2 {
			t.Errorf("two causes are logged %d times within a second", n)
		}
		time.Sleep(100 * time.Millisecond)
		log.Warn("reading failed", slog.String("sink", "a"))
		if !strings.Contains(out.String(), "unlogged=9") {
			t.Errorf("it is not told how often it was not: %s", &out)
		}
		out.Reset()
		for range 10 {
			log.Info("a socket was opened", slog.String("sink", "a"))
		}
		if n := said(); n != 10 {
			t.Errorf("%d of 10 lines that are no warnings are logged", n)
		}
	})
}
