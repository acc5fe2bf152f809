package main

import (
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// memory is the Redis that a hub without HUB_REDIS_URL brings along. It is
// reached over TCP like any other, so the hub has only one engine.
type memory struct {
	server *miniredis.Miniredis
	stop   chan struct{}
	done   chan struct{}
}

func startMemory() (*memory, error) {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("starting the embedded Redis: %w", err)
	}
	m := &memory{server: server, stop: make(chan struct{}), done: make(chan struct{})}
	go m.tick()
	return m, nil
}

func (m *memory) url() string { return "redis://" + m.server.Addr() }

// tick lets keys expire: miniredis' clock for them stands still by itself.
func (m *memory) tick() {
	defer close(m.done)
	const step = time.Second
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-ticker.C:
			m.server.FastForward(step)
		}
	}
}

func (m *memory) close() {
	close(m.stop)
	<-m.done
	m.server.Close()
}
