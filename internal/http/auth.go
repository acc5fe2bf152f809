package http

import (
	"context"
	"net/http"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// Authenticator says who asks. It is safe for concurrent use, and its errors are
// *hub.Error.
type Authenticator interface {
	// Authenticate says whose token it is, a key's or a JSON Web Token. Errors:
	// CodeUnauthenticated; CodeUnavailable while what tokens are checked by cannot be had.
	Authenticate(ctx context.Context, token string) (*auth.Principal, error)
	// Anonymous is who asks without a token, from an IP address; CodeUnauthenticated
	// where a token is needed.
	Anonymous(address string) (*auth.Principal, error)
	// Seal writes down who a principal is, for a ticket that any hub may read.
	Seal(p *auth.Principal) ([]byte, error)
	// Open reads what was sealed. Errors: CodeUnauthenticated where that principal may
	// do nothing any more.
	Open(sealed []byte) (*auth.Principal, error)
}

// socket has a Socket serve who asks.
func (h *handler) socket(serve Socket) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error { return serve(w, r, who(w)) }
}

// who is the principal that a request was authenticated as.
func who(w http.ResponseWriter) *auth.Principal {
	if rec, ok := w.(*recorder); ok {
		return rec.who
	}
	return nil
}

// everybody is the Authenticator of a hub that asks nobody who they are.
type everybody struct{ *auth.Principal }

func (e everybody) Authenticate(context.Context, string) (*auth.Principal, error) {
	return e.Principal, nil
}
func (e everybody) Anonymous(string) (*auth.Principal, error) { return e.Principal, nil }
func (e everybody) Seal(*auth.Principal) ([]byte, error)      { return nil, nil }
func (e everybody) Open([]byte) (*auth.Principal, error)      { return e.Principal, nil }

// Tickets are kept for all hubs. Errors: CodeUnavailable.
type Tickets interface {
	// PutTicket keeps a ticket under the hash of its text until it expires.
	PutTicket(ctx context.Context, hash string, t hub.Ticket) error
	// TakeTicket uses a ticket: of any number of callers one gets it. With a place, the
	// ticket may be used again for the same place, until it ends for good: by who was the
	// last to use it and has left (LeaveTicket), or at least 5 s after it was used last.
	// turn counts its uses. Error: CodeUnauthenticated where there is none, or not for
	// this place.
	TakeTicket(ctx context.Context, hash, place string) (t hub.Ticket, turn int64, err error)
	// HoldsTicket says whether nobody else has used the ticket since that turn.
	HoldsTicket(ctx context.Context, hash string, turn int64) (bool, error)
	// LeaveTicket has the ticket used again at once, if it is still that turn.
	LeaveTicket(ctx context.Context, hash string, turn int64) error
}
