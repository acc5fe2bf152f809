// Command hub is the Event Hub: one service between HTTP and WebSocket clients
// and Redis. `hub --help` lists its settings.
package main

import (
	"context"
	"errors"
	"fmt"
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

// exitCode is 2 when what was asked for is wrong, 1 when it could not be done.
func exitCode(err error) int {
	var config *configError
	var usage *usageError
	if errors.As(err, &config) || errors.As(err, &usage) {
		return 2
	}
	return 1
}
