package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

func TestTicketsAreOfTheSamePrincipalOnEveryHub(t *testing.T) {
	t.Parallel()
	key, _ := auth.NewKey()
	opts := auth.Options{KeysFile: file(t, keysOf(entryOf("shop", key, "orders"))), SecretFile: file(t, secret), PublicKeysFile: file(t, publicPEM(rsaKey()))}
	here, there := open(t, opts), open(t, opts)
	for _, token := range []string{key, signed(nil), sign(jwa.RS256(), rsaKey(), "", claims(nil)), signed(map[string]any{"hub": nil})} {
		p := here.takes(token)
		text, err := here.Seal(p)
		if err != nil || strings.Contains(string(text), token) || strings.Contains(string(text), secret) {
			t.Fatalf("sealed %s, %v", text, err)
		}
		q, err := there.Open(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		may := p.May(auth.Publish, auth.Stream, "orders") == nil
		if q.ID() != p.ID() || !q.Expires().Equal(p.Expires()) || (q.May(auth.Publish, auth.Stream, "orders") == nil) != may || q.May(auth.Publish, auth.Stream, "payments") == nil {
			t.Errorf("%s is opened as %s until %s", text, q.ID(), q.Expires())
		}
	}
	other := open(t, auth.Options{SecretFile: file(t, strings.Repeat("x", 32))})
	for _, token := range []string{key, signed(nil)} {
		text := must(here.Seal(here.takes(token)))
		if _, err := other.Open(text); hub.AsError(err).Code != hub.CodeUnauthenticated {
			t.Errorf("it is opened where its key is not known: %v", err)
		}
	}
	for _, text := range []string{"", "{}", "null", `{"id":"jwt:ann","by":"00","expires":9999999999}`, `{"id":"key:shop","by":"00"}`, `{"id":"anonymous"}`} {
		if p, err := here.Open([]byte(text)); hub.AsError(err).Code != hub.CodeUnauthenticated {
			t.Errorf("%s is opened as %s, %v", text, p.ID(), err)
		}
	}
	if _, err := here.Seal(nil); hub.AsError(err).Code != hub.CodeUnauthenticated {
		t.Errorf("nobody is sealed: %v", err)
	}
}

func TestTicketsEndWithWhatTheyWereMadeBy(t *testing.T) {
	t.Parallel()
	key, _ := auth.NewKey()
	path := file(t, keysOf(entryOf("shop", key, "orders")))
	bubble(t, auth.Options{KeysFile: path, SecretFile: file(t, secret)}, func(t *testing.T, r *rig) {
		ofKey := must(r.Seal(r.takes(key)))
		ofToken := must(r.Seal(r.takes(signed(map[string]any{"exp": time.Now().Add(time.Minute).Unix()}))))
		write(t, path, keysOf(entryOf("shop", key, "payments")))
		time.Sleep(5 * time.Second)
		if p, err := r.Open(ofKey); err != nil || p.May(auth.Publish, auth.Stream, "payments") != nil {
			t.Errorf("permissions have changed: %v", err)
		}
		write(t, path, "keys: []")
		time.Sleep(56 * time.Second)
		for _, text := range [][]byte{ofKey, ofToken} { // a token's leeway is not for what lasts
			if _, err := r.Open(text); hub.AsError(err).Code != hub.CodeUnauthenticated {
				t.Errorf("%s is opened: %v", text, err)
			}
		}
	})
}

func TestTicketOfAKeyThatAnotherHubKnewFirst(t *testing.T) {
	t.Parallel()
	published(t, set("one", rsaKey().Public(), "two", otherRSA().Public()), auth.Options{}, func(t *testing.T, r *rig, p *publisher) {
		text := must(r.Seal(r.takes(sign(jwa.RS256(), otherRSA(), "two", claims(nil)))))
		p.publish(set("one", rsaKey().Public()), http.StatusOK)
		time.Sleep(6 * time.Minute)
		p.publish(set("one", rsaKey().Public(), "two", otherRSA().Public()), http.StatusOK)
		if q, err := r.Open(text); err != nil || q.ID() != "jwt:ann" || q.Ended(time.Now()) != nil {
			t.Errorf("it is opened as %s, %v", q.ID(), err)
		}
		p.publish(set("one", rsaKey().Public()), http.StatusOK)
		time.Sleep(6 * time.Minute)
		if _, err := r.Open(text); hub.AsError(err).Code != hub.CodeUnauthenticated {
			t.Errorf("it is opened though its key was taken away: %v", err)
		}
	})
}
