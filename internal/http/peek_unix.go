//go:build unix

package http

import "syscall"

// ended says whether nothing more will come from a connection, of which nothing waits
// to be read. It does not block.
func ended(raw syscall.RawConn) bool {
	var (
		n   int
		err error
		one [1]byte
	)
	if failed := raw.Read(func(fd uintptr) bool {
		n, _, err = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	}); failed != nil {
		return false
	}
	return n == 0 && err == nil || err == syscall.ECONNRESET
}
