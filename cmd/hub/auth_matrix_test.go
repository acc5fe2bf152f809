package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// matrixRow is something that a client may ask for, and what it needs.
type matrixRow struct {
	request string   // "POST /v1/streams/orders/events"
	body    string   // of the request
	command string   // of a socket that request opens
	base    string   // the permission that such a socket is opened with
	verbs   string   // any of them; "": none is needed
	on      []string // "stream:orders", all of them by the same permission
	want    []int    // the statuses when allowed; of a command: any answer but forbidden
}

const (
	onOrders, onBilling, onRoom = "stream:orders", "sink:billing", "channel:room"

	ordersPath, billingPath = "/v1/streams/orders", "/v1/sinks/billing"
	orderIDs                = `{"stream":"orders","ids":["1-0"]}`
)

// matrixRequests are the requests, each of which may be repeated with the same answers.
var matrixRequests = []matrixRow{
	{request: "POST " + ordersPath + "/events", body: `{"data":1}`, verbs: "publish", on: []string{onOrders}, want: []int{201}},
	{request: "POST " + ordersPath + "/raw", body: `1`, verbs: "publish", on: []string{onOrders}, want: []int{201}},
	{request: "POST /v1/events", body: `[{"stream":"orders","data":1}]`, verbs: "publish", on: []string{onOrders}, want: []int{201}},
	{request: "POST /v1/broadcast/room", body: `{"data":1}`, verbs: "publish", on: []string{onRoom}, want: []int{202}},

	{request: "GET " + ordersPath + "/events", verbs: "read", on: []string{onOrders}, want: []int{200}},
	{request: "GET " + ordersPath + "/events/1-0", verbs: "read", on: []string{onOrders}, want: []int{404}},
	{request: "GET /v1/readers/sse?stream=orders", verbs: "read", on: []string{onOrders}, want: []int{200}},
	{request: "GET /v1/readers/ws?stream=orders", verbs: "read", on: []string{onOrders}, want: []int{101}},
	{request: "GET " + ordersPath, verbs: "read manage", on: []string{onOrders}, want: []int{200}},
	{request: "PUT " + ordersPath, body: `{}`, verbs: "manage", on: []string{onOrders}, want: []int{200}},
	{request: "POST " + ordersPath + "/prune", verbs: "manage", on: []string{onOrders}, want: []int{200}},
	{request: "DELETE " + ordersPath + "/events/1-0", verbs: "manage", on: []string{onOrders}, want: []int{204}},

	{request: "GET " + billingPath + "/ws?stream=orders", verbs: "consume", on: []string{onBilling, onOrders}, want: []int{101}},
	{request: "POST " + billingPath + "/pull?stream=orders", verbs: "consume", on: []string{onBilling, onOrders}, want: []int{200}},
	{request: "POST " + billingPath + "/pull", verbs: "consume", on: []string{onBilling, onOrders}, want: []int{200}},
	{request: "POST " + billingPath + "/acks", body: orderIDs, verbs: "consume", on: []string{onBilling, onOrders}, want: []int{200}},
	{request: "POST " + billingPath + "/nacks", body: orderIDs, verbs: "consume", on: []string{onBilling, onOrders}, want: []int{200}},
	{request: "POST " + billingPath + "/extend", body: orderIDs, verbs: "consume", on: []string{onBilling, onOrders}, want: []int{200}},
	{request: "GET " + billingPath, verbs: "consume manage", on: []string{onBilling}, want: []int{200}},
	{request: "GET " + billingPath + "/pending", verbs: "consume manage", on: []string{onBilling}, want: []int{200}},
	{request: "GET " + billingPath + "/dead-letters", verbs: "consume manage", on: []string{onBilling}, want: []int{200}},
	{request: "PUT " + billingPath, body: `{"streams":["orders"]}`, verbs: "manage", on: []string{onBilling, onOrders}, want: []int{200}},
	{request: "POST " + billingPath + "/seek", body: `{"stream":"orders","to":"latest"}`, verbs: "manage", on: []string{onBilling, onOrders}, want: []int{200}},
	{request: "POST " + billingPath + "/dead-letters/redrive", body: `{"ids":["1-0"]}`, verbs: "manage", on: []string{onBilling}, want: []int{200}},
	{request: "DELETE " + billingPath + "/dead-letters", verbs: "manage", on: []string{onBilling}, want: []int{204}},

	{request: "GET /v1/broadcast/ws?channel=room", verbs: "subscribe", on: []string{onRoom}, want: []int{101}},
	{request: "GET /v1/broadcast/sse?channel=room", verbs: "subscribe", on: []string{onRoom}, want: []int{200}},
	{request: "GET /v1/channels/room", verbs: "subscribe manage", on: []string{onRoom}, want: []int{200}},

	{request: "GET /v1/streams", want: []int{200}},
	{request: "GET /v1/sinks", want: []int{200}},
	{request: "GET /v1/channels", want: []int{200}},
	{request: "POST /v1/tickets", want: []int{201}},
}

// matrixRemovals are those after which the rest would be answered otherwise.
var matrixRemovals = []matrixRow{
	{request: "DELETE " + billingPath, verbs: "manage", on: []string{onBilling}, want: []int{204}},
	{request: "DELETE " + ordersPath, verbs: "manage", on: []string{onOrders}, want: []int{204}},
}

// Sockets of their own streams and channels, which the commands are given to.
const (
	readerSocket, readerBase = "GET /v1/readers/ws?stream=base", `{"allow":["read"],"streams":["base"]}`
	sinkSocket, sinkBase     = "GET " + billingPath + "/ws?stream=base", `{"allow":["consume"],"sinks":["billing"],"streams":["base"]}`
	roomSocket, roomBase     = "GET /v1/broadcast/ws?channel=base", `{"allow":["subscribe"],"channels":["base"]}`
	publishOrders            = `{"type":"publish","stream":"orders","events":[{"data":1}]}`
	publishRoom              = `{"type":"publish","channel":"room","events":[{"data":1}]}`
)

var matrixCommands = []matrixRow{
	{request: readerSocket, base: readerBase, command: publishOrders, verbs: "publish", on: []string{onOrders}},
	{request: sinkSocket, base: sinkBase, command: publishOrders, verbs: "publish", on: []string{onOrders}},
	{request: roomSocket, base: roomBase, command: publishOrders, verbs: "publish", on: []string{onOrders}},
	{request: readerSocket, base: readerBase, command: publishRoom, verbs: "publish", on: []string{onRoom}},
	{request: sinkSocket, base: sinkBase, command: publishRoom, verbs: "publish", on: []string{onRoom}},
	{request: roomSocket, base: roomBase, command: publishRoom, verbs: "publish", on: []string{onRoom}},
	{request: readerSocket, base: readerBase, command: `{"type":"add_stream","stream":"orders"}`, verbs: "read", on: []string{onOrders}},
	{request: readerSocket, base: readerBase, command: `{"type":"remove_stream","stream":"orders"}`},
	{request: readerSocket, base: readerBase, command: `{"type":"pause"}`},
	{request: readerSocket, base: readerBase, command: `{"type":"resume"}`},
	{request: sinkSocket, base: sinkBase, command: `{"type":"add_stream","stream":"orders"}`, verbs: "consume", on: []string{onBilling, onOrders}},
	{request: sinkSocket, base: sinkBase, command: `{"type":"remove_stream","stream":"orders"}`},
	{request: sinkSocket, base: sinkBase, command: `{"type":"ack","stream":"orders","ids":["1-0"]}`, verbs: "consume", on: []string{onBilling, onOrders}},
	{request: sinkSocket, base: sinkBase, command: `{"type":"ack","stream":"orders","up_to":"1-0"}`, verbs: "consume", on: []string{onBilling, onOrders}},
	{request: sinkSocket, base: sinkBase, command: `{"type":"nack","stream":"orders","ids":["1-0"]}`, verbs: "consume", on: []string{onBilling, onOrders}},
	{request: sinkSocket, base: sinkBase, command: `{"type":"extend","stream":"orders","ids":["1-0"]}`, verbs: "consume", on: []string{onBilling, onOrders}},
	{request: sinkSocket, base: sinkBase, command: `{"type":"ack","stream":"base","ids":["1-0"]}`},
	{request: sinkSocket, base: sinkBase, command: `{"type":"pause"}`},
	{request: sinkSocket, base: sinkBase, command: `{"type":"resume"}`},
	{request: roomSocket, base: roomBase, command: `{"type":"subscribe","channels":["room"]}`, verbs: "subscribe", on: []string{onRoom}},
	{request: roomSocket, base: roomBase, command: `{"type":"subscribe","channels":["base","room"]}`, verbs: "subscribe", on: []string{onRoom}},
	{request: roomSocket, base: roomBase, command: `{"type":"unsubscribe","channels":["room"]}`},
}

// matrixAdministration is on the same listener, as HUB_ADMIN_ADDR is not set.
var matrixAdministration = []matrixRow{
	{request: "GET /metrics", verbs: "manage", on: []string{"stream:**", "sink:**", "channel:**"}, want: []int{200}},
	{request: "GET /log-level", verbs: "manage", on: []string{"stream:**", "sink:**", "channel:**"}, want: []int{200}},
	{request: "PUT /log-level", body: `{"level":"debug"}`, verbs: "manage", on: []string{"stream:**", "sink:**", "channel:**"}, want: []int{200}},
	{request: "GET /debug/pprof/cmdline", verbs: "manage", on: []string{"stream:**", "sink:**", "channel:**"}, want: []int{200}},
}

var matrixVerbs = []string{"publish", "read", "consume", "subscribe", "manage"}

// TestPermissionMatrix asks for everything as everybody, on two hubs in turn: a
// principal may do what exactly one permission of its own names, and nothing else.
func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	rows := slices.Concat(matrixRequests, matrixCommands, matrixAdministration, matrixRemovals)
	for i := range rows {
		for _, p := range rows[i].principals() {
			keys.set(p.id(), p.permissions, "")
		}
	}
	keys.write()
	eventually(t, func() string {
		for _, h := range []*testHub{one, two} {
			for _, key := range keys.text {
				if answer := h.by(key).call("GET", "/v1/streams", ""); answer.StatusCode != http.StatusOK {
					return fmt.Sprintf("a key is answered %d %s", answer.StatusCode, answer.body)
				}
			}
		}
		return ""
	})
	boss := one.by(keys.text["boss"])
	boss.publish("orders", `{"data":1}`)
	boss.put("billing", `{"streams":["orders","base"]}`)
	boss.put("billing", `{"streams":["orders"]}`)
	asked := 0
	for i, row := range rows {
		hubs := []*testHub{one, two}
		if !row.judge(t, hubs[i%2], "", refusedToNobody) {
			t.Errorf("%s: nobody may do it", row)
		}
		for j, p := range row.principals() {
			asked++
			want := refused
			if p.may {
				want = allowed
			}
			if !row.judge(t, hubs[(i+j)%2], keys.text[p.id()], want) {
				t.Errorf("%s: as %s, whose permissions are %s, want it %s", row, p.name, p.permissions, want)
			}
		}
	}
	t.Logf("%d rows, %d times with a key", len(rows), asked)
}

func (r matrixRow) String() string { return r.request + " " + r.command }

// matrixPrincipal is somebody who asks for a row.
type matrixPrincipal struct {
	name, permissions string
	may               bool
}

// id is the same for who has the same permissions.
func (p matrixPrincipal) id() string { return fmt.Sprintf("k%x", hashOf(p.permissions)) }

// principals are who may do it, and who may nearly.
func (r matrixRow) principals() []matrixPrincipal {
	verbs := strings.Fields(r.verbs)
	none := len(verbs) == 0
	list := []matrixPrincipal{
		{"one without permissions", r.grant(), none},
		{"manager of all", r.grant(permission([]string{"manage"}, "stream:**", "sink:**", "channel:**")), none || slices.Contains(verbs, "manage")},
	}
	var others []string
	for _, verb := range matrixVerbs {
		if !slices.Contains(verbs, verb) {
			others = append(others, verb)
		}
	}
	for _, verb := range verbs {
		list = append(list, matrixPrincipal{"who may " + verb + " exactly that", r.grant(permission([]string{verb}, r.on...)), true})
		for _, wild := range []func(string) string{
			func(name string) string { return name[:2] + "*" },
			func(name string) string { return "re:" + name[:1] + "[a-z]+" },
			func(string) string { return "**" },
		} {
			if on := r.each(wild); !strings.Contains(strings.Join(r.on, " "), "**") {
				list = append(list, matrixPrincipal{"who may " + verb + " what is named by a pattern", r.grant(permission([]string{verb}, on...)), true})
			}
		}
		for i := range r.on {
			list = append(list, r.almost(verb, i)...)
		}
	}
	if !none {
		list = append(list, matrixPrincipal{"who may do all else with exactly that", r.grant(permission(others, r.on...)), false})
	}
	return list
}

// almost are those to whom the permission for one of several things is missing.
func (r matrixRow) almost(verb string, missing int) []matrixPrincipal {
	kind, name, _ := strings.Cut(r.on[missing], ":")
	other := slices.Clone(r.on)
	other[missing] = kind + ":other" + name[:1]
	list := []matrixPrincipal{{"who may " + verb + " another " + kind, r.grant(permission([]string{verb}, other...)), false}}
	if len(r.on) > 1 {
		rest := slices.Delete(slices.Clone(r.on), missing, missing+1)
		list = append(list,
			matrixPrincipal{"who may " + verb + " without a " + kind, r.grant(permission([]string{verb}, rest...)), false},
			matrixPrincipal{"who has two permissions for it", r.grant(permission([]string{verb}, rest...), permission([]string{verb}, r.on[missing])), false})
	}
	return list
}

// each is on with other names.
func (r matrixRow) each(change func(string) string) []string {
	var list []string
	for _, on := range r.on {
		kind, name, _ := strings.Cut(on, ":")
		list = append(list, kind+":"+change(name))
	}
	return list
}

// grant is the list of these permissions, and of the one that the row's socket needs.
func (r matrixRow) grant(permissions ...string) string {
	if r.base != "" {
		permissions = append(permissions, r.base)
	}
	return "[" + strings.Join(permissions, ",") + "]"
}

// permission allows the verbs on these, "stream:orders".
func permission(verbs []string, on ...string) string {
	p := map[string][]string{"allow": verbs}
	for _, one := range on {
		kind, name, _ := strings.Cut(one, ":")
		p[kind+"s"] = append(p[kind+"s"], name)
	}
	text, _ := json.Marshal(p)
	return string(text)
}

// verdict is what becomes of a row.
type verdict string

const (
	allowed         verdict = "allowed"
	refused         verdict = "forbidden"
	refusedToNobody verdict = "unauthenticated"
)

// judge asks for the row, and says whether it was answered so.
func (r matrixRow) judge(t *testing.T, h *testHub, token string, want verdict) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	statuses := map[verdict][]int{allowed: r.want, refused: {http.StatusForbidden}, refusedToNobody: {http.StatusUnauthorized}}[want]
	if r.command != "" && token != "" {
		statuses = []int{http.StatusSwitchingProtocols}
	}
	method, path, _ := strings.Cut(r.request, " ")
	if strings.Contains(path, "/ws?") {
		conn, answer, err := websocket.Dial(ctx, h.base+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: h.by(token).via}})
		switch {
		case answer == nil:
			t.Errorf("%s: %v", r, err)
			return false
		case err == nil:
			defer func() { _ = conn.CloseNow() }()
		}
		if !slices.Contains(statuses, answer.StatusCode) {
			t.Errorf("%s: %d", r, answer.StatusCode)
			return false
		}
		return err != nil || r.command == "" || r.commanded(ctx, t, conn, want)
	}
	request, err := http.NewRequestWithContext(ctx, method, h.base+path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := h.by(token).via.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if slices.Contains(statuses, answer.StatusCode) {
		return true
	}
	text := []byte("an event stream, which goes on")
	if answer.Header.Get("Content-Type") != "text/event-stream" {
		text, _ = io.ReadAll(io.LimitReader(answer.Body, 500))
	}
	t.Errorf("%s: %d %s", r, answer.StatusCode, text)
	return false
}

// commanded gives the command, which never ends the socket.
func (r matrixRow) commanded(ctx context.Context, t *testing.T, conn *websocket.Conn, want verdict) bool {
	t.Helper()
	if err := conn.Write(ctx, websocket.MessageText, []byte(strings.TrimSuffix(r.command, "}")+`,"ref":1}`)); err != nil {
		t.Errorf("%s: %v", r, err)
		return false
	}
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			t.Errorf("%s: the socket ended: %v", r, err)
			return false
		}
		var f frame
		if err := json.Unmarshal(text, &f); err != nil || f.Ref == nil {
			continue
		}
		if forbidden := f.Code == "forbidden"; forbidden != (want == refused) {
			t.Errorf("%s: %s", r, text)
			return false
		}
		return true
	}
}
