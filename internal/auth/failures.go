package auth

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/calm"
	"eventhub/internal/hub"
)

// reason is why somebody was refused, in metrics and logs: there are these only.
type reason string

const (
	noToken       reason = "no_token"
	unknownKey    reason = "unknown_key"
	malformed     reason = "malformed"
	wrongAlg      reason = "algorithm"
	unknownKeyID  reason = "unknown_key_id"
	wrongSig      reason = "signature"
	expired       reason = "expired"
	notYet        reason = "not_yet_valid"
	wrongIssuer   reason = "issuer"
	wrongAudience reason = "audience"
	wrongClaims   reason = "claims"
	ended         reason = "ended"
	noKeys        reason = "keys_unavailable"
)

var reasons = [...]reason{
	noToken, unknownKey, malformed, wrongAlg, unknownKeyID, wrongSig, expired, notYet, wrongIssuer, wrongAudience, wrongClaims, ended, noKeys,
}

// failures counts those who were refused, and tells of them in the log: each reason at
// most once a second, whoever tries however often.
type failures struct {
	log    *slog.Logger
	total  map[reason]prometheus.Counter
	causes calm.Causes[reason]
}

func newFailures(log *slog.Logger, registry prometheus.Registerer) *failures {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hub_auth_failures_total", Help: "Requests and frames that were refused as it was not clear who asks, by reason.",
	}, []string{"reason"})
	registry.MustRegister(vec)
	f := &failures{log: log, total: map[reason]prometheus.Counter{}}
	for _, why := range reasons {
		f.total[why] = vec.WithLabelValues(string(why))
	}
	return f
}

// refuse is the error for who was refused. The detail shows nothing of a token but its
// claims' names.
func (f *failures) refuse(why reason, detail string) *hub.Error {
	f.total[why].Inc()
	if why != noToken { // every scanner comes without one
		f.tell(why, detail)
	}
	return &hub.Error{Code: hub.CodeUnauthenticated, Detail: detail}
}

func (f *failures) tell(why reason, detail string) {
	if unlogged, ok := f.causes.Due(why); ok {
		f.log.Warn("a token was refused", slog.String("reason", string(why)), slog.String("detail", detail), slog.Int("more_before", unlogged))
	}
}
