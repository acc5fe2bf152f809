package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// publishLimit is how long a client waits for the answer to a publish. A hub promises it
// within 3 s; one that stands still gives none.
const publishLimit = 6 * time.Second

// publishPause is what it waits before it repeats one: a service that has events to get rid
// of does not wait long, and how long it was refused shows to so much.
const publishPause = 75 * time.Millisecond

// publisher publishes one value after another to one stream or channel, so that one which
// hangs holds up nothing else. With idempotency keys it repeats what may have been lost
// until it is confirmed, without only what was certainly refused.
type publisher struct {
	name    string
	topic   string
	first   int // hub
	keyed   bool
	channel bool // the topic is one
	array   int  // events of a request; 0: one, and no array
	loadOptions
}

func (l *load) publish(p publisher) {
	client := newClient()
	defer client.CloseIdleConnections()
	random, at := l.random(p.name), p.first
	for n := 0; ; n++ {
		select {
		case <-l.quiet:
			return
		case <-l.ctx.Done():
			return
		case <-time.After(p.pace/2 + time.Duration(random.Int64N(int64(p.pace)))):
		}
		values := make([]string, max(p.array, 1))
		for i := range values {
			values[i] = fmt.Sprintf("%s-%d", p.name, n*len(values)+i)
		}
		records, body := p.compose(values, false)
		p.try(l, client, &at, records, body)
	}
}

// one publishes a value, repeatedly if need be and allowed. It returns whether it was
// confirmed.
func (p publisher) one(l *load, client *http.Client, at *int, value string, final bool) bool {
	records, body := p.compose([]string{value}, final)
	return p.try(l, client, at, records, body)
}

// compose makes what one request publishes: an array where that is several values.
func (p publisher) compose(values []string, final bool) (records []history.Publish, body []byte) {
	events := make([][]byte, len(values))
	for i, value := range values {
		data, label := eventData(value), labelOf(value)
		record := history.Publish{
			Topic: p.topic, Channel: p.channel, Value: value, Label: label, Digest: digestOf(data), Publisher: p.name,
			Replicated: p.durability == string(hub.Replicated), Final: final,
		}
		key := ""
		if p.keyed {
			record.Key, key = value, fmt.Sprintf(`"idempotency_key":%q,`, value)
		}
		if len(values) > 1 {
			record.Batch = values[0]
		}
		records = append(records, record)
		events[i] = fmt.Appendf(nil, `{%s"topic":%q,"type":%q,"data":%s}`, key, label, label, data)
	}
	if len(values) == 1 {
		return records, events[0]
	}
	return records, slices.Concat([]byte("["), bytes.Join(events, []byte(",")), []byte("]"))
}

// try sends a request, and again if need be and allowed.
func (p publisher) try(l *load, client *http.Client, at *int, records []history.Publish, body []byte) bool {
	path := "/v1/streams/" + p.topic + "/events"
	if p.channel {
		path = "/v1/broadcast/" + p.topic
	} else if p.durability != "" {
		path += "?durability=" + p.durability
	}
	for try := 0; ; try++ {
		node := l.hub(*at)
		began := l.rec.Now()
		outcome, ids := post(l.ctx, client, "http://"+node.addr+path, body, len(records))
		ended := l.rec.Now()
		for i, record := range records {
			record.Hub, record.Began, record.Ended, record.Outcome = node.name, began, ended, outcome
			if len(ids) > 0 {
				record.ID = ids[i]
			}
			l.rec.Publish(record)
		}
		switch {
		case outcome == history.OK:
			return true
		case l.ctx.Err() != nil, outcome == history.Unknown && !p.keyed:
			return false
		}
		*at++
		select {
		case <-time.After(publishPause):
		case <-l.ctx.Done():
			return false
		}
		if closed(l.quiet) && try > 100 && !records[0].Final {
			return false
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// post sends a request of so many events and says what became of it. The ids are those
// of a stream's events that are confirmed.
func post(ctx context.Context, client *http.Client, url string, body []byte, n int) (history.Outcome, []hub.ID) {
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return history.Failed, nil
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		var network *net.OpError
		if errors.As(err, &network) && network.Op == "dial" {
			return history.Failed, nil
		}
		return history.Unknown, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return history.Unknown, nil
	}
	return judgeAnswer(answer.StatusCode, text, n)
}

func judgeAnswer(status int, text []byte, n int) (history.Outcome, []hub.ID) {
	var said struct {
		ID, Code string
		IDs      []string
	}
	_ = json.Unmarshal(text, &said)
	switch {
	case status == http.StatusAccepted:
		return history.OK, nil
	case status == http.StatusCreated, status == http.StatusOK:
		if said.ID != "" {
			said.IDs = []string{said.ID}
		}
		ids := make([]hub.ID, len(said.IDs))
		for i, id := range said.IDs {
			var err error
			if ids[i], err = hub.ParseID(id); err != nil {
				return history.Unknown, nil
			}
		}
		if len(ids) != n {
			return history.Unknown, nil
		}
		return history.OK, ids
	case said.Code == string(hub.CodeUnconfirmed), said.Code == "", status == http.StatusInternalServerError:
		return history.Unknown, nil
	}
	return history.Failed, nil
}

// finish publishes the last events, by which those who receive show that they do.
func (l *load) finish(ctx context.Context, o loadOptions) error {
	client := newClient()
	defer client.CloseIdleConnections()
	topics := map[string]bool{}
	for _, s := range streams() {
		topics[s] = false
	}
	if !o.bare {
		topics[channel] = true
	}
	for topic, isChannel := range topics {
		p := publisher{name: "final", topic: topic, channel: isChannel, keyed: !isChannel, loadOptions: o}
		for n := range l.hubs { // by each hub
			at, value := n, fmt.Sprintf(finalPrefix+"%s-%d", topic, n)
			l.expect(value)
			deadline := time.Now().Add(30 * time.Second)
			for try := 0; !p.one(l, client, &at, value, true); try++ {
				if ctx.Err() != nil || time.Now().After(deadline) {
					return fmt.Errorf("nothing can be published to %s any more", topic)
				}
				value = fmt.Sprintf(finalPrefix+"%s-%d-%d", topic, n, try)
				l.expect(value)
			}
		}
	}
	return nil
}

func (l *load) expect(value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finals[value] = true
}
