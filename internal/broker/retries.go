//go:build !fault_blind_retry

package broker

// maxRetries has no command sent twice: one whose answer was lost may have been done.
const maxRetries = -1
