package main

import (
	"errors"
	"strings"
	"testing"
)

func TestAHubThatEndsByItselfIsFound(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	alive := &node{name: "0", logs: newLogs(), run: &running{exited: make(chan struct{})}}
	dead := &node{name: "1", logs: newLogs(), run: &running{exited: ended, err: errors.New("exit status 2")}}
	_, _ = dead.logs.Write([]byte("panic: at the disco\n"))
	r := &rig{hubs: []*node{alive, dead}, complaints: &complaints{}}
	r.mourn()
	if got := r.complaints.all(); len(got) != 1 || !strings.Contains(got[0], "hub 1") || !strings.Contains(got[0], "exit status 2") || !strings.Contains(got[0], "panic") {
		t.Errorf("it is said to be %q", got)
	}
}
