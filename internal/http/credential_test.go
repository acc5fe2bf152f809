package http_test

import (
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventhub/internal/auth"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// Whatever is shown, and however often: nobody is known twice over, and what is shown is
// taken off the request.
func FuzzCredentials(f *testing.F) {
	f.Add("Bearer good", "hub.v1, hub.bearer.good", "channel=a&ticket=x")
	f.Add("bearer  x y", "hub.bearer.,hub.bearer.", "ticket=&&ticket=%41;ticket=b")
	f.Add("Basic x", ",,hub.v1", "x=ticket=y#ticket=z")
	f.Fuzz(func(t *testing.T, authorization, protocols, query string) {
		who := knowing("good", may(t, everything))
		e := newEdgeWith(t, http.Options{Auth: who})
		e.socket = func(_ nethttp.ResponseWriter, r *nethttp.Request, _ *auth.Principal) error {
			for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
				if strings.HasPrefix(part, "ticket=") {
					t.Errorf("the query is still %q", r.URL.RawQuery)
				}
			}
			for protocol := range strings.SplitSeq(strings.Join(r.Header["Sec-Websocket-Protocol"], ","), ",") {
				if strings.HasPrefix(strings.Trim(protocol, " \t"), "hub.bearer.") {
					t.Errorf("the protocols are still %q", r.Header["Sec-Websocket-Protocol"])
				}
			}
			if r.Header.Get("Authorization") != "" {
				t.Errorf("the header is still %q", r.Header["Authorization"])
			}
			return hub.Errorf(hub.CodeUpgradeRequired, "no")
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/broadcast/ws", nil)
		r.URL.RawQuery = query
		r.Header["Authorization"], r.Header["Sec-Websocket-Protocol"] = []string{authorization}, []string{protocols}
		a := e.send(r)
		if len(who.asked) > 1 || a.Code == nethttp.StatusUpgradeRequired && (len(who.asked) != 1 || who.asked[0] != "good") {
			t.Errorf("it is answered %d after a look at %q", a.Code, who.asked)
		}
	})
}
