package http

import (
	"net/http"

	"github.com/go-chi/cors"

	"eventhub/internal/hub"
)

// guard keeps the pages of other sites from what their visitor's browser reaches. It
// serves nothing but what it lets pass, CORS preflights excepted.
type guard struct {
	origins Origins
	local   bool // only this machine reaches the hub
	sites   http.CrossOriginProtection
}

// check refuses what a page of another site may have sent. Listed says that the request
// comes from a page of a listed origin, whose browser waits to be told so.
//
// Without an Origin it asks net/http's CrossOriginProtection, which goes by
// Sec-Fetch-Site. That is no judge of the others: it lets every GET pass, WebSockets
// among them, and knows no wildcards.
func (g *guard) check(r *http.Request) (listed bool, err error) {
	if g.local && !g.origins.ownName(r.Host) {
		return false, hub.Errorf(hub.CodeForbidden, "this hub listens on loopback, where any site may have its name lead (DNS rebinding), so it is not asked as %q: "+
			"ask it as localhost or by its address, or list an origin of that name in HUB_ALLOWED_ORIGINS, such as https://app.example.com", clip(r.Host))
	}
	switch origin := r.Header["Origin"]; {
	case origin == nil:
		if !g.origins.all && g.sites.Check(r) != nil {
			return false, hub.Errorf(hub.CodeForbidden, "a page of another origin asks (Sec-Fetch-Site: %s), and its Origin is missing, by which HUB_ALLOWED_ORIGINS could allow it",
				clip(r.Header.Get("Sec-Fetch-Site")))
		}
		return false, nil
	case len(origin) == 1 && g.origins.allows(origin[0]):
		return true, nil
	case len(origin) == 1 && sameHost(origin[0], r.Host):
		return false, nil
	default:
		return false, hub.Errorf(hub.CodeForbidden, "pages of the origin %q may not use this hub: it is neither of the host that was asked, %q, nor listed in HUB_ALLOWED_ORIGINS",
			clip(r.Header.Get("Origin")), clip(r.Host))
	}
}

// varyOrigin is not changed; a header with a list of its own would be garbage.
var varyOrigin = []string{"Origin"}

// handler has next serve what passes, and refuse answer the rest. Pages of listed origins
// may read the answers; a preflight of theirs is answered here.
func (g *guard) handler(next http.Handler, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	shared := cors.Handler(g.cors())(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		listed, err := g.check(r)
		switch {
		case listed:
			shared.ServeHTTP(w, r)
			return
		case err != nil || !g.origins.none(): // a cache must not give one origin what another was answered
			w.Header()["Vary"] = varyOrigin
		}
		if err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// cors says what browsers let pages of listed origins do: send what the API reads, and
// read what it answers. There are no credentials, as the hub has no cookies.
func (g *guard) cors() cors.Options {
	opts := cors.Options{
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders: []string{
			"Authorization", "Content-Type", idempotencyKey, requestIDHeader, "Last-Event-ID",
			// CloudEvents' own attributes and documented extensions. The header of any
			// other cannot be known here; the structured mode has no such headers.
			"ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-dataschema", "ce-partitionkey",
			"ce-traceparent", "ce-tracestate", "ce-sequence", "ce-sampledrate", "ce-dataref", "ce-expirytime", "ce-recordedtime", "ce-severitytext", "ce-severitynumber",
		},
		ExposedHeaders: []string{requestIDHeader, replayedHeader, "Retry-After", "Allow", "WWW-Authenticate"},
		MaxAge:         2 * 60 * 60, // in seconds; browsers keep it no longer. What comes after is checked all the same
	}
	if g.origins.all {
		opts.AllowedOrigins = []string{"*"}
	} else {
		opts.AllowOriginFunc = func(_ *http.Request, origin string) bool { return g.origins.allows(origin) }
	}
	return opts
}
