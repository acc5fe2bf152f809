package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// keyFile is the file of API keys of a test's hubs, and the keys by their ids. It is
// written by hand, as an operator would; only the hubs read it.
type keyFile struct {
	t    *testing.T
	path string
	keys []keyEntry
	text map[string]string // the keys themselves, by id
}

// keyEntry is an entry of the file.
type keyEntry struct {
	ID          string          `json:"id"`
	Hash        string          `json:"hash"`
	Permissions json.RawMessage `json:"permissions"`
	Limits      json.RawMessage `json:"limits,omitempty"`
}

func newKeyFile(t *testing.T) *keyFile {
	t.Helper()
	f := &keyFile{t: t, path: filepath.Join(t.TempDir(), "keys.yaml"), text: map[string]string{}}
	f.add("boss", bossGrant)
	return f
}

// The permissions to do everything.
const bossGrant = `[{"allow":["publish","read","consume","subscribe","manage"],"streams":["**"],"sinks":["**"],"channels":["**"]}]`

// setting is for the hubs.
func (f *keyFile) setting() string { return "HUB_API_KEYS_FILE=" + f.path }

// add adds a key with these permissions, or changes those of one, and returns it.
func (f *keyFile) add(id, permissions string) string { return f.limited(id, permissions, "") }

// limited is add for a key with limits of its own, as JSON.
func (f *keyFile) limited(id, permissions, limits string) string {
	f.t.Helper()
	f.set(id, permissions, limits)
	f.write()
	return f.text[id]
}

// set is limited for several: it leaves the file as it is, until write.
func (f *keyFile) set(id, permissions, limits string) string {
	f.t.Helper()
	entry := keyEntry{ID: id, Permissions: json.RawMessage(permissions)}
	if limits != "" {
		entry.Limits = json.RawMessage(limits)
	}
	for i := range f.keys {
		if f.keys[i].ID == id {
			entry.Hash = f.keys[i].Hash
			f.keys[i] = entry
			return f.text[id]
		}
	}
	f.text[id] = newKey()
	digest := sha256.Sum256([]byte(f.text[id]))
	entry.Hash = hex.EncodeToString(digest[:])
	f.keys = append(f.keys, entry)
	return f.text[id]
}

// remove takes a key away.
func (f *keyFile) remove(id string) {
	f.t.Helper()
	for i := range f.keys {
		if f.keys[i].ID == id {
			f.keys = append(f.keys[:i:i], f.keys[i+1:]...)
			break
		}
	}
	f.write()
}

// write replaces the file, so that nobody reads half of it.
func (f *keyFile) write() {
	f.t.Helper()
	text, err := json.MarshalIndent(map[string]any{"keys": f.keys}, "", " ") // JSON is YAML, too
	if err == nil {
		err = os.WriteFile(f.path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(f.path+".new", f.path)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// newKey is a key as `hub key new` prints it.
func newKey() string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return "hub_" + base64.RawURLEncoding.EncodeToString(secret)
}

// by is the hub for a client that shows this token; "": none.
func (h *testHub) by(token string) *testHub {
	sub := *h
	base := h.via
	if shown, ok := base.(bearer); ok {
		base = shown.RoundTripper
	}
	if base == nil {
		base = client.Transport
	}
	if sub.via = base; token != "" {
		sub.via = bearer{base, token}
	}
	return &sub
}

// bearer shows a token with each request.
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}

// guarded are two hubs on one Redis that go by a file of keys, as they are for who has
// no token.
func guarded(t *testing.T, settings ...string) (keys *keyFile, one, two *testHub) {
	t.Helper()
	keys = newKeyFile(t)
	settings = append(settings, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting())
	return keys, startHub(t, settings...), startHub(t, settings...)
}

// hashOf is a short name for a text.
func hashOf(text string) []byte {
	digest := sha256.Sum256([]byte(text))
	return digest[:8]
}
