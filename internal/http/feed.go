package http

import (
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// feed is what an event stream shows.
type feed interface {
	// take appends what there is to tell, as text/event-stream; nothing when there
	// is nothing. It fails with an *hub.Error once the feed has ended.
	take(dst []byte) ([]byte, error)
	// place appends the id to go on from, if that is another than the client knows.
	place(dst []byte) []byte
	// Ready gets a signal when take has something to tell.
	Ready() <-chan struct{}
	// Close ends the feed.
	Close()
}

// readerFeed is a reader as a feed. Each event has an id to go on from: its own
// where one stream is read, else the place behind it in all of them. The place is
// also told without an event: a client that has had none would come back to where
// it was to start, and one whose filter passes over much to a place long gone.
type readerFeed struct {
	hub.Reader
	single bool
	oldest bool       // it was to start there: until it moves, a place says less
	limit  int        // of the next take; 0: none
	told   hub.Cursor // what the client would go on from; nil before the first take
	after  hub.Cursor // what was taken
}

func newReaderFeed(reader hub.Reader, spec *hub.ReaderSpec) *readerFeed {
	after, known := spec.From.After()
	_, resumes := spec.From.Resumes()
	f := &readerFeed{Reader: reader, single: len(spec.Streams) == 1, oldest: known && !resumes && after == hub.ID{}}
	if !f.single {
		f.limit = 1 // until it is known how long an id is
	}
	return f
}

func (f *readerFeed) take(dst []byte) ([]byte, error) {
	reading, err := f.Take(f.limit)
	if err != nil {
		return dst, err
	}
	for _, gap := range reading.Gaps {
		dst = appendGap(dst, gap)
	}
	f.after = reading.After
	if f.told == nil {
		f.told = reading.Before
		if !f.oldest {
			dst = appendPlace(dst, f.told)
		}
	}
	if len(reading.Events) == 0 {
		return dst, nil
	}
	at := slices.Clone(reading.Before) // the place behind the event
	for i := range reading.Events {
		event := &reading.Events[i]
		at.Move(event.Stream, event.ID)
		dst = append(dst, "id: "...)
		if f.single {
			dst = event.ID.Append(dst)
		} else {
			token := at.String()
			dst = append(dst, token...)
			f.limit = max(1, gathered/len(token)) // ids may be far longer than events
		}
		dst = appendData(append(dst, '\n'), event.JSON)
	}
	f.told = at
	return dst, nil
}

func (f *readerFeed) place(dst []byte) []byte {
	if slices.Equal(f.told, f.after) {
		return dst
	}
	f.told = f.after
	return appendPlace(dst, f.told)
}

// broadcastFeed is a subscription as a feed. There is nothing to go on from.
type broadcastFeed struct {
	hub.Subscription
	messages *sync.Pool // of *[]*hub.Message, empty ones; shared as the buffers are
}

func (f *broadcastFeed) take(dst []byte) ([]byte, error) {
	list, _ := f.messages.Get().(*[]*hub.Message)
	defer f.messages.Put(list)
	messages, err := f.Take((*list)[:0], gathered-len(dst))
	if err != nil {
		return dst, err
	}
	*list = messages
	for _, m := range messages {
		if m.Gap != nil {
			dst = appendGap(dst, *m.Gap)
		} else {
			dst = appendData(dst, m.JSON)
		}
	}
	clear(messages) // an old one must not live on in the pool
	return dst, nil
}

func (f *broadcastFeed) place(dst []byte) []byte { return dst }

func appendGap(dst []byte, gap hub.Gap) []byte {
	return appendControl(dst, "hub.gap", json.RawMessage(gap.AppendJSON(nil)))
}

// appendPlace tells where to go on from. Without data nothing is dispatched, and
// the id counts all the same: see HTML, §9.2.6, "dispatch the event".
func appendPlace(dst []byte, at hub.Cursor) []byte {
	dst = append(dst, "id: "...)
	dst = append(dst, at.String()...)
	return append(dst, '\n', '\n')
}

// appendData ends an event with its data, which is one line.
func appendData(dst, data []byte) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, data...)
	return append(dst, '\n', '\n')
}

// appendControl appends what is no event of the hub's; value is of strings and
// numbers.
func appendControl(dst []byte, name string, value any) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	data, _ := json.Marshal(value) // cannot fail
	return appendData(append(dst, '\n'), data)
}

// appendDrain tells the client to come back after a while: EventSource does so
// by retry, others know it from the data.
func appendDrain(dst []byte, after time.Duration) []byte {
	after = after.Round(time.Millisecond)
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, after.Milliseconds(), 10)
	return appendControl(append(dst, '\n'), "hub.drain", struct {
		ReconnectAfter string `json:"reconnect_after"`
	}{after.String()})
}

func appendError(dst []byte, err *hub.Error) []byte {
	return appendControl(dst, "hub.error", struct {
		Code   hub.Code `json:"code"`
		Detail string   `json:"detail"`
	}{err.Code, err.Detail})
}
