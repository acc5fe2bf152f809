package main

import (
	"bytes"
	"strconv"
)

const (
	idHead   = `"id":"`
	dataHead = `"data":` + numberHead
)

// eachID calls yield with the id of every event in a frame. It is no JSON parser:
// it knows that hubs write ids without escapes, and that nothing in the bench's
// own data looks like one.
func eachID(frame []byte, yield func(id []byte)) {
	for {
		at := bytes.Index(frame, []byte(idHead))
		if at < 0 {
			return
		}
		frame = frame[at+len(idHead):]
		end := bytes.IndexByte(frame, '"')
		if end < 0 {
			return
		}
		yield(frame[:end])
		frame = frame[min(end+eventBytes, len(frame)):] // its data is still to come
	}
}

// eachNumber finds the numbers that eventData has put into the events.
func eachNumber(frame []byte, yield func(n int)) {
	for {
		at := bytes.Index(frame, []byte(dataHead))
		if at < 0 {
			return
		}
		frame = frame[at+len(dataHead):]
		n, err := strconv.Atoi(string(frame[:min(numberWidth, len(frame))]))
		if err != nil {
			n = -1
		}
		yield(n)
	}
}
