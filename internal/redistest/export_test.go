package redistest

import "testing"

// ConnectedNodes is connectedNodes.
var ConnectedNodes = connectedNodes

// NewNodeProxy is newNodeProxy.
var NewNodeProxy = newNodeProxy

// StartOn is Start with its first draws of a port decided by the caller.
func StartOn(t testing.TB, ports ...int) *Server {
	t.Helper()
	return start(t, func(s *Server) {
		if len(ports) > 0 {
			s.port, ports = ports[0], ports[1:]
		}
	})
}

// Port is the port in Addr.
func (s *Server) Port() int { return s.port }

// Pid is the process id of the current process.
func (s *Server) Pid() int { return s.proc.pid() }
