package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if yardstickOf(os.Environ()) != "" { // the yardstick is this program, too
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// quick has every row do a little of its work.
var quick = []string{"-runs", "1", "-duration", "100ms", "-backlog", "3000", "-rate", "200", "-sockets", "40"}

func TestEveryRowIsMeasured(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	var table strings.Builder
	if err := run(t.Context(), append(quick, "-json", path), nil, &table, io.Discard); err != nil {
		t.Fatalf("%v\n%s", err, &table)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rep report
	if err := json.Unmarshal(text, &rep); err != nil {
		t.Fatal(err)
	}
	measured := map[string]result{}
	for _, r := range rep.Rows {
		measured[r.Name] = r
	}
	for _, row := range rows(options{}) {
		r, ok := measured[row.name]
		if !ok || len(r.Hub.Runs) != 1 || r.Hub.Rate <= 0 {
			t.Errorf("%s was not measured: %+v", row.name, r)
		}
		if row.raw != nil && r.Ratio <= 0 && r.Added == nil {
			t.Errorf("%s is not compared with its yardstick: %+v", row.name, r)
		}
		if !strings.Contains(table.String(), "\n"+row.name+" ") {
			t.Errorf("%s is not in the table:\n%s", row.name, &table)
		}
		if adds := r.Hub.commands("xadd"); row.name == "publish-1" && (adds < 0.8 || adds > 1.3) {
			t.Errorf("%s takes %.2f XADD an event", row.name, adds)
		}
		if len(r.Goals) != len(row.goals) {
			t.Errorf("%s has %d goals, %d are judged", row.name, len(row.goals), len(r.Goals))
		}
	}
}

func TestGrowthIsMeasured(t *testing.T) {
	t.Parallel() // it waits most of the time
	var table strings.Builder
	if err := run(t.Context(), slices.Concat(quick, []string{"-growth", "-sockets", "10"}), nil, &table, io.Discard); err != nil {
		t.Errorf("%v\n%s", err, &table)
	}
	for _, f := range factors(options{}) {
		if !strings.Contains(table.String(), "\n"+f.name+" ") {
			t.Errorf("the growth of %s is not in the table:\n%s", f.name, &table)
		}
	}
	for _, limit := range []string{"goroutines a socket", "Redis connections", "Redis commands a second"} {
		if !strings.Contains(table.String(), "\nlimits  "+limit) {
			t.Errorf("%s are not in the table:\n%s", limit, &table)
		}
	}
}

func TestSoakIsMeasured(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	if err := run(t.Context(), slices.Concat(quick, []string{"-soak", "1s", "-sockets", "10"}), nil, &table, io.Discard); err != nil {
		t.Errorf("%v\n%s", err, &table)
	}
	for _, want := range []string{"Soak of 1s", "\nresident, KiB ", "\ngoroutines ", "10 sockets left, to before any came", "\nhub  ", "\nbare program  "} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in the table:\n%s", want, &table)
		}
	}
}

func TestAttackIsMeasured(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	err := run(t.Context(), slices.Concat(quick, []string{"-attack", "-sockets", "10"}), nil, &table, io.Discard)
	// What it costs is measured by who has the machine for it; that all are let go is not.
	if err != nil && !strings.Contains(table.String(), "p99 grew") {
		t.Errorf("%v\n%s", err, &table)
	}
	if !strings.Contains(table.String(), "map[close 4408:10]") {
		t.Errorf("not all dripping sockets were closed:\n%s", &table)
	}
}

func TestBenchmarksAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../BENCH.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows(options{}) {
		if !strings.Contains(string(text), "`"+row.name+"`") {
			t.Errorf("BENCH.md does not say what %s is", row.name)
		}
		if !strings.Contains(string(text), "\n"+row.name+" ") {
			t.Errorf("BENCH.md has no figures of %s", row.name)
		}
	}
	for _, f := range factors(options{}) {
		if !strings.Contains(string(text), "`"+f.name+"`") {
			t.Errorf("BENCH.md does not say what the growth of %s is", f.name)
		}
	}
}

func TestAHubThatEndsFailsItsRowWithItsLastWords(t *testing.T) {
	hub := filepath.Join(t.TempDir(), "hub")
	if err := os.WriteFile(hub, []byte("#!/bin/sh\necho no hub today\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	err := run(t.Context(), append(quick, "-hub", hub, "-run", "^publish-1$"), nil, &table, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "publish-1") {
		t.Errorf("the bench ended with %v", err)
	}
	for _, want := range []string{"FAILED publish-1", "exit status 3", "no hub today"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &table)
		}
	}
}

func TestWithoutRedisItSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := run(t.Context(), quick, nil, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Errorf("the bench ended with %v", err)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-runs", "-1"}, {"-duration", "0s"}, {"-backlog", "5000000"}, {"-run", "("}, {"-window", "0"}, {"-sockets", "0"}, {"-soak", "-1s"}, {"publish-1"}, {"-what"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
