//go:build fault_blind_retry

package broker

// maxRetries has a hub that is broken on purpose send again what was not answered, as
// go-redis does by default: test/faults is to notice.
const maxRetries = 3
