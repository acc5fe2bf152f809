package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// everywhere is a client of each kind with the same token.
func everywhere(h *testHub, token string) (sockets map[string]*socket, feeds map[string]*feed) {
	h.t.Helper()
	h = h.by(token)
	sockets = map[string]*socket{
		"sink":     h.dial("/v1/sinks/billing/ws?stream=orders"),
		"reader":   h.dial("/v1/readers/ws?stream=orders"),
		"listener": h.dial("/v1/broadcast/ws?channel=room"),
	}
	feeds = map[string]*feed{
		"reader":   h.sse("/v1/readers/sse?stream=orders"),
		"listener": h.sse("/v1/broadcast/sse?channel=room"),
	}
	return sockets, feeds
}

// ending waits for the end of an event stream, and returns the code of its error.
func (f *feed) ending() (code string) {
	f.t.Helper()
	for _, m := range f.over() {
		if m.kind() == "hub.error" {
			var told struct{ Code string }
			if err := json.Unmarshal([]byte(m.data), &told); err != nil {
				f.t.Errorf("%v: %s", err, m.data)
			}
			code = told.Code
		}
	}
	return code
}

// quick is how soon who may do nothing more is let go: the hub promises 60 s.
const quick = 10 * time.Second

func TestARevokedKeysConnectionsAreClosedSoon(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	key := keys.add("leaver", bossGrant)
	eventually(t, func() string { return notYet(one, key) + notYet(two, key) })
	sockets, feeds := everywhere(one, key)
	others, _ := everywhere(two, keys.text["boss"])
	began := time.Now()
	keys.remove("leaver")
	for name, s := range sockets {
		if f := s.next("error"); f.Code != "unauthenticated" {
			t.Errorf("the %s was told %+v", name, f)
		}
		if code := s.closed(); code != 4401 {
			t.Errorf("the %s's socket was closed with %d, want 4401", name, code)
		}
	}
	for name, f := range feeds {
		if code := f.ending(); code != "unauthenticated" {
			t.Errorf("the %s's event stream ended with %q", name, code)
		}
	}
	took := time.Since(began)
	if t.Logf("all were closed after %s", took.Round(time.Millisecond)); took > quick {
		t.Errorf("it took %s, want %s at most", took, quick)
	}
	eventually(t, func() string {
		for _, h := range []*testHub{one, two} {
			if answer := h.by(key).call("GET", "/v1/streams", ""); answer.StatusCode != http.StatusUnauthorized {
				return answer.Status
			}
		}
		return ""
	})
	for _, s := range others {
		s.ok(`{"type":"publish","stream":"orders","events":[{"data":1}]}`)
	}
}

func TestConnectionsComeAgainWhenPermissionsHaveChanged(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	key := keys.add("mover", bossGrant)
	eventually(t, func() string { return notYet(one, key) + notYet(two, key) })
	sockets, feeds := everywhere(one, key)
	keys.add("mover", `[{"allow":["read"],"streams":["orders"]}]`)
	for name, s := range sockets {
		if code := s.closed(); code != websocket.StatusServiceRestart {
			t.Errorf("the %s's socket was closed with %d, want 1012", name, code)
		}
	}
	for name, f := range feeds {
		if code := f.ending(); code != "unavailable" {
			t.Errorf("the %s's event stream ended with %q", name, code)
		}
	}
	one.by(key).dial("/v1/readers/ws?stream=orders")
	if answer := one.by(key).call("GET", "/v1/readers/sse?stream=payments", ""); answer.StatusCode != http.StatusForbidden {
		t.Errorf("what it may not do any more: %d %s", answer.StatusCode, answer.body)
	}
}

// tokens is a hub that believes a shared secret, and who signs with it.
func tokens(t *testing.T, settings ...string) (*testHub, *signer) {
	t.Helper()
	secret := []byte(strings.Repeat("s3cret", 8))
	settings = append(settings, "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_JWT_ISSUER="+testIssuer, "HUB_JWT_SECRET_FILE="+newFile(t, secret))
	return startHub(t, settings...), bySecret(secret)
}

func TestConnectionsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	h, signer := tokens(t)
	ends := time.Now().Add(4 * time.Second).Truncate(time.Second)
	token := signer.token(t, with(claims("ann", 0, bossGrant), "exp", ends.Unix()))
	sockets, feeds := everywhere(h, token)
	at := ends.UTC().Format("2006-01-02T15:04:05.000Z")
	for name, s := range sockets {
		if f := s.next("expiring"); f.At != at {
			t.Errorf("the %s was told that it expires at %q, want %q", name, f.At, at)
		}
	}
	if left := time.Until(ends); left < 0 {
		t.Fatal("this machine is too slow for a token of 3 s")
	}
	for name, s := range sockets {
		if f := s.next("error"); f.Code != "unauthenticated" {
			t.Errorf("the %s was told %+v", name, f)
		}
		if code := s.closed(); code != 4401 {
			t.Errorf("the %s's socket was closed with %d, want 4401", name, code)
		}
		if late := time.Since(ends); late < 0 || late > leeway+time.Second {
			t.Errorf("the %s's socket was closed %s after its token's end", name, late)
		}
	}
	for name, f := range feeds {
		list := f.over()
		kinds := ""
		for _, m := range list {
			if !m.comment && m.kind() != "place" {
				kinds += m.kind() + " "
			}
		}
		if kinds != "hub.expiring hub.error " {
			t.Errorf("the %s's event stream was told %q", name, kinds)
		}
	}
}

func TestAuthenticateRenewsASocketInPlace(t *testing.T) {
	t.Parallel()
	h, signer := tokens(t)
	const grant = `[{"allow":["read","publish"],"streams":["orders","payments"]}]`
	ends := time.Now().Add(5 * time.Second).Truncate(time.Second)
	s := h.by(signer.token(t, with(claims("ann", 0, grant), "exp", ends.Unix()))).dial("/v1/readers/ws?stream=orders")
	renew := func(token string) frame {
		t.Helper()
		return s.do(`{"type":"authenticate","token":%q}`, token)
	}
	for name, refusal := range map[string]struct{ token, code string }{
		"somebody else's":       {signer.token(t, claims("eve", time.Hour, grant)), "forbidden"},
		"one that allows less":  {signer.token(t, claims("ann", time.Hour, `[{"allow":["read"],"streams":["payments"]}]`)), "forbidden"},
		"one of other topics":   {signer.token(t, claims("ann", time.Hour, `[{"allow":["read"],"streams":["orders"],"topics":["eu.**"]}]`)), "forbidden"},
		"one that has expired":  {signer.token(t, claims("ann", -time.Hour, grant)), "unauthenticated"},
		"one that is not known": {newKey(), "unauthenticated"},
		"none":                  {"x", "unauthenticated"},
	} {
		if f := renew(refusal.token); f.Type != "error" || f.Code != refusal.code {
			t.Errorf("%s is answered %+v, want the error %s", name, f, refusal.code)
		}
	}
	later := ends.Add(time.Hour)
	f := renew(signer.token(t, with(claims("ann", 0, `[{"allow":["read"],"streams":["orders"]}]`), "exp", later.Unix())))
	if want := later.UTC().Format("2006-01-02T15:04:05.000Z"); f.Type != "ok" || f.ExpiresAt != want {
		t.Fatalf("another token is answered %+v, want ok until %s", f, want)
	}
	// From now on it may do what the new token allows, and what was there goes on.
	if f := s.do(`{"type":"publish","stream":"orders","events":[{"data":1}]}`); f.Code != "forbidden" {
		t.Errorf("what only the first token allowed is answered %+v", f)
	}
	eventually(t, func() string {
		if left := time.Until(ends.Add(1500 * time.Millisecond)); left > 0 {
			return "the first token ends in " + left.String()
		}
		return ""
	})
	id := h.by(signer.token(t, claims("bob", time.Hour, bossGrant))).publish("orders", `{"data":2}`)
	s.until(id)
}

// A wait may be longer than the key lives. What is published after that is not told, and
// what was pulled comes back for others.
func TestWaitsOfARevokedKeyAreAnsweredNothing(t *testing.T) {
	t.Parallel()
	keys, h, _ := guarded(t)
	key := keys.add("gone", `[{"allow":["read","consume"],"streams":["orders"],"sinks":["billing"]}]`)
	eventually(t, func() string { return notYet(h, key) })
	boss, gone := h.by(keys.text["boss"]), h.by(key)
	boss.publish("orders", `{"data":1}`)
	boss.put("billing", `{"streams":["orders"]}`)
	answers := make(chan response, 2)
	go func() { answers <- gone.call("GET", "/v1/streams/orders/events?from=latest&wait=18s", "") }()
	go func() { answers <- gone.call("POST", "/v1/sinks/billing/pull", `{"max":1,"wait":"18s"}`) }()
	eventually(t, func() string {
		if text := string(boss.call("GET", "/v1/sinks/billing", "").body); !strings.Contains(text, `"transport":"http"`) {
			return "nobody pulls: " + text
		}
		return ""
	})
	keys.remove("gone")
	eventually(t, func() string {
		if status := gone.call("GET", "/v1/streams", "").StatusCode; status != http.StatusUnauthorized {
			return fmt.Sprint("the key is answered ", status)
		}
		return ""
	})
	id := boss.publish("orders", `{"data":2}`)
	for range 2 {
		if answer := <-answers; answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("a wait is answered %d %s", answer.StatusCode, answer.body)
		}
	}
	if events := boss.pull("billing", "", `{"wait":"5s"}`); len(events) != 1 || events[0].ID != id || events[0].Attempt != 1 {
		t.Errorf("others pull %+v, want the event as if nobody had", events)
	}
}
