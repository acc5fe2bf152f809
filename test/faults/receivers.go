package main

import (
	"net/url"
	"strings"

	"eventhub/test/faults/history"
)

// read is a reader, perhaps with a filter, that goes on where it was, from the start of its streams.
func (l *load) read(name string, streams []string, filter string, first int) {
	random := l.random(name)
	query := "/v1/readers/ws?stream=" + strings.Join(streams, "&stream=") + filter
	from := "oldest"
	l.roam(first, random.Float64, func(at *node) (after string, err error) {
		s, err := l.connect(name, history.Reader, at, query+"&from="+url.QueryEscape(from), first == 1)
		if err != nil {
			return "", err
		}
		defer s.close()
		for {
			f, _, err := s.next()
			if err != nil {
				return after, nil
			}
			if f.Cursor != "" {
				from = "after:" + f.Cursor
			}
			if f.Type == "drain" {
				after = f.After
			}
			if !l.calm.Load() && f.Type == "events" && random.IntN(500) == 0 {
				return after, nil // as a crash would
			}
		}
	})
}

// listen is a subscriber of the channel.
func (l *load) listen(first int) {
	random := l.random("cast" + l.hub(first).name)
	l.roam(first, random.Float64, func(at *node) (after string, err error) {
		s, err := l.connect(cast, history.Broadcast, at, "/v1/broadcast/ws?channel="+channel, first == 1)
		if err != nil {
			return "", err
		}
		defer s.close()
		for {
			f, _, err := s.next()
			if err != nil {
				return after, nil
			}
			if f.Type == "drain" {
				after = f.After
			}
		}
	})
}
