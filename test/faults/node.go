package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startLimit bounds the start of a hub; it takes some 100 ms on a machine that is idle.
const startLimit = 20 * time.Second

// node is a hub, the process of which may end and be started again. One goroutine, the
// scenario's, uses it.
type node struct {
	name string // "0", "1", …
	addr string // the same for all of its processes
	bin  string
	env  []string
	logs *logs
	run  *running // the present process, or the last
}

// running is one process of a hub.
type running struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has been reaped
	err    error         // how it ended; read after exited
}

// buildHub builds the hub of this module as it is on disk, with build tags.
func buildHub(ctx context.Context, dir, tags string) (string, error) {
	path := filepath.Join(dir, "hub-"+strings.ReplaceAll(tags, ",", "-"))
	out, err := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", path, "eventhub/cmd/hub").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the hub (run this in its repository): %w\n%s", err, out)
	}
	return path, nil
}

// newNode picks an address, below the ports that the kernel gives to others, so that it
// is free while the hub is down.
func newNode(name, bin string, env []string) (*node, error) {
	for range 100 {
		const low, high = 10_000, 32_767
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(low+rand.IntN(high-low)))
		if listener, err := net.Listen("tcp", addr); err == nil { //nolint:noctx // it does not wait
			return &node{name: name, addr: addr, bin: bin, env: env, logs: newLogs()}, listener.Close()
		}
	}
	return nil, fmt.Errorf("no free port for a hub")
}

// start starts the hub and returns when it is ready.
func (n *node) start(ctx context.Context) error {
	n.logs.restart()
	cmd := exec.Command(n.bin) //nolint:noctx // the scenario ends it
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "HUB_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(append(cmd.Env, "HUB_ADDR="+n.addr), n.env...)
	cmd.Stdout, cmd.Stderr = n.logs, n.logs
	cmd.SysProcAttr = dieWithParent()
	r := &running{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() { // stop waits for it. Its thread lives as long as the child, see dieWithParent
		defer close(r.exited)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			r.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-r.exited
		return fmt.Errorf("starting hub %s: %w", n.name, err)
	}
	n.run = r
	return n.awaitReady(ctx)
}

// awaitReady returns once the hub can publish and deliver.
func (n *node) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		last := n.ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-n.run.exited:
			return fmt.Errorf("hub %s ended: %w\n%s", n.name, n.run.err, n.logs.tail())
		case <-ctx.Done():
			return fmt.Errorf("hub %s is not ready: %w\n%s", n.name, last, n.logs.tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %d", answer.StatusCode)
	}
	return nil
}

func (n *node) signal(s syscall.Signal) error { return n.run.cmd.Process.Signal(s) }

// kill ends the process by SIGKILL, and says how it ended. It is idempotent.
func (n *node) kill() string {
	if n.run == nil {
		return ""
	}
	_ = n.run.cmd.Process.Kill() // fails only when it has ended already
	<-n.run.exited
	return fmt.Sprint(n.run.err)
}

// terminate asks the process to end, and says how long it took. It is killed after limit.
func (n *node) terminate(limit time.Duration) (took time.Duration, graceful bool) {
	began := time.Now()
	_ = n.signal(syscall.SIGTERM) // fails only when it has ended already
	select {
	case <-n.run.exited:
		return time.Since(began), n.run.err == nil
	case <-time.After(limit):
		n.kill()
		return time.Since(began), false
	}
}
