package main

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmesFileOfKeysIsAGoodOne takes the hash of another key, as nobody has that of
// the example.
func TestReadmesFileOfKeysIsAGoodOne(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```yaml\n(keys:\n.*?)```").FindSubmatch(readme)
	if found == nil {
		t.Fatal("the README has no file of keys")
	}
	other := newKeyFile(t)
	text := strings.Replace(string(found[1]), "hash: …", "hash: "+other.keys[0].Hash, 1)
	h := startHub(t, "HUB_API_KEYS_FILE="+newFile(t, []byte(text))).by(other.text["boss"])
	for request, want := range map[string]int{
		"POST /v1/streams/shop.visits/events": http.StatusCreated, "POST /v1/streams/visits/events": http.StatusForbidden,
		"GET /v1/channels/room-1": http.StatusOK, "GET /v1/streams/orders": http.StatusForbidden,
	} {
		method, path, _ := strings.Cut(request, " ")
		body := ""
		if method == "POST" {
			body = `{"data":1}`
		}
		if answer := h.call(method, path, body); answer.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", request, answer.StatusCode, answer.body, want)
		}
	}
}
