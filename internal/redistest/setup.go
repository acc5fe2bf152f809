package redistest

import "strconv"

// A Setup says how the nodes of a Sentinel or a Cluster are started. The zero value starts
// them as StartSentinel and StartCluster do.
type Setup struct {
	// Proxied puts a Proxy before each node, at the address that the node announces, so
	// that Sentinel and the Cluster lead clients to it. The nodes and sentinels reach one
	// another by the same address; no fault of these proxies concerns them.
	Proxied bool
	// Args are appended to the command line of every node.
	Args []string
}

// replicated configures a node that Sentinel watches. Its role is in its configuration
// file, where Sentinel keeps it true (CONFIG REWRITE): started again by its command line,
// a replica that was made the primary would follow the old one, which follows it.
func (o Setup) replicated(s *Server, role string) {
	s.configured("redis.conf", role)
	// By default a primary waits 5 s for more replicas to come.
	s.args = []string{"--repl-diskless-sync-delay", "0"}
	if o.Proxied {
		s.way = newNodeProxy(s.t, s.Addr())
		s.args = append(s.args, "--replica-announce-port", s.announcedPort())
	}
	s.args = append(s.args, o.Args...)
}

// member configures a node of a cluster, and gives it its bus port. The default,
// port+10000, would lie among the kernel's own ports and could not be drawn again when
// taken.
func (o Setup) member(s *Server) {
	for s.bus = s.port; s.bus == s.port; {
		s.bus = freePort(s.t)
	}
	s.args = []string{
		"--cluster-enabled", "yes",
		"--cluster-port", strconv.Itoa(s.bus),
		"--cluster-announce-ip", host,
		"--cluster-node-timeout", "2000", // ms
		"--repl-diskless-sync-delay", "0", // s
	}
	if o.Proxied {
		s.way = newNodeProxy(s.t, s.Addr())
		s.args = append(s.args, "--cluster-announce-port", s.announcedPort(), "--cluster-announce-bus-port", strconv.Itoa(s.bus))
	}
	s.args = append(s.args, o.Args...)
}

// behind is the own address of the node that announces addr; addr when none does.
func behind(nodes []*Server, addr string) string {
	for _, n := range nodes {
		if n.Announced() == addr {
			return n.Addr()
		}
	}
	return addr
}
