package ws

import (
	"encoding/base64"
	"net/http"
	"strings"

	"eventhub/internal/hub"
)

// checkUpgrade makes sure that the request is a WebSocket handshake that Accept
// will take.
func checkUpgrade(r *http.Request) error {
	if r.Method != http.MethodGet || !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket") {
		return hub.Errorf(hub.CodeUpgradeRequired, "this is a WebSocket: connect with a WebSocket client, such as wscat")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	if r.Header.Get("Sec-WebSocket-Version") != "13" || err != nil || len(key) != 16 {
		return hub.Errorf(hub.CodeUpgradeRequired, "the WebSocket handshake is malformed: want version 13 and a key of 16 bytes (RFC 6455)")
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
