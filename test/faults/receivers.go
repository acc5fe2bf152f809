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
	from, after := "oldest", ""
	for at, failures := first, 0; ; {
		s, err := l.connect(name, history.Reader, l.hub(at), query+"&from="+url.QueryEscape(from), first == 1)
		if err != nil {
			failures++
		}
		for err == nil {
			failures = 0
			var f frame
			if f, _, err = s.next(); err == nil && f.Cursor != "" {
				from = "after:" + f.Cursor
			}
			if f.Type == "drain" {
				after = f.After
			}
			if !l.calm.Load() && f.Type == "events" && random.IntN(500) == 0 {
				break // as a crash would
			}
		}
		if s != nil {
			s.close()
		}
		at++
		if !l.reconnect(failures, after, random.Float64()) {
			return
		}
		after = ""
	}
}

// listen is a subscriber of the channel.
func (l *load) listen(first int) {
	random := l.random("cast" + l.hub(first).name)
	after := ""
	for at, failures := first, 0; ; {
		s, err := l.connect(cast, history.Broadcast, l.hub(at), "/v1/broadcast/ws?channel="+channel, first == 1)
		if err != nil {
			failures++
		}
		for err == nil {
			failures = 0
			var f frame
			if f, _, err = s.next(); f.Type == "drain" {
				after = f.After
			}
		}
		if s != nil {
			s.close()
		}
		at++
		if !l.reconnect(failures, after, random.Float64()) {
			return
		}
		after = ""
	}
}
