package http

import (
	"net/http"
	"strings"

	"eventhub/internal/hub"
)

// opening is what a request begins that lasts longer than an answer.
type opening uint8

const (
	opensNothing opening = iota
	opensSocket
	opensStream // of events
)

// opens goes by the routes: no other may be asked with a ticket.
func opens(r *http.Request) opening {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return opensNothing
	}
	switch path := r.URL.Path; path {
	case "/v1/readers/sse", "/v1/broadcast/sse":
		return opensStream
	case "/v1/readers/ws", "/v1/broadcast/ws":
		return opensSocket
	default:
		rest, ok := strings.CutPrefix(path, "/v1/sinks/")
		sink, last := strings.CutSuffix(rest, "/ws")
		if ok && last && strings.IndexByte(sink, '/') < 0 {
			return opensSocket
		}
		return opensNothing
	}
}

// credential is how a request says who asks: by one of its fields, or not at all.
type credential struct {
	token  string // an API key or a JSON Web Token
	ticket string
}

// Where the token is among the subprotocols that a WebSocket offers, as a browser can
// send no header of its own, and what must be offered beside it, so that there is one to
// choose.
const (
	bearerProtocol = "hub.bearer."
	ownProtocol    = "hub.v1"
)

// takeCredential finds what a request shows, and takes it off: what is not there any more
// is not logged, echoed or passed on. Two ways at once are refused (RFC 6750, §2), as who
// was meant could not be told.
func takeCredential(r *http.Request, as opening) (c credential, err error) {
	ways := 0
	if values, ok := r.Header["Authorization"]; ok {
		for _, value := range values {
			if token, ok := cutScheme(value); ok {
				c.token = token
				ways++
			}
		}
		delete(r.Header, "Authorization")
	}
	if as == opensSocket {
		token, offered, found := cutProtocol(r.Header)
		if found > 0 {
			c.token = token
			if ways += found; !offered {
				return credential{}, hub.Errorf(hub.CodeInvalidRequest, "Sec-WebSocket-Protocol: want %s offered beside %s<token>, which is not chosen", ownProtocol, bearerProtocol)
			}
		}
	}
	if as != opensNothing {
		ways += c.cutTicket(r)
	}
	if ways > 1 {
		return credential{}, hub.Errorf(hub.CodeInvalidRequest, "the request says more than once who asks: want one of Authorization, the subprotocol %s<token>, and ?ticket=", bearerProtocol)
	}
	return c, nil
}

// cutScheme is the token of an Authorization header. Other schemes are somebody else's,
// a proxy's for example.
func cutScheme(value string) (token string, ok bool) {
	const scheme = "Bearer"
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", false
	}
	rest := value[len(scheme):]
	token = strings.Trim(rest, " ")
	return token, rest == "" || len(token) < len(rest)
}

// cutProtocol takes the tokens from the subprotocols. offered says whether the hub's own
// is among them.
func cutProtocol(header http.Header) (token string, offered bool, found int) {
	const name = "Sec-Websocket-Protocol"
	lists := header[name]
	var others []string
	for _, list := range lists {
		for protocol := range strings.SplitSeq(list, ",") {
			protocol = strings.Trim(protocol, " \t")
			if its, ok := strings.CutPrefix(protocol, bearerProtocol); ok {
				token = its
				found++
				continue
			}
			offered = offered || protocol == ownProtocol
			others = append(others, protocol)
		}
	}
	if found > 0 {
		header[name] = []string{strings.Join(others, ", ")}
	}
	return token, offered, found
}

// cutTicket takes the parameter from the query, so that all who read that see only what
// is theirs. One whose name is escaped is left, and no known parameter.
func (c *credential) cutTicket(r *http.Request) (found int) {
	const name = "ticket="
	if !strings.Contains(r.URL.RawQuery, name) {
		return 0
	}
	var others []string
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if ticket, ok := strings.CutPrefix(part, name); ok {
			c.ticket = ticket
			found++
			continue
		}
		others = append(others, part)
	}
	if found > 0 {
		r.URL.RawQuery = strings.Join(others, "&")
		r.RequestURI = r.URL.RequestURI()
	}
	return found
}
