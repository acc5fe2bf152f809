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
		case <-time.After(p.pace/2 + time.Duration(random.Int64N(int64(p.pace)))):
		}
		p.one(l, client, &at, fmt.Sprintf("%s-%d", p.name, n), false)
	}
}

// one publishes a value, repeatedly if need be and allowed. It returns whether it was
// confirmed.
func (p publisher) one(l *load, client *http.Client, at *int, value string, final bool) bool {
	data := eventData(value)
	record := history.Publish{
		Topic: p.topic, Channel: p.channel, Value: value, Digest: digestOf(data), Publisher: p.name,
		Replicated: p.durability == string(hub.Replicated), Final: final,
	}
	body := []byte(fmt.Sprintf(`{"data":%s}`, data))
	if p.keyed {
		record.Key = value
		body = []byte(fmt.Sprintf(`{"idempotency_key":%q,"data":%s}`, value, data))
	}
	path := "/v1/streams/" + p.topic + "/events"
	if p.channel {
		path = "/v1/broadcast/" + p.topic
	} else if p.durability != "" {
		path += "?durability=" + p.durability
	}
	for try := 0; ; try++ {
		node := l.hub(*at)
		record.Hub, record.Began = node.name, l.rec.Now()
		record.Outcome, record.ID = post(l.ctx, client, "http://"+node.addr+path, body)
		record.Ended = l.rec.Now()
		l.rec.Publish(record)
		switch {
		case record.Outcome == history.OK:
			return true
		case l.ctx.Err() != nil, record.Outcome == history.Unknown && !p.keyed:
			return false
		}
		*at++
		select {
		case <-time.After(publishPause):
		case <-l.ctx.Done():
			return false
		}
		if closed(l.quiet) && try > 100 && !final {
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

// post sends one event and says what became of it.
func post(ctx context.Context, client *http.Client, url string, body []byte) (history.Outcome, hub.ID) {
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return history.Failed, hub.ID{}
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		var network *net.OpError
		if errors.As(err, &network) && network.Op == "dial" {
			return history.Failed, hub.ID{}
		}
		return history.Unknown, hub.ID{}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return history.Unknown, hub.ID{}
	}
	var said struct{ ID, Code string }
	_ = json.Unmarshal(text, &said)
	switch {
	case answer.StatusCode == http.StatusAccepted:
		return history.OK, hub.ID{}
	case answer.StatusCode == http.StatusCreated, answer.StatusCode == http.StatusOK:
		id, err := hub.ParseID(said.ID)
		if err != nil {
			return history.Unknown, hub.ID{}
		}
		return history.OK, id
	case said.Code == string(hub.CodeUnconfirmed), said.Code == "", answer.StatusCode == http.StatusInternalServerError:
		return history.Unknown, hub.ID{}
	}
	return history.Failed, hub.ID{}
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
			at, value := n, fmt.Sprintf("final-%s-%d", topic, n)
			l.expect(value)
			deadline := time.Now().Add(30 * time.Second)
			for try := 0; !p.one(l, client, &at, value, true); try++ {
				if ctx.Err() != nil || time.Now().After(deadline) {
					return fmt.Errorf("nothing can be published to %s any more", topic)
				}
				value = fmt.Sprintf("final-%s-%d-%d", topic, n, try)
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
