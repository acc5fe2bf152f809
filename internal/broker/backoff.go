package broker

import (
	"math/rand/v2"
	"time"
)

// backoff is how long to wait after so many failures in a row: it doubles up to most,
// and is jittered, so that those who failed together do not try again together.
func backoff(failures int, first, most time.Duration) time.Duration {
	wait := min(first<<min(failures, 10), most)
	return wait/2 + rand.N(wait/2)
}

// The delays after failures of reading.
const (
	firstDelay = 100 * time.Millisecond
	mostDelay  = 2 * time.Second
)
