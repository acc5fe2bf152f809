package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

func TestMoreThanIsAllowedOfEachHubIsNoted(t *testing.T) {
	s := &complaints{}
	s.hold("commands", 600, 2*time.Second, 3, 100)
	if got := s.all(); len(got) != 0 {
		t.Errorf("100 a second of each hub are said to be %q", got)
	}
	s.hold("commands", 601, 2*time.Second, 3, 100)
	if got := s.all(); len(got) != 1 {
		t.Errorf("one more is said to be %q", got)
	}
}

// A client that connects again as soon as it fails is what the count is to find, and one
// that reads when there is nothing.
func TestALoopThatHardlyRestsIsFound(t *testing.T) {
	err := onStage(t.Context(), func(s *stage) {
		server := redistest.Start(s)
		proxy := redistest.NewProxy(s, server.Addr())
		r := &rig{stage: s, redis: &topology{nodes: []*redistest.Server{server}, proxies: []*redistest.Proxy{proxy}}, hubs: make([]*node, 1), complaints: &complaints{}, haste: 1}
		looping, stop := context.WithCancel(s.ctx)
		loop := func(do func()) func() {
			return func() {
				for rest(looping, time.Millisecond) { // the machine has only so many ports
					do()
				}
			}
		}
		db := server.Client(s)
		clients := []*redis.Client{db}
		before, err := r.redis.commands(s.ctx, clients)
		if err != nil {
			s.Fatal(err)
		}
		s.together(
			loop(func() {
				if conn, err := net.Dial("tcp", proxy.Addr()); err == nil { //nolint:noctx // it does not wait
					_ = conn.Close()
				}
			}),
			loop(func() { db.XLen(looping, "empty") }),
			func() { defer stop(); r.watch(2) },
		)
		after, err := r.redis.commands(s.ctx, clients)
		if err != nil {
			s.Fatal(err)
		}
		r.complaints.hold("commands", after["xlen"]-before["xlen"], 2*time.Second, 1, commandsPerSecond)
		if got := r.complaints.all(); len(got) != 2 {
			t.Errorf("of the two loops are found %q", got)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
