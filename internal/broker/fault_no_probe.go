//go:build fault_no_probe

package broker

import "time"

// probeSilence has a hub that is broken on purpose believe in its pub/sub connection:
// test/faults is to notice.
const probeSilence = 24 * time.Hour
