package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// source is a client of text/event-stream, as browsers' EventSource is one: it goes on
// from the last id that it was told, and stays away as long as it is asked to. It never
// gives up on a hub that is silent. One goroutine.
type source struct {
	load  *load
	feed  string
	role  history.Kind
	path  string
	last  string        // id
	retry time.Duration // what the end of the stream has asked for; 0: nothing
}

func (c *source) run(first int) {
	random := c.load.random(c.feed + c.path)
	client := newClient()
	defer client.CloseIdleConnections()
	leaves := func() bool { return !c.load.calm.Load() && random.IntN(500) == 0 }
	c.load.roam(first, random.Float64, func(at *node) (after string, err error) {
		c.retry = 0
		answer, s, err := c.open(client, at)
		if err != nil {
			return "", err
		}
		defer s.close()
		defer answer.Body.Close()
		c.follow(answer, s, leaves)
		if c.retry > 0 {
			after = c.retry.String()
		}
		return after, nil
	})
}

// open returns the stream once its hub has begun it: what is published later comes.
func (c *source) open(client *http.Client, at *node) (*http.Response, *socket, error) {
	ctx, stop := context.WithCancel(c.load.ctx)
	limit := time.AfterFunc(dialLimit, stop) // of the opening
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.addr+c.path, nil)
	if err != nil {
		stop()
		return nil, nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	if c.last != "" {
		request.Header.Set("Last-Event-ID", c.last)
	}
	answer, err := client.Do(request)
	if err == nil && (answer.StatusCode != http.StatusOK || !limit.Stop()) {
		_ = answer.Body.Close()
		err = fmt.Errorf("the answer is %s", answer.Status)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	s := &socket{load: c.load, id: c.load.rec.Open(c.feed, at.name), role: c.role, open: ctx, stop: stop}
	c.load.keep(s)
	return answer, s, nil
}

// follow takes what the stream has until it ends, or this client leaves.
func (c *source) follow(answer *http.Response, s *socket, leaves func() bool) {
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20) // several times the longest event
	var name, data, id string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			data = value
		case "id":
			id = value
		case "retry":
			ms, _ := strconv.Atoi(value)
			c.retry = time.Duration(ms) * time.Millisecond
		case "": // the end of an event, or a comment
			if lines.Text() != "" {
				continue
			}
			if id != "" {
				c.last = id
			}
			if data != "" {
				s.dispatch(name, []byte(data))
			}
			came := data != "" // else it is a comment
			if name, data, id = "", "", ""; came && leaves() {
				return
			}
		}
	}
}

// dispatch notes an event of a stream of events.
func (s *socket) dispatch(name string, data []byte) {
	switch name {
	case "":
		var e event
		_ = json.Unmarshal(data, &e) // what it is not is found to be a phantom
		s.came([]event{e})
	case "hub.gap":
		var f frame
		_ = json.Unmarshal(data, &f)
		s.missed(f)
	case "hub.drain":
		s.load.rec.Conn(s.id, func(c *history.Conn) { c.Drained = true })
	}
}

// missed notes a gap.
func (s *socket) missed(f frame) {
	gap := history.Gap{Conn: s.id, Topic: f.Stream + f.Channel, Reason: f.Reason}
	gap.From, _ = hub.ParseID(f.From)
	gap.To, _ = hub.ParseID(f.To)
	s.load.rec.Gap(gap)
}
