package http_test

import (
	"context"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// need is what a route asks of who comes.
type need struct {
	verbs string // any of these, with spaces between
	on    string // the lists of one permission that must have the names
	body  string // of a request that is good
}

const (
	onStream     = "streams"
	onSink       = "sinks"
	onBoth       = "streams sinks" // of one permission
	onChannel    = "channels"
	onAll        = "everything"
	forAnybody   = "a principal"
	forWhoever   = "nothing"
	bySocket     = "what the socket asks" // of the principal that it is given
	anyOfAStream = `{"data":1}`
)

// needs says of every route what it takes.
var needs = map[string]need{
	"GET /livez":                 {on: forWhoever},
	"GET /readyz":                {on: forWhoever},
	"GET /openapi.yaml":          {on: forWhoever},
	"GET /asyncapi.yaml":         {on: forWhoever},
	"GET /metrics":               {"manage", onAll, ""},
	"GET /debug/pprof/*":         {"manage", onAll, ""},
	"GET /log-level":             {"manage", onAll, ""},
	"PUT /log-level":             {"manage", onAll, `{"level":"info"}`},
	"POST /v1/tickets":           {on: forAnybody},
	"POST /v1/events":            {"publish", onStream, `[{"stream":"orders","data":1}]`},
	"GET /v1/broadcast/ws":       {on: bySocket},
	"GET /v1/readers/ws":         {on: bySocket},
	"GET /v1/sinks/{sink}/ws":    {on: bySocket},
	"GET /v1/readers/sse":        {"read", onStream, ""},
	"GET /v1/broadcast/sse":      {"subscribe", onChannel, ""},
	"GET /v1/channels":           {on: forAnybody},
	"GET /v1/streams":            {on: forAnybody},
	"GET /v1/sinks":              {on: forAnybody},
	"GET /v1/streams/{stream}":   {"read manage", onStream, ""},
	"GET /v1/sinks/{sink}":       {"consume manage", onSink, ""},
	"PUT /v1/sinks/{sink}":       {"manage", onBoth, `{"streams":["orders"]}`},
	"DELETE /v1/sinks/{sink}":    {"manage", onSink, ""},
	"PUT /v1/streams/{stream}":   {"manage", onStream, ""},
	"GET /v1/channels/{channel}": {"subscribe manage", onChannel, ""},

	"DELETE /v1/streams/{stream}":             {"manage", onStream, ""},
	"POST /v1/streams/{stream}/events":        {"publish", onStream, anyOfAStream},
	"POST /v1/streams/{stream}/raw":           {"publish", onStream, "1"},
	"POST /v1/broadcast/{channel}":            {"publish", onChannel, anyOfAStream},
	"GET /v1/streams/{stream}/events":         {"read", onStream, ""},
	"GET /v1/streams/{stream}/events/{id}":    {"read", onStream, ""},
	"DELETE /v1/streams/{stream}/events/{id}": {"manage", onStream, ""},
	"POST /v1/streams/{stream}/prune":         {"manage", onStream, ""},
	"POST /v1/sinks/{sink}/pull":              {"consume", onBoth, `{"max":1}`},
	"POST /v1/sinks/{sink}/acks":              {"consume", onBoth, `{"stream":"orders","ids":["1-0"]}`},
	"POST /v1/sinks/{sink}/nacks":             {"consume", onBoth, `{"stream":"orders","ids":["1-0"]}`},
	"POST /v1/sinks/{sink}/extend":            {"consume", onBoth, `{"stream":"orders","ids":["1-0"]}`},
	"POST /v1/sinks/{sink}/seek":              {"manage", onBoth, `{"stream":"orders","to":"oldest"}`},
	"GET /v1/sinks/{sink}/pending":            {"consume manage", onSink, ""},
	"GET /v1/sinks/{sink}/dead-letters":       {"consume manage", onSink, ""},
	"DELETE /v1/sinks/{sink}/dead-letters":    {"manage", onSink, ""},

	"POST /v1/sinks/{sink}/dead-letters/redrive": {"manage", onBoth, `{"stream":"orders","all":true}`},
}

// parameters are what some routes ask for beside the path.
var parameters = map[string]string{
	"GET /v1/readers/sse": "?stream=orders", "GET /v1/broadcast/sse": "?channel=room-1", "POST /v1/sinks/{sink}/pull": "?stream=orders",
	"GET /v1/readers/ws": "?stream=orders", "GET /v1/broadcast/ws": "?channel=room-1", "GET /v1/sinks/{sink}/ws": "?stream=orders",
}

// guarded does what the engine has promised to check, and panics at all else that it is
// asked.
type guarded struct{ http.Broker }

func (guarded) Read(_ context.Context, spec hub.ReaderSpec) (hub.Reader, error) {
	return nil, refusal(within(spec.Scope, spec.Streams))
}

func (guarded) Subscribe(_ context.Context, spec hub.BroadcastSpec) (hub.Subscription, error) {
	return nil, refusal(within(spec.Scope, spec.Channels))
}

func (guarded) Pull(_ context.Context, spec hub.ConsumerSpec, _ int, _ time.Duration) ([]hub.Event, func(), error) {
	return nil, nil, refusal(within(spec.Scope, spec.Streams))
}

func refusal(err error) error {
	if err == nil {
		panic("the engine was to do something")
	}
	return err
}

const allVerbs = "publish read consume subscribe manage"

func quoted(words string) string { return `"` + strings.ReplaceAll(words, " ", `","`) + `"` }

// lists has each of the kinds with one pattern.
func lists(kinds string, pattern func(kind string) string) string {
	text := ""
	for kind := range strings.FieldsSeq(kinds) {
		text += fmt.Sprintf(`,%q:[%q]`, kind, pattern(kind))
	}
	return text
}

func exactly(kind string) string {
	return map[string]string{"streams": "orders", "sinks": "billing", "channels": "room-1"}[kind]
}
func allOf(string) string       { return "**" }
func others(kind string) string { return exactly(kind) + "x" }

const kinds = "streams sinks channels"

// right are permissions of which each is enough.
func (n need) right() []string {
	if n.on == forAnybody || n.on == bySocket {
		return []string{`{"allow":["read"],"streams":["nothing"]}`}
	}
	var list []string
	for verb := range strings.FieldsSeq(n.verbs) {
		if n.on == onAll {
			list = append(list, fmt.Sprintf(`{"allow":[%q]%s}`, verb, lists(kinds, allOf)))
		} else {
			list = append(list, fmt.Sprintf(`{"allow":[%q]%s}`, verb, lists(n.on, exactly)))
		}
	}
	return list
}

// wrong are sets of permissions that together are not enough: all other verbs on all there
// is, these verbs on all other names, and the names without one another.
func (n need) wrong() [][]string {
	rest := slices.DeleteFunc(strings.Fields(allVerbs), func(verb string) bool { return slices.Contains(strings.Fields(n.verbs), verb) })
	all := fmt.Sprintf(`{"allow":[%s]%s}`, quoted(strings.Join(rest, " ")), lists(kinds, allOf))
	own := quoted(n.verbs)
	if n.on == onAll {
		return [][]string{{all, fmt.Sprintf(`{"allow":[%s],"streams":["**"],"sinks":["**"]}`, own), fmt.Sprintf(`{"allow":[%s],"channels":["**"]}`, own)}}
	}
	elsewhere := fmt.Sprintf(`{"allow":[%s]%s}`, own, lists(kinds, others))
	sets := [][]string{{all, elsewhere}}
	for kind := range strings.FieldsSeq(n.on) {
		apart := []string{all, elsewhere}
		for other := range strings.FieldsSeq(kinds) {
			if other != kind {
				apart = append(apart, fmt.Sprintf(`{"allow":[%s],%q:["**"]}`, own, other))
			}
		}
		sets = append(sets, apart)
	}
	if n.on == onBoth { // by two permissions
		sets = append(sets, []string{fmt.Sprintf(`{"allow":[%s],"streams":["**"]}`, own), fmt.Sprintf(`{"allow":[%s],"sinks":["**"]}`, own)})
	}
	return sets
}

func TestEveryRouteTakesExactlyItsPermission(t *testing.T) {
	t.Parallel()
	for _, route := range routes(t) {
		n, ok := needs[route]
		if !ok {
			t.Errorf("%s has no row: say what it takes", route)
			continue
		}
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(fill.Replace(route)+parameters[route], " ")
			ask := func(broker http.Broker, who *fakeAuth) answer {
				e := newEdgeWith(t, http.Options{Auth: who})
				if broker != nil {
					e.server = http.NewServer(http.Options{Broker: broker, Auth: who, Admin: &http.Admin{Metrics: nethttp.NotFoundHandler(), Level: &e.level}})
				}
				e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
					r := newFakeReader(reading(0, 1))
					if strings.Contains(path, "/sse") {
						r.ended = gone
					}
					return r, nil
				}
				e.broker.subscribe = func(context.Context, hub.BroadcastSpec) (hub.Subscription, error) {
					s := newFakeSubscription()
					s.ended = gone
					return s, nil
				}
				e.socket = func(w nethttp.ResponseWriter, _ *nethttp.Request, got *auth.Principal) error {
					if got != who.known["t"] {
						t.Errorf("the socket is given %v", got)
					}
					w.WriteHeader(nethttp.StatusNoContent)
					return nil
				}
				return e.call(method, path, n.body, "Authorization: Bearer t")
			}
			if n.on == forWhoever {
				if a := ask(nil, knowing("other", nil)); a.Code != nethttp.StatusOK {
					t.Errorf("nobody is answered %d %s", a.Code, a.Body)
				}
				return
			}
			ask(guarded{}, knowing("other", nil)).problem(hub.CodeUnauthenticated)
			for _, permission := range n.right() {
				if a := ask(nil, knowing("t", may(t, permission))); a.Code == 401 || a.Code == 403 || a.Code >= 500 {
					t.Errorf("with %s it is answered %d %s", permission, a.Code, a.Body)
				}
			}
			if n.on == forAnybody || n.on == bySocket {
				return
			}
			for _, permissions := range n.wrong() {
				if a := ask(guarded{}, knowing("t", may(t, permissions...))); a.Code != nethttp.StatusForbidden {
					t.Errorf("with %s it is answered %d %s", permissions, a.Code, a.Body)
				} else if p := a.problem(hub.CodeForbidden); n.on != onAll && !strings.Contains(p.Detail, "key:test") {
					t.Errorf("the detail does not say who: %s", p.Detail)
				}
			}
		})
	}
	for route := range needs {
		if !slices.Contains(routes(t), route) {
			t.Errorf("there is a row for %s, which is no route", route)
		}
	}
}
