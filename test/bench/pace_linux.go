package main

import (
	"syscall"
	"time"
)

// sharpenTimers has the thread woken within microseconds of the time: by default
// Linux takes 50 µs of slack (PR_SET_TIMERSLACK, prctl(2)).
func sharpenTimers() {
	const setTimerSlack, ns = 29, 1
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, ns, 0) // figures are worse without it, not wrong
}

func sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&ts, nil) // cut short by a signal, an event is early by that much
}
