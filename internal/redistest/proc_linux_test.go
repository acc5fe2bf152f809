package redistest_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"eventhub/internal/redistest"
)

// TestServerDiesWithTheTestBinary runs itself in a second process, which starts
// a server, tells its address and is killed.
func TestServerDiesWithTheTestBinary(t *testing.T) {
	const victim = "REDISTEST_VICTIM"
	if os.Getenv(victim) != "" {
		fmt.Printf("pid=%d\n", redistest.Start(t).Pid())
		_, _ = io.Copy(io.Discard, os.Stdin) // until killed
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), victim+"=1", "TMPDIR="+t.TempDir())
	if _, err := cmd.StdinPipe(); err != nil { // closed by Wait, hence the victim ends even unkilled
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // its error is our kill

	var pid int
	if _, err := fmt.Sscanf(line, "pid=%d\n", &pid); err != nil {
		t.Fatalf("the victim said %q: %v, %v", line, err, readErr)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(pid); {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("redis-server %d outlived the binary that started it", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// alive is false for a zombie too: where nobody reaps orphans, it stays one.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// The kernel takes the death of a thread that forked for the parent's.
func TestServerOutlivesTheThreadThatStartedIt(t *testing.T) {
	var s *redistest.Server
	tid := onDyingThread(func() { s = redistest.Start(t) })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid)); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("thread %d never ended", tid)
		}
	}
	if err := s.Client(t).Ping(t.Context()).Err(); err != nil {
		t.Errorf("server died with the thread: %v", err)
	}
}

// onDyingThread runs f on a thread which ends when f has returned, and returns
// that thread's id.
func onDyingThread(f func()) (tid int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // returning while locked ends the thread
		if tid = syscall.Gettid(); tid != os.Getpid() {
			f()
			return
		}
		// The main thread would not end, and being locked it is not met again.
		tid = onDyingThread(f)
		runtime.UnlockOSThread()
	}()
	<-done
	return tid
}
