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
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options is what the command line says.
type options struct {
	duration time.Duration  // of one measurement of rows that go by time
	runs     int            // of each row, of which the median counts; 0: as the row says
	only     *regexp.Regexp // rows to measure
	json     string         // file to write the report to, "" for none
	hub      string         // binary to measure, "" to build it
	backlog  int            // events that a sink has to deliver
	prefetch int            // of its consumers
	window   int            // messages that a broadcast subscriber may lag behind
	rate     int            // events a second of the latency row
	sockets  int            // most that a row opens, whatever its name says
	growth   bool           // measure growth instead of the rows
	attack   bool           // have slow clients attack, and see that they are let go and cost little
	soak     time.Duration  // how long to soak instead of measuring the rows, 0 for not
}

// errUsage is a wrong command line.
var errUsage = fmt.Errorf("it takes flags only: numbers from 1, -duration from 1ms to 1h, -soak up to 24h, -backlog up to %d", maxStored)

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{only: regexp.MustCompile("")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "how long one measurement of a row takes, where it goes by time")
	flags.IntVar(&o.runs, "runs", 0, "how often each row is measured, of which the median counts (default: as the row says, 3 for most)")
	flags.StringVar(&o.json, "json", "", "`file` to write the report to as JSON")
	flags.StringVar(&o.hub, "hub", "", "hub `binary` to measure (default: built from this module)")
	flags.IntVar(&o.backlog, "backlog", 500_000, "events that wait for a sink")
	flags.IntVar(&o.prefetch, "prefetch", 1000, "prefetch of a sink's consumers")
	flags.IntVar(&o.window, "window", 256, "messages that the slowest broadcast subscriber may lag behind; the hub closes at 1024")
	flags.IntVar(&o.rate, "rate", 1000, "events a second of the row latency; latency-10000 has ten times as many")
	flags.IntVar(&o.sockets, "sockets", 10_000, "most sockets that a row opens at once; fewer than its name says are for a quick look")
	flags.BoolVar(&o.growth, "growth", false, "instead of the rows, measure what an event costs as one thing after another grows")
	flags.BoolVar(&o.attack, "attack", false, "instead of the rows, have 2,000 slow headers and 200 dripping sockets attack a hub, and see what they cost a good client")
	flags.DurationVar(&o.soak, "soak", 0, "instead of the rows, soak a hub at half load for so long, and see that its memory does not grow")
	flags.Func("run", "measure only rows that this `regexp` matches", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, errUsage
	case flags.NArg() > 0, o.duration < time.Millisecond, o.duration > time.Hour, o.runs < 0, o.rate < 1, o.soak < 0, o.soak > 24*time.Hour,
		o.backlog < 1, o.backlog > maxStored, o.prefetch < 1, o.window < 1, o.sockets < 1:
		return o, errUsage
	}
	return o, nil
}

// run measures the rows that were asked for and reports them, as far as it came.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (err error) {
	if kind := yardstickOf(environ); kind != "" {
		return serveYardstick(kind, stdout)
	}
	opts, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	// The load generator shares its cores with what it measures.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	dir, err := os.MkdirTemp("", "eventhub-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	rep, err := newReport(ctx, args)
	if err != nil {
		return err
	}
	if opts.hub == "" {
		if opts.hub, err = buildHub(ctx, dir); err != nil {
			return err
		}
	}
	switch {
	case opts.growth:
		rep.Growth = measureGrowth(ctx, opts, dir, stderr)
	case opts.attack:
		rep.Attack = measureAttack(ctx, opts, dir, stderr)
	case opts.soak > 0:
		rep.Soak = measureSoak(ctx, opts, dir, stderr)
	default:
		for _, row := range rows(opts) {
			if opts.only.MatchString(row.name) && ctx.Err() == nil {
				rep.Rows = append(rep.Rows, measure(ctx, row, opts, dir, stderr))
			}
		}
	}
	rep.Took = time.Since(rep.Time).Seconds()
	if _, err = io.WriteString(stdout, rep.text()); err == nil && opts.json != "" {
		err = rep.save(opts.json)
	}
	return errors.Join(ctx.Err(), err, rep.failure())
}
