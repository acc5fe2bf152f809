package ws

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"eventhub/internal/hub"
)

// checkUpgrade makes sure that the request is a WebSocket handshake that Accept
// will take, from a page of this host or from no page at all.
func checkUpgrade(r *http.Request) error {
	if r.Method != http.MethodGet || !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket") {
		return hub.Errorf(hub.CodeUpgradeRequired, "this is a WebSocket: connect with a WebSocket client, such as wscat")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	if r.Header.Get("Sec-WebSocket-Version") != "13" || err != nil || len(key) != 16 {
		return hub.Errorf(hub.CodeUpgradeRequired, "the WebSocket handshake is malformed: want version 13 and a key of 16 bytes (RFC 6455)")
	}
	// A page of another site must not use the rights that come with being in this
	// network. Programs send no Origin.
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return hub.Errorf(hub.CodeForbidden, "pages of the origin %q may not connect to %q", origin, r.Host)
		}
	}
	return nil
}

func hasToken(header http.Header, name, token string) bool {
	for _, value := range header.Values(name) {
		for _, part := range strings.Split(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
