//go:build !linux

package main

import "time"

func sharpenTimers() {}

func sleep(d time.Duration) { time.Sleep(d) }
