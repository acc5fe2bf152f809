//go:build !linux

package redistest

import "syscall"

// dieWithParent does nothing: there is no parent-death signal here, so a test
// binary that is killed leaves its servers behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// stopped takes SIGSTOP for done: there is no cheap way to ask.
func stopped(int) bool { return true }
