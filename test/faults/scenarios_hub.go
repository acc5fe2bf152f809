package main

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"eventhub/test/faults/history"
)

func hubScenarios() []*scenario {
	list := []*scenario{
		{
			name: "hub-kill", what: "kill -9 of one hub after another, each started again", on: everywhere(), shortOn: []string{single},
			alone: true, fault: killHubs, latest: ackWait + 2*time.Second, redelivered: ackWait + 2*time.Second,
		},
		{name: "hub-rolling", what: "SIGTERM of one hub after another, each started again", on: everywhere(), shortOn: []string{single}, fault: rollHubs},
	}
	list = append(list, &scenario{
		name: "hub-kill-10s", what: "kill -9 of a hub, with an ack_wait of 10 s, so that its death is noticed first", load: loadOptions{ackWait: 10 * time.Second, hold: holding}, unmixed: true,
		fault: func(r *rig) { killHub(r, r.hubs[0], 7*time.Second) }, latest: 7 * time.Second, broken: map[string]history.Violation{"fault_delete_consumer": history.Lost},
	})
	for _, pause := range []time.Duration{3 * time.Second, 3 * ackWait} {
		var short []string
		if pause == 3*time.Second {
			short = []string{single}
		}
		list = append(list, &scenario{
			name: fmt.Sprintf("hub-pause-%s", pause), what: fmt.Sprintf("SIGSTOP of a hub for %s", pause), shortOn: short,
			bounds: history.Bounds{InFlight: pause + 5*time.Second, Announce: pause + 10*time.Second, Tail: pause + 3*time.Second},
			fault:  func(r *rig) { pauseHub(r, pause) },
		})
	}
	return list
}

// killHubs kills each hub once in the short form, and three times otherwise.
func killHubs(r *rig) {
	rounds := 3
	if r.quick {
		rounds = 1
	}
	for range rounds {
		for _, n := range r.hubs {
			killHub(r, n, time.Second)
		}
	}
}

// killHub kills a hub, and starts it again after a while.
func killHub(r *rig, n *node, gone time.Duration) {
	r.fault(history.Fault{Name: "kill -9 of hub " + n.name, Hub: n.name, Kills: true}, func() string {
		how := n.kill()
		if !strings.Contains(how, "killed") {
			return ""
		}
		return how
	})
	r.pass(gone)
	if err := n.start(r.ctx); err != nil {
		r.Fatal(err)
	}
	r.pass(1500 * time.Millisecond)
}

// rollHubs restarts each hub as a deployment does.
func rollHubs(r *rig) {
	for _, n := range r.hubs {
		r.fault(history.Fault{Name: "SIGTERM of hub " + n.name}, func() string {
			const grace = 8 * time.Second // HUB_SHUTDOWN_TIMEOUT
			took, graceful := n.terminate(grace + slack)
			if !graceful {
				r.Errorf("hub %s did not end by itself within %s: %s", n.name, took, n.logs.tail())
				return ""
			}
			return fmt.Sprintf("exit 0 after %s", took.Round(time.Millisecond))
		})
		if err := n.start(r.ctx); err != nil {
			r.Fatal(err)
		}
		r.pass(time.Second)
	}
}

func pauseHub(r *rig, pause time.Duration) {
	n := r.hubs[0]
	r.fault(history.Fault{Name: "SIGSTOP of hub " + n.name}, func() string {
		if err := n.signal(syscall.SIGSTOP); err != nil {
			return ""
		}
		r.pass(pause)
		// It stands still when it does not even answer whether it lives.
		answered := n.ready(r.ctx) == nil
		if err := n.signal(syscall.SIGCONT); err != nil || answered {
			return ""
		}
		return "no answer from /readyz"
	})
	r.pass(2 * time.Second)
}
