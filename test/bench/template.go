package main

import (
	"bytes"
	"strconv"
)

// template is a message with an event in it, of which only the number changes.
type template struct {
	message []byte
	number  []byte // its place in message
}

func newTemplate(message []byte) *template {
	at := bytes.Index(message, []byte(numberHead)) + len(numberHead)
	return &template{message, message[at : at+numberWidth]}
}

// of is the message with event n; it is good until the next call.
func (t *template) of(n int) []byte {
	for i := range t.number {
		t.number[i] = '0'
	}
	digits := strconv.Itoa(n)
	copy(t.number[numberWidth-len(digits):], digits)
	return t.message
}
