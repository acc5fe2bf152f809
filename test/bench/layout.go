package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/redis/go-redis/v9"
)

// eventBytes is the size of an event's data: a JSON value.
const eventBytes = 256

const (
	numberHead  = `{"n":"`
	numberWidth = 12
)

// eventData is the data of event n. All of a size are equally long, and the number
// is at a fixed place.
func eventData(n, size int) string {
	head := fmt.Sprintf(numberHead+`%0*d","pad":"`, numberWidth, n)
	const tail = `"}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// eventBody is an event as it is published.
func eventBody(n int) string { return eventBodyOf(n, eventBytes) }

// eventBodyOf is eventBody with another size of data.
func eventBodyOf(n, size int) string {
	return `{"type":"order.created","data":` + eventData(n, size) + `}`
}

// layout is how a hub keeps its events in Redis. It is learned from one event
// that it has stored, so that the yardsticks write and read just the same, and
// follow when it changes.
type layout struct {
	key    string // of the stream learnedStream
	fields []any
}

const learnedStream = "learned"

func learnLayout(ctx context.Context, r *rig) (layout, error) {
	var l layout
	conn, err := dialHTTP(ctx, r.addr)
	if err != nil {
		return l, err
	}
	defer conn.close()
	request := postRequest(r.addr, eventsPath(learnedStream), eventBody(0))
	if _, err := conn.do(request, http.StatusCreated); err != nil {
		return l, fmt.Errorf("publishing an event: %w", err)
	}
	keys := r.db.ScanType(ctx, 0, "*"+learnedStream+"*", 1000, "stream").Iterator()
	if !keys.Next(ctx) {
		return l, errors.Join(errors.New("the stream of a published event is not found in Redis"), keys.Err())
	}
	l.key = keys.Val()
	entry, err := r.db.Do(ctx, "xrange", l.key, "-", "+", "count", 1).Slice()
	if err != nil || len(entry) != 1 {
		return l, fmt.Errorf("reading back a published event: %w", err)
	}
	pair, _ := entry[0].([]any)
	if len(pair) == 2 {
		l.fields, _ = pair[1].([]any)
	}
	if len(l.fields) < 2 {
		return l, errors.New("a published event has no fields in Redis")
	}
	return l, nil
}

// log is the key of a stream.
func (l layout) log(stream string) string { return strings.Replace(l.key, learnedStream, stream, 1) }

// add appends an event to a stream as a hub does.
func (l layout) add(ctx context.Context, stream, id string) *redis.StringCmd {
	return redis.NewStringCmd(ctx, append([]any{"xadd", l.log(stream), id}, l.fields...)...)
}
