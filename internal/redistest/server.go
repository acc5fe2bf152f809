package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	host = "127.0.0.1"

	// startLimit bounds a start, all attempts at finding a port included. A
	// start takes some 20 ms; the rest is for a machine busy with other suites.
	startLimit = 10 * time.Second

	// pollInterval is how often a condition that sends no signal is looked at.
	pollInterval = 5 * time.Millisecond
)

// A Server is one redis-server process on a port and in a directory of its own.
// Port and directory stay the same from Start to the end of the test, however
// often the process is killed and restarted.
type Server struct {
	t    testing.TB
	bin  string
	dir  string
	port int
	bus  int      // the cluster bus port; 0 for a server outside a cluster
	conf string   // a configuration file, which the server may rewrite; "" for none
	args []string // appended to the command line, after our defaults
	way  *Proxy   // before it, whose address is announced as its own; nil for none
	proc *process // the current process, possibly dead; nil before the first launch
}

// Start runs a redis-server on a free loopback port and returns when it answers
// PING. It persists nothing unless args say so; args are appended to the
// command line, where the last word wins: Start(t, "--appendonly", "yes").
//
// A password is set with CONFIG SET afterwards, not with --requirepass: the
// readiness check does not log in.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, func(s *Server) { s.args = args })
}

// start tries ports until one can be bound. A port found free may be taken by
// the time redis-server binds it, so losing that race is a reason to try the
// next, within startLimit; any other failure is final. Each attempt gets a
// fresh directory lest it inherit what a failed one left. configure is called
// for each attempt, since a cluster node has a second port to choose.
func start(t testing.TB, configure func(*Server)) *Server {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redistest: redis-server is not installed: run `make test`, which installs it, or `apt-get install redis-server`")
	}
	deadline := time.Now().Add(startLimit)
	for {
		s := &Server{t: t, bin: bin, dir: t.TempDir(), port: freePort(t)}
		configure(s)
		t.Cleanup(s.cleanup) // after TempDir, hence before its removal
		err := s.launch(deadline)
		if err == nil {
			return s
		}
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			t.Fatalf("redistest: starting redis-server on port %d: %v", s.port, err)
		}
	}
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort(host, strconv.Itoa(s.port)) }

// Proxy is the one before a node that was started with Setup.Proxied, else nil.
func (s *Server) Proxy() *Proxy { return s.way }

// Announced is the address that other nodes, sentinels and clients know it by: that of
// the Proxy before it, else its own.
func (s *Server) Announced() string {
	if s.way != nil {
		return s.way.Addr()
	}
	return s.Addr()
}

// announcedPort is the port of it.
func (s *Server) announcedPort() string {
	_, port, _ := net.SplitHostPort(s.Announced()) // it is one of ours
	return port
}

// URL is redis://host:port.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Kill ends the process with SIGKILL, paused or not, and waits until it is
// gone. Killing a dead server does nothing.
func (s *Server) Kill() {
	if s.proc != nil {
		s.proc.kill()
	}
}

// Restart starts the server again on the same port and in the same directory,
// killing it first if it runs, and returns when it answers PING. What survives
// is what args persisted: under "--appendonly yes" every write that was
// answered, because Redis writes the log before it answers and a killed process
// (unlike a machine) does not lose what it handed to the kernel.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	deadline := time.Now().Add(startLimit)
	for {
		err := s.launch(deadline)
		if err == nil {
			return
		}
		// The port must be this one, so wait for whoever took it to leave.
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			s.t.Fatalf("redistest: restarting redis-server on port %d: %v", s.port, err)
		}
		time.Sleep(pollInterval)
	}
}

// Pause stops the process with SIGSTOP: connections stay open, the kernel still
// accepts new ones, and nobody answers. On Linux it returns when the process
// has stopped; elsewhere an answer may still slip out. See Resume.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	deadline := time.Now().Add(startLimit)
	for !stopped(s.proc.pid()) {
		if time.Now().After(deadline) {
			s.t.Fatalf("redistest: redis-server on port %d did not stop", s.port)
		}
		time.Sleep(pollInterval)
	}
}

// Resume lets a paused server go on, starting with what was sent to it meanwhile.
func (s *Server) Resume() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("redistest: sending %v to redis-server on port %d: %v", sig, s.port, err)
	}
}

// launch runs the command once and waits until it is ready. On an error the
// process is gone.
func (s *Server) launch(deadline time.Time) error {
	log := s.log()
	from := log.size()
	proc, err := startProcess(s.command(), log)
	if err != nil {
		return err
	}
	s.proc = proc
	if err := s.awaitReady(deadline); err != nil {
		s.Kill()
		if log.contains(from, "Failed listening on port") {
			return fmt.Errorf("%w (%w)", errPortTaken, err)
		}
		return err
	}
	return nil
}

// configured gives s a configuration file with this text, before it is launched.
func (s *Server) configured(name, text string) {
	s.t.Helper()
	s.conf = filepath.Join(s.dir, name)
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		s.t.Fatalf("redistest: configuring a server: %v", err)
	}
}

func (s *Server) command() *exec.Cmd {
	var args []string
	if s.conf != "" {
		args = append(args, s.conf) // only the first argument can be one
	}
	args = append(args,
		"--bind", host,
		"--port", strconv.Itoa(s.port),
		"--dir", s.dir,
		"--save", "",
		"--appendonly", "no",
	)
	return exec.Command(s.bin, append(args, s.args...)...) //nolint:gosec // G204: the arguments are the test's
}

func (s *Server) log() logFile { return logFile(filepath.Join(s.dir, "redis-server.log")) }

func (s *Server) cleanup() {
	s.Kill()
	if s.t.Failed() {
		s.t.Logf("redis-server on port %d, end of its log:\n%s", s.port, s.log().tail())
	}
}
