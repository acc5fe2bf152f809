//go:build !linux

package main

import "syscall"

// dieWithParent does nothing: there is no parent-death signal here, so that a run which
// is killed outright leaves its children behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
