package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/redistest"
)

// canaries are secrets that must not be told, by what they are.
type canaries map[string]string

// in looks for a secret, or a good part of one, in what was told.
func (c canaries) in(t *testing.T, where, text string) {
	t.Helper()
	for what, secret := range c {
		secret = strings.TrimSpace(secret)
		for _, part := range []string{secret, secret[:len(secret)/2], secret[len(secret)/2:]} {
			if at := strings.Index(text, part); at >= 0 {
				t.Errorf("%s tells the %s: …%s…", where, what, text[max(0, at-100):min(len(text), at+len(part)+100)])
				break
			}
		}
	}
}

// TestSecretsAreToldNowhere has a hub with secrets everywhere serve, refuse and fail,
// with all logs on, and looks for the secrets in all that it writes and answers.
func TestSecretsAreToldNowhere(t *testing.T) {
	t.Parallel()
	password := "canary-password-" + newKey()[4:20]
	redis := redistest.Start(t)
	if err := redis.Client(t).ConfigSet(t.Context(), "requirepass", password).Err(); err != nil {
		t.Fatal(err)
	}
	keys, tls := newKeyFile(t), pair(t)
	secretText := "canary-of-tokens-" + newKey()
	secretFile, passwordFile := newFile(t, []byte(secretText)), newFile(t, []byte(password))
	pem, err := os.ReadFile(tls.Key)
	if err != nil {
		t.Fatal(err)
	}
	signer := bySecret([]byte(secretText))
	good, bad := signer.token(t, claims("ann", time.Hour, bossGrant)), bySecret([]byte("another")).token(t, claims("eve", time.Hour, bossGrant))
	secrets := canaries{
		"Redis password": password, "secret of tokens": secretText, "API key": keys.text["boss"], "key that nobody has": newKey(),
		"token": good[strings.IndexByte(good, '.'):], "bad token": bad[strings.IndexByte(bad, '.'):], "TLS key": string(bytes.Split(pem, []byte("\n"))[1]),
		"key in place of its hash": newKey(), "token in a query": "canary-in-a-query-" + newKey(), "ticket of nobody": newKey()[4:],
	}
	settings := []string{
		"HUB_REDIS_URL=redis://" + redis.Addr(), "HUB_REDIS_PASSWORD_FILE=" + passwordFile, keys.setting(), "HUB_JWT_SECRET_FILE=" + secretFile,
		"HUB_JWT_ISSUER=" + testIssuer, "HUB_ACCESS_LOG=true", "HUB_LOG_LEVEL=debug",
	}
	plain := startProcess(t, settings...)
	secure := startProcess(t, append(settings, "HUB_TLS_CERT="+tls.Cert, "HUB_TLS_KEY="+tls.Key)...)
	eventually(t, func() string { return notYet(plain, keys.text["boss"]) })

	var answers strings.Builder
	hear := func(r response) { fmt.Fprintln(&answers, r.Status, r.Header, string(r.body)) }
	shown := []string{keys.text["boss"], good, bad, secrets["key that nobody has"]}
	for _, token := range shown {
		by := plain.by(token)
		for _, request := range []string{"GET /v1/streams", "GET /metrics", "GET /log-level", "GET /nothing", "GET /v1/sinks/billing", "PATCH /v1/streams/a", "GET /debug/pprof/goroutine?debug=1"} {
			method, path, _ := strings.Cut(request, " ")
			hear(by.call(method, path, ""))
		}
		hear(by.call("POST", "/v1/streams/orders/events", `{"data":1}`))
		hear(by.call("POST", "/v1/streams/orders/events", `{"data":`))
		hear(plain.call("GET", "/v1/streams?token="+secrets["token in a query"]+"&access_token="+token, ""))
		hear(plain.call("GET", "/v1/streams", "", "Authorization: Basic "+token))
		upgradeBy(t, plain, token, &answers)
	}
	ticket := plain.by(keys.text["boss"]).ticket("", "")
	secrets["ticket"] = ticket
	for _, show := range []string{ticket, ticket, secrets["ticket of nobody"]} {
		_, leave := plain.enter("/v1/broadcast/ws?channel=a&ticket="+show, "")
		leave()
		hear(plain.call("GET", "/v1/streams/orders/events?ticket="+show, ""))
	}
	s := plain.by(keys.text["boss"]).dial("/v1/readers/ws?stream=orders")
	for _, token := range append(shown[1:], keys.text["boss"]) {
		text, _ := json.Marshal(s.do(`{"type":"authenticate","token":%q}`, token))
		answers.Write(text)
	}
	s.do(`{"type":"publish","stream":"a~b","token":%q,"events":[]}`, secrets["key that nobody has"])

	// Files that go bad, among them by a key that somebody has put where its hash belongs.
	spoiled := strings.Replace(keysText(t, keys), keys.keys[0].Hash, secrets["key in place of its hash"], 1)
	before := strings.Count(plain.logs.String(), "\n")
	for path, text := range map[string]string{keys.path: spoiled, secretFile: "short"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() string {
		if strings.Count(plain.logs.String(), "\n") == before || !strings.Contains(plain.logs.String(), keys.path) {
			return "the bad file is not told of"
		}
		return ""
	})
	redis.Kill()
	for _, token := range shown {
		hear(plain.by(token).call("POST", "/v1/streams/orders/events", `{"data":1}`))
		hear(plain.by(token).call("GET", "/readyz", ""))
	}
	plain.signal(syscall.SIGQUIT) // as a panic would: all goroutines, with what they were called with
	plain.kill()
	_ = secure.stop()
	for name, text := range map[string]string{"an answer": answers.String(), "the log": plain.logs.String(), "the log of the other hub": secure.logs.String(), "the help": hubPrints(t, settings, "--help")} {
		if text == "" {
			t.Errorf("%s is empty", name)
		}
		secrets.in(t, name, text)
	}
	if !strings.Contains(plain.logs.String(), "/v1/streams/orders/events") && !strings.Contains(plain.logs.String(), "/v1/streams/{stream}/events") {
		t.Error("there is no access log to look at")
	}
	// A start that fails, by each of the files in turn, and by a secret in place of a path.
	for _, fault := range []string{
		"HUB_API_KEYS_FILE=" + keys.path, "HUB_JWT_SECRET_FILE=" + secretFile, "HUB_JWT_KEYS_FILE=" + tls.Key,
		"HUB_REDIS_URL=redis://user:" + password + "@/x", "HUB_TLS_KEY=" + string(pem),
	} {
		secrets.in(t, "a start with "+fault[:strings.IndexByte(fault, '=')], hubPrints(t, append(settings, fault)))
	}
}

// upgradeBy shows a token as a subprotocol, with and without the other one.
func upgradeBy(t *testing.T, h *testHub, token string, answers io.Writer) {
	t.Helper()
	for _, protocols := range [][]string{{"hub.v1", "hub.bearer." + token}, {"hub.bearer." + token}} {
		conn, answer, err := websocket.Dial(t.Context(), h.base+"/v1/readers/ws?stream=orders", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: client.Transport}, Subprotocols: protocols,
		})
		if answer == nil {
			t.Error(err)
			continue
		}
		body := []byte{}
		if err != nil {
			body, _ = io.ReadAll(answer.Body)
		} else {
			_ = conn.CloseNow()
		}
		_, _ = fmt.Fprintln(answers, answer.Status, answer.Header, string(body))
	}
}

func keysText(t *testing.T, keys *keyFile) string {
	t.Helper()
	text, err := os.ReadFile(keys.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hubPrints runs a hub that ends by itself, and returns all that it prints.
func hubPrints(t *testing.T, settings []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), asHub+"=1"), environment(settings)...)
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("hub %q did not end by itself: %v", args, err)
	}
	return string(text)
}
