//go:build unix

package ws

import "syscall"

const canWriteOnce = true

// writeOnce writes what the connection takes at once: it does not block.
func writeOnce(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
