package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

func main() {
	redis.SetLogger(silence{}) // that servers are gone is what this is about
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "faults:", err)
	}
	os.Exit(code)
}

// silence is a log that nobody reads.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// options is what the command line says.
type options struct {
	only     *regexp.Regexp // names of scenarios
	on       *regexp.Regexp // kinds of Redis
	seed     uint64
	short    bool
	parallel int
	hub      string // binary, "" to build it
	tags     string // to build it with
	docs     string // file to write the table to
	verbose  bool   // say what was done, even where nothing went wrong
	night    time.Duration
	keep     string        // directory for what explains failures, "" for none
	kept     *atomic.Int64 // failures of this run that were left there, or would have been
	broken   bool          // try whether hubs that are broken on purpose fail
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{only: regexp.MustCompile(""), on: regexp.MustCompile(""), kept: new(atomic.Int64)}
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(stderr)
	expression := func(into **regexp.Regexp) func(string) error {
		return func(text string) (err error) {
			*into, err = regexp.Compile(text)
			return err
		}
	}
	flags.Func("run", "only scenarios whose name this `regexp` matches", expression(&o.only))
	flags.Func("on", "only on the kinds of Redis that this `regexp` matches: single, sentinel, cluster", expression(&o.on))
	flags.Uint64Var(&o.seed, "seed", 1, "of what clients do, and when")
	flags.BoolVar(&o.short, "short", false, "only what CI runs")
	flags.IntVar(&o.parallel, "parallel", 2, "scenarios at the same time")
	flags.StringVar(&o.hub, "hub", "", "hub `binary` (default: built from this module)")
	flags.StringVar(&o.tags, "tags", "", "build `tags` of the hub, such as those that break it on purpose")
	flags.StringVar(&o.docs, "docs", "", "`file` in which to write the table of results, as docs/faults.md")
	flags.DurationVar(&o.night, "night", 0, "go on for so long, whatever fails: with mixes of further seeds, and every tenth time with all")
	flags.StringVar(&o.keep, "keep", "faults-out", "`directory` in which the history and the logs of the first 20 failures are left; none when empty")
	flags.BoolVar(&o.verbose, "v", false, "say what was done and what shows it, even where nothing went wrong")
	flags.BoolVar(&o.broken, "broken", false, "instead, see that hubs which are broken on purpose fail the scenarios that are to notice")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.parallel < 1 || o.night < 0 {
		return o, errors.New("it takes flags only, -parallel from 1, -night from 0")
	}
	return o, nil
}

// run runs the scenarios that were asked for, and returns the exit code: 0 when every
// promise was kept, 1 when one was broken, 2 when a fault had no effect, 3 when something
// could not be run.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	opts, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return valid, err
	}
	if err != nil {
		return failed, err
	}
	dir, err := os.MkdirTemp("", "eventhub-faults-")
	if err != nil {
		return failed, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if opts.broken {
		return performBroken(ctx, opts, dir, stdout)
	}
	if opts.hub == "" {
		if opts.hub, err = buildHub(ctx, dir, opts.tags); err != nil {
			return failed, err
		}
	}
	return rounds(ctx, opts, stdout, performAll)
}

func chosen(opts options) (list []*scenario) {
	for _, s := range scenarios() {
		if opts.only.MatchString(s.name) && opts.on.MatchString(s.topology) && (s.short || !opts.short) {
			list = append(list, s)
		}
	}
	return list
}

// performAll runs scenarios, some at the same time, and says what came of each.
func performAll(ctx context.Context, list []*scenario, opts options, stdout io.Writer) []result {
	results := make([]result, len(list))
	var group errgroup.Group
	slots := semaphore.NewWeighted(int64(opts.parallel))
	said := make(chan string)
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		for text := range said {
			_, _ = io.WriteString(stdout, text) // nobody may listen
		}
	}()
	for i, s := range list {
		weight := int64(1)
		if s.alone {
			weight = int64(opts.parallel)
		}
		if slots.Acquire(ctx, weight) != nil {
			results[i] = result{Scenario: s.name, Topology: s.topology, Seed: opts.seed, Error: "it was not begun"}
			continue
		}
		group.Go(func() error {
			defer slots.Release(weight)
			results[i] = perform(ctx, s, opts)
			text := results[i].String()
			if opts.verbose && results[i].code() == valid { // another tells it by itself
				text += results[i].story()
			}
			said <- text
			return nil
		})
	}
	_ = group.Wait() // none has an error
	close(said)
	<-done
	return results
}
