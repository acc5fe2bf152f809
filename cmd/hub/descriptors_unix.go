//go:build unix

package main

import "syscall"

// descriptors is how many files and connections this process may have open; 0: nobody
// says. Go has raised its limit as far as it may.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}
