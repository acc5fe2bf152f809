package hub

import (
	"encoding/base64"
	"strconv"
	"time"
)

// JSONType is the content type of an event that names none.
const JSONType = "application/json"

// timeLayout is RFC 3339 in UTC with milliseconds, as every time on the wire.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Event is something that happened, as it is published, stored and delivered.
// It is not changed once published: copies share Headers and Data.
type Event struct {
	ID          string    // "" until published
	Stream      string    // durable events
	Channel     string    // broadcast events
	Type        string    // e.g. "order.created"
	Topic       string    // e.g. "eu.de"
	Key         string    // e.g. "customer-42"
	Time        time.Time // of publishing, to the millisecond
	ContentType string    // "" means JSONType
	Headers     []byte    // a compact JSON object of strings, or nil
	Data        []byte    // one JSON value; any bytes when Binary
	Binary      bool
	Attempt     int // of a sink delivery, from 1; 0 elsewhere

	// IdempotencyKey counts while the event is published; it is not stored with it.
	IdempotencyKey string
}

// AppendJSON appends the event's wire form (one line, no newline in it):
// absent fields are left out, data goes through as it was published.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = AppendQuoted(dst, e.ID)
	dst = appendField(dst, "stream", e.Stream)
	dst = appendField(dst, "channel", e.Channel)
	dst = appendField(dst, "type", e.Type)
	dst = appendField(dst, "topic", e.Topic)
	dst = appendField(dst, "key", e.Key)
	dst = append(dst, `,"time":"`...)
	dst = e.Time.UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, `","content_type":`...)
	if e.ContentType == "" {
		dst = append(dst, `"`+JSONType+`"`...)
	} else {
		dst = AppendQuoted(dst, e.ContentType)
	}
	if len(e.Headers) > 0 {
		dst = append(dst, `,"headers":`...)
		dst = append(dst, e.Headers...)
	}
	if e.Binary {
		dst = append(dst, `,"data_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, e.Data)
		dst = append(dst, '"')
	} else {
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Data...)
	}
	if e.Attempt > 0 {
		dst = append(dst, `,"attempt":`...)
		dst = strconv.AppendInt(dst, int64(e.Attempt), 10)
	}
	return append(dst, '}')
}

// FormatTime writes a time as it goes over the wire.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return AppendQuoted(dst, value)
}
