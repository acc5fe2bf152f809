package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// example is what a script of examples/ is to print.
type example struct {
	args   []string
	varies *regexp.Regexp // what differs from run to run: which instance, which consumer
	sorted bool           // the order of the lines does
	want   string
}

// examples are the scripts that end by themselves. worker.sh, which does not, has
// tests of its own.
var examples = map[string]example{
	"broadcast.sh": {args: []string{"2"}, want: `
listener 1: cancel message 1
listener 2: cancel message 1
listener 1: cancel message 2
listener 2: cancel message 2
listener 3: cancel message 2
`},
	"chat.sh": {want: `
1 in the hall, 1 in the yard
2 in the hall, 1 in the yard
Ann, in the hall: types …
Ann, in the hall: says Hello!
Ben, in the hall: says Hello!
1 in the hall, 1 in the yard
Ann, in the yard: says Good bye, Ben.
0 on the roof
`},
	"consume.sh": {args: []string{"6"}, varies: regexp.MustCompile(`/\d`), sorted: true, want: `
billing received {"job":1}
billing received {"job":2}
billing received {"job":3}
billing received {"job":4}
billing received {"job":5}
billing received {"job":6}
mails received {"job":1}
mails received {"job":2}
mails received {"job":3}
mails received {"job":4}
mails received {"job":5}
mails received {"job":6}
`},
	"consume-batch.sh": {args: []string{"1025", "500", "1500"}, want: `
1000 produced
25 produced
received a batch of 500, 1 to 500
500 acknowledged
received a batch of 500, 501 to 1000
500 acknowledged
received a batch of 25, 1001 to 1025
25 acknowledged
`},
	"in-order.sh": {args: []string{"6"}, want: `
order: strict
order 1
order 2
a handler failed
order 3
order 4
order 5
order 6
`},
	"in-parallel.sh": {args: []string{"6"}, varies: regexp.MustCompile(`-\d`), sorted: true, want: `
0 to come, 0 pending
4 to come, 2 pending
[consumer] user 1, attempt 2
[consumer] user 2, attempt 2
[consumer] user 3, attempt 1
[consumer] user 4, attempt 1
[consumer] user 5, attempt 1
[consumer] user 6, attempt 1
[crashes] user 1
[crashes] user 2
`},
	"pick.sh": {sorted: true, want: `
orders: could not handle topic2
orders: notified
orders: notified
orders: notified
orders: picked topic1:entityCreated of topic1
orders: picked topic2:entityCreated of topic2
stock: could not handle topic2
stock: notified
stock: notified
stock: notified
stock: picked topic1:entityCreated of topic1
stock: picked topic2:entityCreated of topic2
`},
	"readers.sh": {want: `
reader 1, event: event1, payload: payload1
reader 1, event: event2, payload: payload2
reader 2, event: event2, payload: payload2
reader 1, event: event3, payload: payload3
reader 2, event: event3, payload: payload3
reader 3, event: event3, payload: payload3
reader 1 again, event: event3, payload: payload3
`},
	"receive.sh": {args: []string{"6", "4"}, want: `
record 1 of user-1
record 2 of user-2
record 3 of user-0
record 4 of user-1
ACK of 4
record 5 of user-2
record 6 of user-0
0 to receive, 2 without an ACK
the consumer dies, another one goes on:
record 5 of user-2
record 6 of user-0
ACK of 2
0 to receive, 0 without an ACK
replay, for the group, from record 5 on:
record 5 of user-2
record 6 of user-0
and for somebody without a group, from the last known record on:
record 6 of user-0
`},
	"sinks.sh": {want: `
3 events added
my-sink, node 1: event 1, payload: payload 1, attempt 1
my-sink, node 2: event 2, payload: payload 2, attempt 1
my-sink, node 3: event 3, payload: payload 3, attempt 1
my-sink, node 1: event 3, payload: payload 3, attempt 2
my-other-sink, node 1: event 1, payload: payload 1, attempt 1
my-other-sink, node 1: event 2, payload: payload 2, attempt 1
my-other-sink, node 1: event 3, payload: payload 3, attempt 1
my-sink: 0 to come, 0 pending
`},
	"streams.sh": {want: `
the sink reads 1 streams
the sink reads 2 streams
stream: my-other-stream, event: event 2, payload: payload 2
stream: my-stream, event: event 1, payload: payload 1
the sink reads 1 streams
the sink gets 0 events
the reader, that comes again after two of them:
stream: my-other-stream, event: event 2, payload: payload 2
stream: my-other-stream, event: event 3, payload: payload 3
stream: my-stream, event: event 1, payload: payload 1
`},
	"topics.sh": {want: `
4 events added
sink all, topic: my-topic, event: event 1, payload: payload 1
sink all, topic: other-topic, event: event 1, payload: payload 2
sink all, topic: my-topic, event: event 2, payload: payload 3
sink all, topic: my-topic.eu, event: event 2, payload: payload 4
sink all, to come: 0, pending: 0
sink name, topic: my-topic, event: event 1, payload: payload 1
sink name, topic: my-topic, event: event 2, payload: payload 3
sink name, to come: 0, pending: 0
sink pattern, topic: my-topic.eu, event: event 2, payload: payload 4
sink pattern, to come: 0, pending: 0
sink both, topic: my-topic, event: event 2, payload: payload 3
sink both, to come: 0, pending: 0
reader topic=my-*, topic: my-topic, event: event 1, payload: payload 1
reader topic=my-*, topic: my-topic, event: event 2, payload: payload 3
reader topic=my-**, topic: my-topic, event: event 1, payload: payload 1
reader topic=my-**, topic: my-topic, event: event 2, payload: payload 3
reader topic=my-**, topic: my-topic.eu, event: event 2, payload: payload 4
reader topic=re:(my|other)-topic&type=*+1, topic: my-topic, event: event 1, payload: payload 1
reader topic=re:(my|other)-topic&type=*+1, topic: other-topic, event: event 1, payload: payload 2
`},
}

func TestExamplesPrintOnTwoHubsWhatTheyShow(t *testing.T) {
	t.Parallel()
	needShell(t)
	_, one, two := twoHubs(t)
	// Not as parallel tests, of which few run at a time: they wait more than they work.
	var scripts sync.WaitGroup
	for name, e := range examples {
		scripts.Go(func() {
			t.Run(name, func(t *testing.T) {
				e.run(t, name, "HUB="+one.base, "HUB2="+two.base)
				e.run(t, name, "HUB="+two.base)
			})
		})
	}
	scripts.Wait()
	for path, list := range map[string]string{"/v1/streams": "streams", "/v1/sinks": "sinks"} {
		if left := one.want(http.StatusOK, "GET", path, "")[list].([]any); len(left) > 0 {
			t.Errorf("the examples have left %s behind: %v", list, left)
		}
	}
}

// run runs a script and compares what it prints. It is to say nothing on stderr.
func (e example) run(t *testing.T, name string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // some wait for an ack_wait to be over
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../examples/"+name, e.args...)
	var out, faults bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = append(os.Environ(), env...), &out, &faults, patience
	err := cmd.Run()
	lines := strings.SplitAfter(out.String(), "\n")
	for i := range lines {
		if e.varies != nil {
			lines[i] = e.varies.ReplaceAllString(lines[i], "")
		}
	}
	if e.sorted {
		slices.Sort(lines)
	}
	got := strings.Join(lines, "")
	if want := e.want[1:]; err != nil || got != want || faults.Len() > 0 {
		t.Errorf("%s %v ended with %v; it printed\n%s\nand to stderr %q, want\n%s", name, env, err, got, faults.String(), want)
	}
}

func TestEveryExampleIsTestedAndInTheReadme(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, tested := examples[file.Name()]; !tested && file.Name() != workerScript {
			t.Errorf("examples/%s is run by no test", file.Name())
		}
		if !bytes.Contains(readme, []byte("(examples/"+file.Name()+")")) {
			t.Errorf("README.md does not name examples/%s", file.Name())
		}
	}
}
