package redistest

import (
	"fmt"
	"os/exec"
	"runtime"
)

// A process is one started child.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the child has been reaped
	err    error         // how it ended; read after exited
}

// startProcess runs cmd with its output appended to log.
//
// The child is to die with the test binary, but Linux sends the parent-death
// signal when the forking *thread* dies, and Go ends threads (whenever a
// goroutine returns while locked to one). So the goroutine that starts the
// child is locked to its thread and stays in Wait: the thread lives exactly as
// long as the child. It needs no goroutine for the process's lifetime, which
// the leak checks of the packages under test would find. kill waits for it.
func startProcess(cmd *exec.Cmd, log logFile) (*process, error) {
	out, err := log.open()
	if err != nil {
		return nil, fmt.Errorf("opening the log of redis-server: %w", err)
	}
	defer func() { _ = out.Close() }() // the child has its own descriptor
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithParent()

	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
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

// kill ends the child and returns when it has been reaped.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only when it has ended already
	<-p.exited
}
