package main

import "eventhub/test/faults/history"

// redriveTries is how often a redrive is asked for, of one hub after another.
const redriveTries = 20

// redrive has all dead letters of a sink come again, to consumers that refuse nothing any
// more. That they did not come is for the checker to say.
func (l *load) redrive(sink string) {
	l.lenient.Store(true)
	client := newClient()
	defer client.CloseIdleConnections()
	done := history.Redrive{Began: l.rec.Now(), Sink: sink}
	for try := range redriveTries {
		var answer struct{ Count int }
		if l.call(client, l.hub(try), "/v1/sinks/"+sink+"/dead-letters/redrive", `{"all":true}`, &answer) {
			done.Count += answer.Count
			break
		}
		if !l.reconnect(try, "", 0.5) {
			break
		}
	}
	l.rec.Redrive(done)
}
