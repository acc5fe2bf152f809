package hub

import (
	"math/rand/v2"
	"time"
)

// ExpiringBefore is how long before its token expires a socket or event stream is told.
const ExpiringBefore = 30 * time.Second

// reconnectSpread is over how long the clients of a hub that goes are told to come
// back, so that they don't all arrive at the next one at once.
const reconnectSpread = 3 * time.Second

// ReconnectAfter is when one of them is to come back.
func ReconnectAfter() time.Duration { return rand.N(reconnectSpread) }
