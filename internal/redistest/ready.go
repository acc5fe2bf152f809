package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// pingTimeout bounds one look at a server. It is short, since a look that times
// out is repeated, and since whoever else has the port may never answer.
const pingTimeout = 250 * time.Millisecond

// awaitReady returns nil once our process answers PING.
func (s *Server) awaitReady(deadline time.Time) error {
	for {
		err := ping(s.Addr(), s.proc.pid())
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready in time: %w", err)
		}
		select {
		case <-s.proc.exited:
			return fmt.Errorf("redis-server ended: %w", s.proc.err)
		case <-time.After(pollInterval):
		}
	}
}

// ping succeeds when the process pid answers PING at addr. The pid matters: when
// two tests race for a port, the loser would otherwise take the winner's server
// for its own in the moment before its own process gives up.
//
// It speaks RESP by hand because go-redis, once it has failed to dial, retries
// in a goroutine of its own which outlives Close by up to a second.
func ping(addr string, pid int) error {
	conn, err := net.DialTimeout("tcp", addr, pingTimeout)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(pingTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "PING\r\nINFO server\r\n"); err != nil {
		return err
	}
	lines := bufio.NewScanner(conn)
	for n := 0; lines.Scan(); n++ {
		line := lines.Text()
		if n == 0 && line != "+PONG" {
			return fmt.Errorf("PING answered %q", line)
		}
		if got, ok := strings.CutPrefix(line, "process_id:"); ok {
			if got != strconv.Itoa(pid) {
				return fmt.Errorf("%s is served by process %s, not by %d", addr, got, pid)
			}
			return nil
		}
	}
	return fmt.Errorf("PING got no answer: %w", lines.Err())
}
