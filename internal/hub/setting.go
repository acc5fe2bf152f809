package hub

import (
	"fmt"
	"strconv"
	"time"
)

// Bounds of a sink's settings.
const (
	MinAckWait      = 10 * time.Millisecond
	MaxAckWait      = 24 * time.Hour
	maxDeliveries   = 1_000_000
	maxPatterns     = 100
	maxBackoff      = 100 // delays
	minExpiresAfter = time.Second
	maxExpiresAfter = 87_600 * time.Hour
)

// orderKey is an order to come.
const orderKey = "key"

// setting is how one of a sink's settings is written.
type setting struct {
	name  string
	param string                       // the name in a query, where a list is a repeated singular
	read  func(string) (string, error) // makes one value canonical

	number bool // in JSON; the others are strings
	list   bool // of strings
	most   int  // values of a list
	sorted bool // their order means nothing
}

// settings are all there are, in the order to show them.
var settings = []setting{
	{name: SettingFrom, param: "from", read: readFrom},
	{name: SettingTopics, param: "topic", read: readPattern, list: true, most: maxPatterns, sorted: true},
	{name: SettingTypes, param: "type", read: readPattern, list: true, most: maxPatterns, sorted: true},
	{name: SettingAck, param: "ack", read: readAck},
	{name: SettingAckWait, param: "ack_wait", read: readAckWait},
	{name: SettingMaxDeliveries, param: "max_deliveries", read: readMaxDeliveries, number: true},
	{name: SettingBackoff, param: "backoff", read: readDelay, list: true, most: maxBackoff},
	{name: SettingOrder, param: "order", read: readOrder},
	{name: SettingExpiresAfter, param: "expires_after", read: readExpiresAfter},
}

// canonical is the text of a list.
func (s *setting) canonical(values []string) string {
	if s.sorted {
		values = sorted(values)
	}
	return listText(values)
}

func readFrom(text string) (string, error) {
	if _, err := ParsePosition(text); err != nil {
		return "", err
	}
	return text, nil
}

func readPattern(text string) (string, error) {
	return text, CheckPattern(text)
}

func readAck(text string) (string, error) {
	if text != AckExplicit && text != AckNone {
		return "", fmt.Errorf("%q is not known (want %s or %s)", clip(text), AckExplicit, AckNone)
	}
	return text, nil
}

func readOrder(text string) (string, error) {
	switch text {
	case OrderNone, OrderStrict:
		return text, nil
	case orderKey:
		return "", Errorf(CodeNotSupported, "%q is reserved and not supported yet (want %s or %s)", text, OrderNone, OrderStrict)
	}
	return "", fmt.Errorf("%q is not known (want %s or %s)", clip(text), OrderNone, OrderStrict)
}

func readAckWait(text string) (string, error) {
	d, err := parseMillis(text, MinAckWait, MaxAckWait)
	return FormatDuration(d), err
}

func readMaxDeliveries(text string) (string, error) {
	n, err := parseWhole(text, 0, maxDeliveries)
	return strconv.Itoa(n), err
}

func readDelay(text string) (string, error) {
	d, err := ParseDelay(text)
	return FormatDuration(d), err
}

func readExpiresAfter(text string) (string, error) {
	if d, err := time.ParseDuration(text); err == nil && d == 0 {
		return FormatDuration(0), nil
	}
	d, err := parseMillis(text, minExpiresAfter, maxExpiresAfter)
	if err != nil {
		return "", fmt.Errorf(`%w (or "0": never)`, err)
	}
	return FormatDuration(d), nil
}
