// Command hub is the Event Hub: one service between HTTP and WebSocket clients
// and Redis. `hub --help` lists its settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"eventhub/internal/broker"
)

func main() {
	broker.SilenceDriver()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	var garbage collector
	garbage.tune()
	go garbage.release(ctx) // ends with the process
	if err := run(ctx, os.Args, os.Environ(), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitCode(err))
	}
}

// errUsage is a wrong command line.
var errUsage = errors.New("hub takes no arguments but --help and --version; its settings are environment variables")

// exitCode is 2 when what was asked for is wrong, 1 when it could not be done.
func exitCode(err error) int {
	var config *configError
	if errors.As(err, &config) || errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// run is the whole program: it serves until ctx ends, and returns when all is
// closed.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	if len(args) > 1 {
		switch {
		case len(args) == 2 && (args[1] == "--help" || args[1] == "-h" || args[1] == "help"):
			usage(stdout)
			return nil
		case len(args) == 2 && args[1] == "--version":
			_, err := fmt.Fprintln(stdout, "hub", version())
			return err
		}
		return errUsage
	}
	cfg, warnings, err := loadConfig(environ)
	if err != nil {
		return err
	}
	log, level := newLog(cfg, stderr)
	for _, warning := range warnings {
		log.Warn("the environment has a setting that means nothing", slog.String("warning", warning))
	}
	return serve(ctx, cfg, log, level, stdout)
}
