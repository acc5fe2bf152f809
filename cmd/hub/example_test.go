package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// workerScript is the example that these tests are of.
const workerScript = "worker.sh"

// needShell fails where the examples cannot run.
func needShell(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the examples need bash, curl and jq; install them, or run .ci/tools: %v", err)
		}
	}
}

// worker is examples/worker.sh at work.
type worker struct {
	t     *testing.T
	out   *logBuffer
	cmd   *exec.Cmd
	ended chan error
}

func startWorker(t *testing.T, args ...string) *worker {
	t.Helper()
	needShell(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // the cleanup ends it
	w := &worker{t: t, out: newLogBuffer(), ended: make(chan error, 1)}
	w.cmd = exec.CommandContext(ctx, "bash", append([]string{"../../examples/" + workerScript}, args...)...)
	w.cmd.Stdout, w.cmd.Stderr, w.cmd.WaitDelay = w.out, w.out, patience
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		w.ended <- w.cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-waited
		if t.Failed() {
			t.Logf("the worker said:\n%s", w.out)
		}
	})
	return w
}

func (w *worker) terminate() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Errorf("the worker cannot be told to stop: %v", err)
	}
}

// stopped waits until the worker has ended, as it should.
func (w *worker) stopped() {
	w.t.Helper()
	select {
	case err := <-w.ended:
		if err != nil {
			w.t.Errorf("the worker ended with: %v", err)
		}
	case <-time.After(patience):
		w.t.Fatal("the worker does not stop")
	}
}

// keepsIn is a handler that appends the events to a file, but fails for bad ones.
func keepsIn(file string) []string {
	return []string{"bash", "-c", `
		event=$(cat)
		case $event in *bad*)
			echo looking... >&2
			echo 'no such "customer"' >&2
			exit 3
		esac
		echo "$event" >>"$0"`, file}
}

// kept are the events that keepsIn has kept.
func kept(t *testing.T, file string) []event {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var events []event
	for line := range strings.Lines(string(text)) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("the handler was given %q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

func TestExampleWorkerAcksWhatWorksAndGivesUpWhatFails(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	file := filepath.Join(t.TempDir(), "kept")
	h.put("billing", `{"streams":["orders","payments"],"ack_wait":"1h","max_deliveries":2,"backoff":["50ms"]}`)
	want := h.publishMany("orders", 5)
	bad := h.publish("orders", `{"data":"bad"}`)
	want = append(want, h.publish("payments", `{"type":"paid","data":"ü\n"}`))

	w := startWorker(t, append([]string{"-u", h.base, "-n", "3", "billing"}, keepsIn(file)...)...)
	letter := buried(t, h, "billing", 1)[0]
	if letter.Event.ID != bad || letter.Reason != `exit status 3: no such "customer"` || letter.Attempts != 2 {
		t.Errorf("the dead letter is %+v", letter)
	}
	want = append(want, h.publish("orders", `{"data":"more"}`))
	eventually(t, func() string {
		events, pending := kept(t, file), pendingEvents(t, h, "billing")
		if len(events) < len(want) || len(pending) > 0 {
			return fmt.Sprintf("%d of %d events were handled, %+v are pending", len(events), len(want), pending)
		}
		return ""
	})
	events := kept(t, file)
	if got := sorted(ids(events)); !slices.Equal(got, sorted(want)) {
		t.Errorf("handled were %v, want %v", got, want)
	}
	for _, e := range events {
		if e.Attempt != 1 || e.Type == "paid" && string(e.Data) != `"ü\n"` {
			t.Errorf("the handler was given %+v", e)
		}
	}
	w.terminate()
	w.stopped()
}

func TestExampleWorkerExtendsWhatItHasInHandAndFinishesItOnSIGTERM(t *testing.T) {
	t.Parallel()
	const ackWait = 3 * time.Second
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.put("billing", `{"streams":["orders"],"ack_wait":"3s"}`)
	h.publishMany("orders", 2)
	release := filepath.Join(t.TempDir(), "release")
	w := startWorker(t, "-u", h.base, "billing",
		"bash", "-c", `for _ in {1..1000}; do [ -e "$0" ] && exit; sleep 0.05; done; exit 1`, release)
	eventually(t, func() string {
		if len(pendingEvents(t, h, "billing")) < 2 {
			return "nothing was pulled"
		}
		return ""
	})
	began := time.Now()
	eventually(t, func() string {
		for _, p := range pendingEvents(t, h, "billing") {
			if p.State != "held" || p.Attempts != 1 {
				t.Fatalf("after %s an event is %+v", time.Since(began), p)
			}
		}
		if time.Since(began) < 2*ackWait {
			return "ack_wait is not over"
		}
		return ""
	})
	w.terminate()
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.stopped()
	if f := sinkFigures(t, h, "billing"); f["pending"] != 0.0 || f["redelivered"] != 0.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestExampleWorkerGoesOnAfterARestartOfItsHub(t *testing.T) {
	t.Parallel()
	redis, addr := "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_ADDR="+freeAddress(t)
	h := startHub(t, redis, addr)
	file := filepath.Join(t.TempDir(), "kept")
	w := startWorker(t, append([]string{"-u", h.base, "billing?stream=orders&consumer=example"}, keepsIn(file)...)...)
	handles := func(id string) {
		t.Helper()
		eventually(t, func() string {
			if !slices.Contains(ids(kept(t, file)), id) || len(pendingEvents(t, h, "billing")) > 0 {
				return "the worker has not done " + id
			}
			return ""
		})
	}
	eventually(t, func() string {
		if h.call("GET", "/v1/sinks/billing", "").StatusCode != http.StatusOK {
			return "the worker has not pulled"
		}
		return ""
	})
	handles(h.publish("orders", `{"data":1}`))
	if err := h.stop(); err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	eventually(t, func() string {
		if !strings.Contains(w.out.String(), "trying again") {
			return "the worker has not noticed that its hub is gone"
		}
		return ""
	})
	h = startHub(t, redis, addr)
	handles(h.publish("orders", `{"data":2}`))
	if got := kept(t, file); len(got) != 2 {
		t.Errorf("the worker has handled %+v", got)
	}
	w.terminate()
	w.stopped()
}

// freeAddress is one that a hub can come back to: below the ports that the kernel
// gives to others meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if listener, err := net.Listen("tcp", address); err == nil {
			_ = listener.Close()
			return address
		}
	}
	t.Fatal("there is no free port")
	return ""
}
