package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// startLimit bounds the start of a process; it takes some 50 ms.
const startLimit = 15 * time.Second

// process is a child of the bench.
type process struct {
	cmd    *exec.Cmd
	output *output
	exited chan struct{} // closed when the child has been reaped
	err    error         // how it ended; read after exited
}

// startProcess runs cmd until stop.
//
// The child is to die with the bench, but Linux sends the parent-death signal
// when the forking thread dies, so that thread stays in Wait.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, output: &output{address: make(chan string, 1)}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.SysProcAttr = dieWithParent()
	started := make(chan error, 1)
	go func() { // stop waits for it
		defer close(p.exited)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.exited
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop kills the child, which has nothing worth keeping, and returns when it has
// been reaped. It is idempotent.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // fails only when it has ended already
	<-p.exited
}

// address waits for the child to say where it listens.
func (p *process) address(ctx context.Context) (string, error) {
	select {
	case addr := <-p.output.address:
		return addr, nil
	case <-p.exited:
		return "", fmt.Errorf("it ended: %w%s", p.err, p.lastWords())
	case <-time.After(startLimit):
		return "", fmt.Errorf("it says nothing of listening%s", p.lastWords())
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// lastWords is the end of what the child has written, for an error.
func (p *process) lastWords() string {
	if text := p.output.String(); text != "" {
		return "\n  its output ends with:\n    " + strings.ReplaceAll(text, "\n", "\n    ")
	}
	return ""
}

// output keeps the end of what a child writes, and finds the JSON log line
// "listening" in it.
type output struct {
	mu    sync.Mutex // protects the fields below
	text  []byte
	heard bool // the address was found

	address chan string // one slot
}

// outputBytes is what is kept of an output.
const outputBytes = 2 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	for line := range bytes.Lines(o.text) {
		var said struct{ Msg, Addr string }
		if !o.heard && json.Unmarshal(line, &said) == nil && said.Msg == "listening" {
			o.heard = true
			o.address <- said.Addr
		}
	}
	if surplus := len(o.text) - outputBytes; surplus > 0 {
		o.text = append(o.text[:0], o.text[surplus:]...)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.text))
}
