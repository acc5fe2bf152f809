package main

import (
	"runtime"
	"time"
)

// schedule is when the events of an open loop are due: at fixed times, whatever
// became of those before. Latency counts from there, so that a hub that stalls
// is charged for all that would have come meanwhile.
type schedule struct {
	start time.Time
	every time.Duration
}

func (s schedule) due(n int) time.Time { return s.start.Add(time.Duration(n) * s.every) }

// keep calls send at the time of each event. It has a thread of its own, which
// sleeps by the kernel's timers: Go's wake up to a millisecond late.
func (s schedule) keep(total int, send func(n int) error) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		sharpenTimers()
		var err error
		for n := 0; n < total && err == nil; n++ {
			if wait := time.Until(s.due(n)); wait > 0 {
				sleep(wait)
			}
			err = send(n)
		}
		ended <- err
	}()
	return <-ended
}
