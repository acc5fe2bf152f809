package broker

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// stamp says which of a hub's messages to a channel this is.
//
// On a live channel it is a line of fixed length: stampMark, the hub, and in
// hexadecimal epoch, n and age. The event's JSON follows; a line alone is a mark,
// which says how many there were. Anything else was sent by another program.
type stamp struct {
	hub   string
	epoch uint64        // grows whenever the hub begins to count anew
	n     uint64        // of this message, from 1; of a mark: of the last one before. 0: not counted
	age   time.Duration // since the hub began to count
}

const (
	stampMark = "hub2"
	// stampDigits is the length of each number, in ms where it is a time.
	stampDigits = 16
)

// append writes the line.
func (s stamp) append(dst []byte) []byte {
	dst = append(append(dst, stampMark+" "...), s.hub...)
	for _, number := range s.numbers() {
		dst = appendHex(append(dst, ' '), number)
	}
	return append(dst, '\n')
}

// set replaces the numbers in a line that append has written.
func (s stamp) set(line []byte) {
	at := len(stampMark) + 1 + len(s.hub)
	for _, number := range s.numbers() {
		at++
		appendHex(line[:at], number)
		at += stampDigits
	}
}

func (s stamp) numbers() [3]uint64 {
	return [3]uint64{s.epoch, s.n, uint64(s.age.Milliseconds())}
}

func appendHex(dst []byte, number uint64) []byte {
	var bytes [8]byte
	for i := range bytes {
		bytes[i] = byte(number >> (56 - 8*i))
	}
	return hex.AppendEncode(dst, bytes[:])
}

// mostNumber bounds what a hub can have counted to.
const mostNumber = 1 << 53

// plausibleEvent says whether text looks like the JSON of an event, in one line:
// subscribers get it as it is.
func plausibleEvent(text string) bool {
	return strings.HasPrefix(text, `{"id":"`) && strings.HasSuffix(text, "}") && !strings.ContainsAny(text, "\n\r")
}

// parseStamp takes a message apart; ok is false where no hub has sent it.
func parseStamp(payload string) (s stamp, json string, ok bool) {
	line, ours := strings.CutPrefix(payload, stampMark+" ")
	if !ours {
		return stamp{}, "", false
	}
	line, json, ours = strings.Cut(line, "\n")
	name, rest, _ := strings.Cut(line, " ")
	if !ours || name == "" || len(rest) != 3*stampDigits+2 {
		return stamp{}, "", false
	}
	var numbers [3]uint64
	for i := range numbers {
		at := i * (stampDigits + 1)
		number, err := strconv.ParseUint(rest[at:at+stampDigits], 16, 64)
		if err != nil || i > 0 && rest[at-1] != ' ' {
			return stamp{}, "", false
		}
		numbers[i] = number
	}
	if json != "" && !plausibleEvent(json) || numbers[1] > mostNumber {
		return stamp{}, "", false
	}
	return stamp{hub: name, epoch: numbers[0], n: numbers[1], age: time.Duration(numbers[2]) * time.Millisecond}, json, true
}
