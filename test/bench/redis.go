package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// benchName is how Redis knows the bench's own connections.
const benchName = "bench"

var errNoRedis = errors.New("redis-server is not installed: run `make redis-server`, or `apt-get install redis-server` (7.0 or newer)")

// startRedis starts a redis-server that keeps nothing, and returns when it
// answers. A free port may be taken by the time it is bound: then another is
// tried.
func startRedis(ctx context.Context, dir string) (*process, *redis.Client, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil, errNoRedis
	}
	var last error
	for range 5 {
		port, err := freePort()
		if err != nil {
			return nil, nil, err
		}
		//nolint:noctx // it is stopped by the rig, which owns it
		p, err := startProcess(exec.Command(bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir,
			"--save", "", "--appendonly", "no"))
		if err != nil {
			return nil, nil, fmt.Errorf("starting redis-server: %w", err)
		}
		db := redis.NewClient(&redis.Options{
			Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Protocol: 2, DisableIdentity: true, ClientName: benchName,
			PoolSize: 32, MaxRetries: -1, ReadTimeout: 30 * time.Second, // of a DEL of millions of events, too
		})
		if last = awaitRedis(ctx, p, db); last == nil {
			return p, db, nil
		}
		_ = db.Close()
		p.stop()
	}
	return nil, nil, fmt.Errorf("starting redis-server: %w", last)
}

// awaitRedis returns nil once our process answers, rather than another one that
// was quicker to bind the port.
func awaitRedis(ctx context.Context, p *process, db *redis.Client) error {
	deadline := time.After(startLimit)
	for {
		info, err := db.Info(ctx, "server").Result()
		switch {
		case err == nil && strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", p.pid())):
			return nil
		case err == nil:
			err = errors.New("another process has its port")
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it ended: %w%s", p.err, p.lastWords())
		case <-deadline:
			return fmt.Errorf("it does not answer: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	addr, _ := listener.Addr().(*net.TCPAddr)
	return addr.Port, nil
}
