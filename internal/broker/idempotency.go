package broker

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"

	"eventhub/internal/hub"
)

// eventHash tells the content of an event from others': all that is stored of it.
func eventHash(e *hub.Event) string {
	sum := sha256.New()
	hashEvent(sum, e)
	return hashText(sum)
}

// requestHash does the same for all events of a request, in order.
func requestHash(events []hub.Event) string {
	sum := sha256.New()
	for i := range events {
		hashEvent(sum, &events[i])
	}
	return hashText(sum)
}

// hashEvent writes each part behind its length, so that no two events write the
// same.
func hashEvent(sum hash.Hash, e *hub.Event) {
	part := func(data []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(data)))
		sum.Write(length[:])
		sum.Write(data)
	}
	for _, text := range []string{e.Type, e.Topic, e.Key, e.ContentType} {
		part([]byte(text))
	}
	part(e.Headers)
	part([]byte(flag(e.Binary)))
	part(e.Data)
}

// hashText is short: 128 bits are enough for who does not look for collisions in
// keys of his own.
func hashText(sum hash.Hash) string {
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16])
}

// longestKey is how much of an idempotency key Redis is to keep in a name; those of
// CloudEvents may have some KiB.
const longestKey = 256

func shortKey(key string) string {
	if len(key) <= longestKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// contradiction is the answer to keys that were given to other content before.
func contradiction(answer []any) error {
	if len(answer) != 1 {
		return errAnswer
	}
	e := &hub.Error{Code: hub.CodeConflict}
	for _, i := range indexes(answer[0]) {
		pointer, what := fmt.Sprintf("/%d/idempotency_key", i), "events"
		if i < 0 {
			pointer, what = "Idempotency-Key", "requests"
		}
		e.Faults = append(e.Faults, hub.Fault{Pointer: pointer, Detail: "was given with other content before: keys tell " + what + " apart"})
	}
	e.Detail = "nothing was stored: an idempotency key was given with other content before"
	return e
}
