package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"eventhub/internal/broker"
	"eventhub/internal/redistest"
)

// doctor runs `hub doctor`, and returns what it prints and its exit code.
func doctor(t *testing.T, flags []string, settings ...string) (printed string, code int) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), append([]string{"hub", "doctor"}, flags...), settings, &out, io.Discard)
	if err != nil {
		code = exitCode(err)
	}
	return out.String(), code
}

func TestDoctorPrintsFindingsAndEndsByThem(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	redis := "HUB_REDIS_URL=" + s.URL()
	printed, code := doctor(t, nil, redis)
	if code != 0 || !strings.Contains(printed, "ok       version      Redis 7.") || !strings.Contains(printed, "-> in redis.conf: appendonly yes") {
		t.Errorf("exit code %d with\n%s", code, printed)
	}
	for line := range strings.Lines(printed) {
		if len(line) > usageWidth+1 {
			t.Errorf("%q does not fit a line", line)
		}
	}
	if err := s.Client(t).ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lfu").Err(); err != nil {
		t.Fatal(err)
	}
	printed, code = doctor(t, []string{"--json"}, redis)
	var answer struct{ Findings []broker.Finding }
	if err := json.Unmarshal([]byte(printed), &answer); err != nil || code != 1 {
		t.Fatalf("exit code %d (%v) with\n%s", code, err, printed)
	}
	fatal := 0
	for _, f := range answer.Findings {
		if f.Level == broker.LevelFatal && f.Check == broker.CheckEviction {
			fatal++
		}
	}
	if fatal != 1 {
		t.Errorf("it does not tell that streams may be evicted:\n%s", printed)
	}
	if _, code := doctor(t, nil, redis, "HUB_ALLOW_EVICTION=true"); code != 0 {
		t.Errorf("exit code %d where eviction is allowed", code)
	}
	if _, code := doctor(t, nil, "HUB_REDIS_URL=redis://host:x"); code != 2 {
		t.Errorf("exit code %d for a URL that is none", code)
	}
	if printed, code := doctor(t, nil); code != 0 || !strings.Contains(printed, "HUB_REDIS_URL=redis://") {
		t.Errorf("without Redis: exit code %d with\n%s", code, printed)
	}
}

func TestHubDoesNotStartOnARedisThatEvictsStreams(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	redis := "HUB_REDIS_URL=" + s.URL()
	refused := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "allkeys-lru") && strings.Contains(err.Error(), "noeviction") && strings.Contains(err.Error(), "HUB_ALLOW_EVICTION=true")
	}
	if err := run(t.Context(), []string{"hub"}, environment([]string{redis}), io.Discard, io.Discard); !refused(err) {
		t.Errorf("it ends with %v", err)
	}
	h := startHub(t, redis, "HUB_ALLOW_EVICTION=true")
	if logged := h.logs.String(); !strings.Contains(logged, "allkeys-lru") {
		t.Error("where that is allowed, it is not logged")
	}

	// One that starts before Redis is there finds out later.
	s.Kill()
	logs, ended := newLogBuffer(), make(chan error, 1)
	go func() { // waited for below
		ended <- run(t.Context(), []string{"hub"}, environment([]string{redis}), io.Discard, logs)
	}()
	logs.address(t)
	s.Restart()
	if err := <-ended; !refused(err) {
		t.Errorf("once Redis is there it ends with %v", err)
	}
}
