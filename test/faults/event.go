package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
)

// An event's data is its value and as much beside it as makes some events small and some
// large, all by the value.
func eventData(value string) []byte {
	pad := int(digestOf([]byte(value)) % 200)
	return fmt.Appendf(nil, `{"v":%q,"pad":%q}`, value, strings.Repeat("x", pad))
}

// labels are the topics of events, which are their types as well; european those of which
// filters let through all.
func labels() []string { return []string{"eu.de", "eu.fr", "us.ny"} }

func european() []string { return labels()[:2] }

// labelOf is the label of an event, by its value. Those of the end are let through.
func labelOf(value string) string {
	if strings.HasPrefix(value, finalPrefix) {
		return labels()[0]
	}
	return labels()[digestOf([]byte(value))%3]
}

// finalPrefix is what values published at the end begin with.
const finalPrefix = "final-"

// valueOf reads what an event's data says, "?" when it says nothing.
func valueOf(data []byte) string {
	var said struct{ V string }
	if json.Unmarshal(data, &said) != nil || said.V == "" {
		return "?" + string(data[:min(len(data), 40)])
	}
	return said.V
}

func digestOf(data []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(data) // never fails
	return h.Sum64()
}

// frame is what comes over a socket. In a gap, events is a number.
type frame struct {
	Type       string
	Ref        json.RawMessage
	Events     json.RawMessage
	Cursor     string
	Acked      []string
	NotPending []string `json:"not_pending"`
	Stale      []string
	Stream     string
	Channel    string
	Reason     string
	From, To   string
	Code       string
	Detail     string
	After      string `json:"reconnect_after"`
}

// event is one of an events frame, or of the answer to a pull.
type event struct {
	ID, Stream, Channel string
	Data                json.RawMessage
	Attempt             int
}
