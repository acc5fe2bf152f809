//go:build !fault_no_probe

package broker

import "time"

// probeSilence is after how long without a word the pub/sub connection is rebuilt.
const probeSilence = 3 * time.Second
