package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// contractGuarded is a hub that goes by a file of keys.
func contractGuarded(t *testing.T) (*keyFile, *testHub) {
	t.Helper()
	keys := newKeyFile(t)
	return keys, contractHub(t, keys.setting())
}

// contractAdministration are the operations that need no Redis.
var contractAdministration = []contractCase{
	{name: "metrics", request: "GET /metrics"},
	{name: "readLogLevel", request: "GET /log-level"},
	{name: "putLogLevel", request: "PUT /log-level", body: `{"level":"debug"}`},
}

// nobody asks for everything without a token, and with one that nobody has.
func (c *contract) nobody(t *testing.T) {
	_, h := contractGuarded(t)
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			path := strings.NewReplacer("{", "", "}", "").Replace(path)
			open := operation.Security != nil && len(*operation.Security) == 0
			for _, header := range [][]string{nil, {"Authorization: Bearer " + newKey()}, {"Authorization: Bearer a.b.c"}} {
				answer := h.call(method, path, "", header...)
				if (answer.StatusCode == http.StatusUnauthorized) == open {
					t.Errorf("%s %s with %q: %d %s", method, path, header, answer.StatusCode, answer.body)
				}
				c.check(t, beyond, answer)
				if shown := strings.Contains(answer.Header.Get("WWW-Authenticate"), `error="invalid_token"`); !open && shown != (header != nil) {
					t.Errorf("%s %s with %q is challenged by %q", method, path, header, answer.Header.Get("WWW-Authenticate"))
				}
			}
		}
	}
	if answer := h.call("GET", "/v1/nothing", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("what is not there: %d %s", answer.StatusCode, answer.body)
	}
}

// forbidden asks for everything as somebody who may do nothing.
func (c *contract) forbidden(t *testing.T) {
	keys, h := contractGuarded(t)
	key := keys.add("powerless", `[{"allow":["publish"],"streams":["elsewhere"]}]`)
	eventually(t, func() string { return notYet(h, key) })
	cases := append(contractEverything(403, map[string]int{
		"listStreams": 200, "listSinks": 200, "listChannels": 200, "createTicket": 201, "readyz": 200,
	}, [2]string{"1-0", "1-0"}, "1-0"), contractWanting(contractAdministration, 403, nil)...)
	c.run(t, h.by(key), cases)
}

// limited asks for everything more often than the key may.
func (c *contract) limited(t *testing.T) {
	keys, h := contractGuarded(t)
	key := keys.limited("hasty", bossGrant, `{"requests_per_second":0.001}`)
	eventually(t, func() string {
		if answer := h.by(key).call("GET", "/v1/streams", ""); answer.StatusCode != http.StatusTooManyRequests {
			return answer.Status
		}
		return ""
	})
	cases := append(contractEverything(429, map[string]int{"readyz": 200}, [2]string{"1-0", "1-0"}, "1-0"), contractWanting(contractAdministration, 429, nil)...)
	c.run(t, h.by(key), cases)
}

// encoded sends bodies that would have to be decompressed.
func (c *contract) encoded(t *testing.T) {
	h := contractHub(t)
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil || operation.OperationID == "putLogLevel" {
				continue
			}
			answer := h.call(method, strings.NewReplacer("{", "", "}", "").Replace(path), `{"data":1}`, "Content-Encoding: gzip")
			if answer.StatusCode != http.StatusUnsupportedMediaType || answer.Header.Get("Accept-Encoding") != "identity" {
				t.Fatalf("%s %s: %d %v %s", method, path, answer.StatusCode, answer.Header, answer.body)
			}
			c.check(t, beyond, answer)
		}
	}
}

func (c *contract) tickets(t *testing.T) {
	const tickets = "POST /v1/tickets"
	h := contractHub(t, contractLimits...)
	form, text := []string{"Content-Type: application/x-www-form-urlencoded"}, []string{"Content-Type: text/plain"}
	c.run(t, h, []contractCase{
		{name: "without a body", request: tickets, status: 201},
		{name: "with a ttl", request: tickets, body: `{"ttl":"1s"}`, status: 201},
		{name: "the longest", request: tickets, body: `{"ttl":"5m"}`, status: 201},
		{name: "an empty object", request: tickets, body: `{}`, status: 201},
		{name: "as curl -d sends it", request: tickets, body: `{"ttl":"30s"}`, header: form, status: 201},
		{name: "too short", request: tickets, body: `{"ttl":"999ms"}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/ttl"},
		{name: "too long", request: tickets, body: `{"ttl":"301s"}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/ttl"},
		{name: "no duration", request: tickets, body: `{"ttl":30}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/ttl"},
		{name: "an unknown field", request: tickets, body: `{"for":"me"}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/for"},
		{name: "an unknown parameter", request: tickets + "?ttl=30s", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?ttl"},
		{name: "no JSON", request: tickets, body: `{`, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "as text", request: tickets, body: `{}`, header: text, fit: breaks, code: hub.CodeUnsupportedMedia},
		{name: "too many bytes", request: tickets, body: `{}` + strings.Repeat(" ", 1000), fit: beyond, code: hub.CodePayloadTooLarge},
		{name: "a ticket where none is", request: "GET /v1/streams?ticket=x", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?ticket"},
	})
}

func (c *contract) logLevel(t *testing.T) {
	const level = "PUT /log-level"
	c.run(t, contractHub(t), []contractCase{
		{name: "the level", request: "GET /log-level", status: 200},
		{name: "another", request: level, body: `{"level":"debug"}`, status: 200},
		{name: "none", request: level, body: `{}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "*"},
		{name: "no level", request: level, body: `{"level":"loud"}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "*"},
		{name: "too many bytes", request: level, body: `{"level":"debug"}` + strings.Repeat(" ", 1<<10), fit: beyond, code: hub.CodeInvalidRequest},
	})
	c.run(t, contractHub(t, "HUB_ADMIN_ADDR=127.0.0.1:0"), []contractCase{
		{name: "read elsewhere", request: "GET /log-level", code: hub.CodeNotFound},
		{name: "set elsewhere", request: level, body: `{"level":"debug"}`, code: hub.CodeNotFound},
	})
}

// notYet says why a key does not work; "": it does.
func notYet(h *testHub, key string) string {
	if answer := h.by(key).call("GET", "/v1/streams", ""); answer.StatusCode != http.StatusOK {
		return answer.Status
	}
	return ""
}

// authentication has the frames of a socket's token told and sent: by sockets of other
// hubs, whose frames are those of this one.
func (s *contractSocket) authentication(path string) {
	s.t.Helper()
	h, signer := tokens(s.t)
	soon := with(claims("ann", 0, bossGrant), "exp", time.Now().Add(20*time.Second).Unix())
	c := newContract(s.t)
	token := &contractSocket{s.t, c.connect(s.t, h.by(signer.token(s.t, soon)), path), s.frames}
	token.next("ready")
	token.next("expiring")
	token.send(`{"type":"authenticate","token":%q,"ref":1}`, signer.token(s.t, claims("ann", time.Hour, bossGrant)))
	token.next("authenticated")
	token.send(`{"type":"authenticate","token":%q}`, newKey())
	token.next("error")
	token.refused(`{"type":"authenticate"}`, `{"type":"authenticate","token":1}`, `{"type":"authenticate","token":"","ref":2}`, `{"type":"authenticate","token":"x","for":"me"}`)

	keys, guarded := contractGuarded(s.t)
	key := &contractSocket{s.t, c.connect(s.t, guarded.by(keys.text["boss"]), path), s.frames}
	key.next("ready")
	key.send(`{"type":"authenticate","token":%q,"ref":"key"}`, keys.text["boss"])
	key.next("done")
	for _, conn := range []*contractSocket{token, key} {
		_ = conn.conn.CloseNow() // nobody would read of the drain
	}
}
