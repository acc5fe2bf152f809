package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
)

// asEmpty has this program run as the yardstick of HTTP instead: a process of
// its own, as the hub is.
const asEmpty = "EVENTHUB_BENCH_EMPTY=1"

func runsAsEmpty(environ []string) bool { return slices.Contains(environ, asEmpty) }

// serveEmpty answers every request with nothing, until the process is killed.
func serveEmpty(stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, `{"msg":"listening","addr":%q}`+"\n", listener.Addr()); err != nil {
		return err
	}
	return http.Serve(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

// empty sends the same requests as publish to the empty handler.
func empty(p posts) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		self, err := os.Executable()
		if err != nil {
			return sample{}, err
		}
		cmd := exec.Command(self) //nolint:noctx // it is stopped below
		cmd.Env = append(os.Environ(), asEmpty)
		server, err := startProcess(cmd)
		if err != nil {
			return sample{}, err
		}
		defer server.stop()
		addr, err := server.address(ctx)
		if err != nil {
			return sample{}, err
		}
		return r.steady(ctx, load{server.pid(), math.MaxInt64, func(ctx context.Context, count *atomic.Int64) error {
			return p.run(ctx, addr, r.next("empty"), http.StatusOK, count)
		}})
	}
}
