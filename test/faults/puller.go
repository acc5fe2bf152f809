package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// pull is a worker that pulls, and acks at whatever hub.
func (l *load) pull(sink, settings string, first int) {
	client := newClient()
	defer client.CloseIdleConnections()
	query := "?stream=" + strings.Join(streams(), "&stream=") + settings
	for at, failures := first, 0; l.reconnect(failures, "", 0.5); {
		node := l.hub(at)
		conn := l.rec.Open(sink, node.name) // what was acked before is not to come
		var answer struct{ Events []event }
		if !l.call(client, node, "/v1/sinks/"+sink+"/pull"+query, `{"max":10,"wait":"1s"}`, &answer) {
			failures++
			at++
			l.rec.Close(conn)
			continue
		}
		failures = 0
		l.rec.Deliver(deliveries(conn, answer.Events))
		acks := map[string][]string{}
		for _, e := range answer.Events {
			acks[e.Stream] = append(acks[e.Stream], e.ID)
		}
		for stream, ids := range acks {
			a := ask(l.rec, conn, stream, ids)
			list, _ := json.Marshal(ids)
			var said struct {
				Acked      []string
				NotPending []string `json:"not_pending"`
				Stale      []string
			}
			if l.call(client, l.hub(at+1), "/v1/sinks/"+sink+"/acks", fmt.Sprintf(`{"stream":%q,"ids":%s}`, stream, list), &said) {
				a.answer(l.rec, said.Acked)
			}
		}
		l.rec.Close(conn)
	}
}

// call posts, and reads an answer that is 200.
func (l *load) call(client *http.Client, at *node, path, body string, into any) bool {
	ctx, cancel := context.WithTimeout(l.ctx, publishLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at.addr+path, strings.NewReader(body))
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return err == nil && answer.StatusCode == http.StatusOK && json.Unmarshal(text, into) == nil
}
