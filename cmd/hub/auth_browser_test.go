package main

import (
	"maps"
	"net/http"
	"net/url"
	"testing"
)

// A real browser decides which headers and subprotocols it sends, and what its page is
// told of a refusal.
func TestPagesInABrowserAuthenticateByTicketAndBySubprotocol(t *testing.T) {
	t.Parallel()
	browser := findBrowser(t)
	s := startSite(t)
	keys := newKeyFile(t)
	h := startHub(t, keys.setting(), "HUB_ALLOWED_ORIGINS="+s.at("127.0.0.1", ""))
	told := s.visit(t, browser, s.at("127.0.0.1", "/tickets")+"?hub="+url.QueryEscape(h.base)+"&key="+keys.text["boss"])
	want := map[string]string{
		"nobody": `401 Bearer realm="eventhub"`, "publish": "201", "feed": "greeting", "feed without": "refused",
		"socket": "ok ", "socket again": "refused",
		"subprotocol": "ok hub.v1", "subprotocol alone": "refused", "subprotocol of nobody": "refused", "socket without": "refused",
	}
	if !maps.Equal(told, want) {
		t.Errorf("it has met\n%v, want\n%v", told, want)
	}
	if answer := h.by(keys.text["boss"]).call("GET", "/v1/streams/pages", ""); answer.StatusCode != http.StatusOK {
		t.Errorf("afterwards the stream is answered %d %s", answer.StatusCode, answer.body)
	}
}
