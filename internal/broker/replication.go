package broker

import (
	"net"
	"strings"
)

// replication is what a node says of its part in it: INFO replication. Its strings are of
// that text.
type replication struct {
	primary  bool
	id       string     // of the history that it writes or follows; "" where the server does not tell
	before   string     // the history that it went on from when it became primary, "" for none
	replicas []follower // of a primary, whatever state they are in
	follows  address    // of a replica
	linked   bool       // of a replica: it is connected, and in step
}

// address is where a node of Redis says that it, or another, is.
type address struct{ host, port string }

func (a address) String() string { return net.JoinHostPort(a.host, a.port) }

// follower is a replica that its primary lists.
type follower struct {
	address

	online bool // else it is about to get all that there is
}

// noHistory is how Redis writes that there was none.
const noHistory = "0000000000000000000000000000000000000000"

func readReplication(text string) (r replication) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch name {
		case "role":
			r.primary = value == "master"
		case "master_replid":
			r.id = value
		case "master_replid2":
			if value != noHistory {
				r.before = value
			}
		case "master_host":
			r.follows.host = value
		case "master_port":
			r.follows.port = value
		case "master_link_status":
			r.linked = value == "up"
		default:
			if number, ok := strings.CutPrefix(name, "slave"); ok && number != "" && number[0] >= '0' && number[0] <= '9' {
				r.replicas = append(r.replicas, readFollower(value))
			}
		}
	}
	return r
}

// readFollower reads ip=10.0.0.1,port=6379,state=online,offset=1234,lag=0.
func readFollower(text string) (f follower) {
	for field := range strings.SplitSeq(text, ",") {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "ip":
			f.host = value
		case "port":
			f.port = value
		case "state":
			f.online = value == "online"
		}
	}
	return f
}
