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
	"strings"
	"sync/atomic"
)

// asYardstick, with a kind, has this program run as a yardstick instead: a process of
// its own, as the hub is.
const asYardstick = "EVENTHUB_BENCH_YARDSTICK="

// kinds of yardstick that are servers.
const (
	emptyHandler = "empty"
	plainSockets = "sockets"
	bareWorker   = "worker"
	bareStore    = "store"
	bareSockets  = "crowd"
)

// redisOfYardstick is the environment variable with the Redis of a yardstick that uses it.
const redisOfYardstick = "EVENTHUB_BENCH_REDIS"

// yardstickOf is the kind that the environment asks for, "" for none.
func yardstickOf(environ []string) string {
	for _, variable := range environ {
		if kind, found := strings.CutPrefix(variable, asYardstick); found {
			return kind
		}
	}
	return ""
}

// serveYardstick answers requests until the process is killed.
func serveYardstick(kind string, stdout io.Writer) error {
	handler := http.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	switch kind {
	case plainSockets:
		handler = newRelay()
	case bareWorker:
		handler = newBare(os.Getenv(redisOfYardstick))
	case bareStore:
		handler = newGrouped(os.Getenv(redisOfYardstick))
	case bareSockets:
		handler = newSockets()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, `{"msg":"listening","addr":%q}`+"\n", listener.Addr()); err != nil {
		return err
	}
	return http.Serve(listener, handler)
}

// beside does something with a yardstick's process, whose environment has the
// settings of the hub.
func (r *rig) beside(ctx context.Context, kind string, do func(pids []int, addr string) (sample, error)) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, err
	}
	cmd := exec.Command(self) //nolint:noctx // it is stopped below
	cmd.Env = append(os.Environ(), asYardstick+kind, redisOfYardstick+"="+r.db.Options().Addr)
	cmd.Env = append(cmd.Env, r.settings...)
	server, err := startProcess(cmd)
	if err != nil {
		return sample{}, err
	}
	defer server.stop()
	addr, err := server.address(ctx)
	if err != nil {
		return sample{}, err
	}
	return do([]int{server.pid()}, addr)
}

// empty sends the same requests as publish to the empty handler.
func empty(p posts) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.beside(ctx, emptyHandler, func(pids []int, addr string) (sample, error) {
			return r.steady(ctx, load{pids, math.MaxInt64, func(ctx context.Context, count *atomic.Int64) error {
				return p.run(ctx, []string{addr}, []string{r.next("empty")}, http.StatusOK, count)
			}})
		})
	}
}
