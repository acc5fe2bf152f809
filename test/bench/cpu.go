package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// usage is CPU seconds, of user and system together.
type usage struct {
	Hub   float64 `json:"hub"`
	Redis float64 `json:"redis"`
	Load  float64 `json:"load"` // the bench itself
}

func (u usage) minus(before usage) usage {
	return usage{u.Hub - before.Hub, u.Redis - before.Redis, u.Load - before.Load}
}

// ticks is the unit of /proc/<pid>/stat: always 100 a second as Linux shows it
// to programs (USER_HZ, time(7)).
const ticks = 100

// cpuSeconds is what a process has used so far; ok is false where there is no
// /proc, or no such process.
func cpuSeconds(pid int) (seconds float64, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// proc(5): "pid (comm) state …", where comm may contain anything; utime and
	// stime are the fields 14 and 15, counted from 1.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return 0, false
	}
	user, err1 := strconv.ParseUint(string(fields[utime]), 10, 64)
	system, err2 := strconv.ParseUint(string(fields[stime]), 10, 64)
	return float64(user+system) / ticks, err1 == nil && err2 == nil
}
