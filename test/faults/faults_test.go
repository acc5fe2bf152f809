package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"eventhub/test/faults/history"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{})
	// go-redis looks once a second for a server that is down, even after Close.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// hubOf builds a hub for a test.
func hubOf(t *testing.T, tags string) options {
	t.Helper()
	bin, err := buildHub(t.Context(), t.TempDir(), tags)
	if err != nil {
		t.Fatal(err)
	}
	return options{hub: bin, seed: 1, short: true}
}

func TestAKilledHubIsProvenAndNothingIsLost(t *testing.T) {
	t.Parallel()
	res := perform(t.Context(), named(t, "hub-kill", single), hubOf(t, ""))
	if res.code() != valid || len(res.Proofs) != hubsOfARig || res.Figures.Published == 0 || res.Figures.Heard == 0 || res.Figures.Again == 0 {
		t.Errorf("%s%+v", &res, res.Figures)
	}
}

func TestAHubThatRetriesBlindlyIsNoticed(t *testing.T) {
	t.Parallel()
	res := perform(t.Context(), named(t, "net-replies", single), hubOf(t, "fault_blind_retry"))
	if res.code() != violated || res.Counts[history.Duplicate] == 0 {
		t.Errorf("it was not noticed: %s", &res)
	}
}

func TestAFaultThatDoesNotHappenIsNoSuccess(t *testing.T) {
	t.Parallel()
	idle := *named(t, "flushall", single)
	idle.fault = func(r *rig) { r.fault(history.Fault{Name: "nothing"}, func() string { return "" }) }
	if res := perform(t.Context(), &idle, hubOf(t, "")); res.code() != noEffect {
		t.Errorf("it is said to be %d: %s", res.code(), &res)
	}
}

func TestWhatIsEndedIsNotJudged(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	idle := *named(t, "flushall", single)
	idle.fault = func(r *rig) {
		stop()
		r.complaints.add("the hubs were ended, too")
	}
	if res := perform(ctx, &idle, hubOf(t, "")); res.code() != failed || len(res.Wrong) > 0 || !strings.Contains(res.Error, "it was ended after") {
		t.Errorf("it is said to be %d: %s", res.code(), &res)
	}
}

func TestAHubThatDoesNotStartIsNoViolation(t *testing.T) {
	hub := filepath.Join(t.TempDir(), "hub")
	if err := os.WriteFile(hub, []byte("#!/bin/sh\necho no hub today\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	code, err := run(t.Context(), []string{"-hub", hub, "-run", "^flushall$", "-keep", ""}, &said, io.Discard)
	if code != failed || err != nil || !strings.Contains(said.String(), "no hub today") {
		t.Errorf("exit code %d, %v:\n%s", code, err, &said)
	}
}

func TestTheSameTwiceWithinASecondIsNoise(t *testing.T) {
	l := newLogs()
	say := func(level, sink string, at time.Duration) {
		line := fmt.Sprintf(`{"time":%q,"level":%q,"msg":"reading failed","sink":%q}`+"\n", time.Unix(1_000_000, 0).Add(at).Format(time.RFC3339Nano), level, sink)
		_, _ = l.Write([]byte(line[:10]))
		_, _ = l.Write([]byte(line[10:]))
	}
	say("WARN", "a", 0)
	say("ERROR", "b", 0) // another cause
	for range 9 {
		say("INFO", "a", 0)
	}
	say("WARN", "a", time.Second)
	l.restart()
	say("WARN", "a", time.Second+time.Millisecond) // another process
	if got := l.noise(); len(got) != 0 {
		t.Errorf("one line a second is noise: %v", got)
	}
	say("WARN", "a", 1500*time.Millisecond)
	say("WARN", "a", 1600*time.Millisecond)
	if got := l.noise(); len(got) != 1 || !strings.Contains(got[0], `"reading failed a" 2 times`) || !strings.Contains(got[0], "after 100ms") {
		t.Errorf("two lines too many are %v", got)
	}
}

func TestResultsAreWrittenIntoThePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.md")
	if err := os.WriteFile(path, []byte("before\n"+tableBegin+"| hub-kill | single | old |\n| hub-kill | cluster | kept |\n"+tableEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	res := result{Scenario: "hub-kill", Topology: single, Effect: true, Counts: map[history.Violation]int{history.Lost: 3, history.Hole: 4}}
	res.Figures.Outage = 1500 * time.Millisecond
	if err := writeTable(t.Context(), path, []result{res}); err != nil {
		t.Fatal(err)
	}
	page, _ := os.ReadFile(path)
	for _, want := range []string{"before\n", "| hub-kill | single |", "| hub-kill | cluster | kept |", "| 7 |", "1.50 s", "after\n"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "old") {
		t.Error("what was there before is there still")
	}
}

func TestAFailureLeavesItsHistoryAndTheLogs(t *testing.T) {
	dir := t.TempDir()
	hub := &node{name: "0", logs: newLogs()}
	for range tailLines + 1 {
		_, _ = hub.logs.Write([]byte("a line\n"))
	}
	res := result{Scenario: "mix", Topology: single, Seed: 7, Short: true, Plan: []string{"1. hub-kill"}, Wrong: []string{"lost"}}
	if err := res.keep(dir, &history.History{Conns: []history.Conn{{Feed: "work"}}}, []*node{hub}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"history.json": `"Feed":"work"`, "hub-0.log": strings.Repeat("a line\n", tailLines), "result.txt": "plan: 1. hub-kill\n"} {
		if text, err := os.ReadFile(filepath.Join(dir, "mix-single-seed-7", name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s does not say %q: %s (%v)", name, want, text, err)
		}
	}
	for _, want := range []string{"  plan: 1. hub-kill\n", filepath.Join(dir, "mix-single-seed-7"), "-run '^mix$' -on single -seed 7 -short\n"} {
		if said := res.String(); !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-parallel", "0"}, {"-night", "-1s"}, {"-run", "("}, {"hub-kill"}, {"-what"}} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

// named is a scenario.
func named(t *testing.T, name, topology string) *scenario {
	t.Helper()
	for _, s := range scenarios() {
		if s.name == name && s.topology == topology {
			return s
		}
	}
	t.Fatalf("there is no %s on %s", name, topology)
	return nil
}
