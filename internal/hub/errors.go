package hub

import (
	"errors"
	"fmt"
	"time"
)

// Code is the stable, machine-readable name of what went wrong.
type Code string

// The codes a client can meet.
const (
	CodeInvalidRequest   Code = "invalid_request"
	CodeInvalidName      Code = "invalid_name"
	CodeNotSupported     Code = "not_supported"
	CodeUnauthenticated  Code = "unauthenticated"
	CodeForbidden        Code = "forbidden"
	CodeNotFound         Code = "not_found"
	CodeStreamNotFound   Code = "stream_not_found"
	CodeSinkNotFound     Code = "sink_not_found"
	CodeEventNotFound    Code = "event_not_found"
	CodeMethodNotAllowed Code = "method_not_allowed"
	CodeSlowConsumer     Code = "slow_consumer"
	CodeConflict         Code = "conflict"
	CodePayloadTooLarge  Code = "payload_too_large"
	CodeUnsupportedMedia Code = "unsupported_media_type"
	CodeUpgradeRequired  Code = "upgrade_required"
	CodeRateLimited      Code = "rate_limited"
	CodeInternal         Code = "internal"
	// CodeUnavailable: certainly not done, try again later.
	CodeUnavailable Code = "unavailable"
	// CodeUnconfirmed: sent to Redis and the answer lost; it may have been done.
	CodeUnconfirmed Code = "unconfirmed"
	// CodeStreamFull: the stream has max_events, and rejects what is beyond.
	CodeStreamFull Code = "stream_full"
	// CodeStorageFull: Redis is out of memory or disk.
	CodeStorageFull Code = "storage_full"
)

// codes says which HTTP status (RFC 9110) fits each code best, and its title.
// A WebSocket closes with 4000 + the status.
var codes = map[Code]struct {
	status int
	title  string
}{
	CodeInvalidRequest:   {400, "Invalid request"},
	CodeInvalidName:      {400, "Invalid name"},
	CodeNotSupported:     {400, "Not supported"},
	CodeUnauthenticated:  {401, "Unauthenticated"},
	CodeForbidden:        {403, "Forbidden"},
	CodeNotFound:         {404, "Not found"},
	CodeStreamNotFound:   {404, "Stream not found"},
	CodeSinkNotFound:     {404, "Sink not found"},
	CodeEventNotFound:    {404, "Event not found"},
	CodeMethodNotAllowed: {405, "Method not allowed"},
	CodeSlowConsumer:     {408, "Too slow"},
	CodeConflict:         {409, "Conflict"},
	CodePayloadTooLarge:  {413, "Payload too large"},
	CodeUnsupportedMedia: {415, "Unsupported media type"},
	CodeUpgradeRequired:  {426, "Upgrade required"},
	CodeRateLimited:      {429, "Too many requests"},
	CodeInternal:         {500, "Internal error"},
	CodeUnavailable:      {503, "Unavailable"},
	CodeUnconfirmed:      {503, "Unconfirmed"},
	CodeStreamFull:       {507, "Stream full"},
	CodeStorageFull:      {507, "Storage full"},
}

// Status is the HTTP status that says the code best.
func (c Code) Status() int {
	if row, ok := codes[c]; ok {
		return row.status
	}
	return codes[CodeInternal].status
}

// Title is a short, fixed, human-readable summary of the code.
func (c Code) Title() string {
	if row, ok := codes[c]; ok {
		return row.title
	}
	return codes[CodeInternal].title
}

// Fault is one thing wrong with a request; Pointer is the JSON pointer
// (RFC 6901) of the place, or "?name" for a query parameter.
type Fault struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error is an error a client may read in full.
type Error struct {
	Code       Code
	Detail     string
	Faults     []Fault       // every fault found, not only the first
	RetryAfter time.Duration // for CodeUnavailable and its like; 0: not said
	Err        error         // the cause, for the log only
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with this code and detail.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// NoEvent is the answer where there is no such event, and where it is hidden from who asks:
// the two are not to be told apart.
func NoEvent(stream string, id ID) *Error {
	return Errorf(CodeEventNotFound, "the stream %q has no event %s: it was deleted, or removed by max_events or max_age, or never there", stream, id)
}

// AsError turns any error into one a client may read: an unknown one becomes
// CodeInternal and says nothing.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Detail: "the hub failed; its log has the details under this request id", Err: err}
}
