package ws

import (
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestTokenAmongTheSubprotocolsIsNeverEchoed: neither as the one that was chosen, nor
// anywhere else.
func TestTokenAmongTheSubprotocolsIsNeverEchoed(t *testing.T) {
	t.Parallel()
	const token = "hub.bearer.secret-canary"
	for _, path := range sockets {
		for _, offered := range [][]string{{token, "hub.v1"}, {"hub.v1", token}, {token}} {
			s := newService(t, everySource(), Options{})
			conn, answer, err := websocket.Dial(t.Context(), s.url+path, &websocket.DialOptions{Subprotocols: offered})
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if len(offered) > 1 {
				want = "hub.v1"
			}
			if conn.Subprotocol() != want || answer.Header.Get("Sec-WebSocket-Protocol") != want {
				t.Errorf("%s: %v is answered %q", path, offered, answer.Header)
			}
			for name, values := range answer.Header {
				if strings.Contains(strings.Join(values, " "), "canary") {
					t.Errorf("%s: the token is in %s", path, name)
				}
			}
			_, ready, err := conn.Read(t.Context())
			if err != nil || strings.Contains(string(ready), "canary") {
				t.Errorf("%s: the first frame is %s (%v)", path, ready, err)
			}
			_ = conn.CloseNow()
		}
	}
}
