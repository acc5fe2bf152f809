package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// retryAfter is what clients are told to wait when Redis cannot be reached.
const retryAfter = time.Second

// errAnswer: a script's answer has not the form that it should have.
var errAnswer = errors.New("an answer of Redis that is not understood")

// failure turns an error of a Redis call into what a client may read: whether
// the call certainly had no effect, or may have had.
func failure(err error, doing string) error {
	var known *hub.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case outOfSpace(err):
		return &hub.Error{Code: hub.CodeStorageFull, Detail: doing + ": Redis is out of memory or disk (maxmemory)", Err: err}
	case hasPrefix(err, "WRONGTYPE"):
		return &hub.Error{Code: hub.CodeConflict, Detail: doing + ": another program keeps something that is no stream under the key that Redis has for it", Err: err}
	case notSent(err):
		return unavailable(err, doing)
	case isReply(err):
		return &hub.Error{Code: hub.CodeInternal, Detail: doing + ": Redis refused the command; the hub's log has its words", Err: err}
	}
	return &hub.Error{
		Code: hub.CodeUnconfirmed, RetryAfter: retryAfter, Err: err,
		Detail: doing + ": Redis did not answer in time; it may have been done",
	}
}

// readFailure is failure for a call that changes nothing: it is never in doubt.
func readFailure(err error, doing string) error {
	failed := failure(err, doing)
	if e := (*hub.Error)(nil); errors.As(failed, &e) && e.Code == hub.CodeUnconfirmed {
		return unavailable(err, doing)
	}
	return failed
}

func unavailable(err error, doing string) *hub.Error {
	return &hub.Error{
		Code: hub.CodeUnavailable, RetryAfter: retryAfter, Err: err,
		Detail: doing + ": Redis cannot be reached; nothing was done",
	}
}

// notSent says whether the command certainly had no effect: no connection was
// had for it, or Redis answered that it does not serve now.
func notSent(err error) bool {
	if err == nil {
		return false
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	if errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed) ||
		errors.Is(err, errAbandoned) {
		return true
	}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &dns) || errors.As(err, &certificate) {
		return true
	}
	return hasPrefix(err, "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOREPLICAS", "BUSY ", "NOAUTH", "WRONGPASS", "UNKILLABLE", "ERR max number of clients")
}

func outOfSpace(err error) bool { return hasPrefix(err, "OOM", "MISCONF") }

// isReply says whether Redis itself answered with this error.
func isReply(err error) bool {
	if err == nil { // mostly; and what follows allocates
		return false
	}
	var reply redis.Error
	return errors.As(err, &reply)
}

// isNoGroup says whether the group, or the whole stream, is gone.
func isNoGroup(err error) bool { return hasPrefix(err, "NOGROUP", "UNBLOCKED") }

func hasPrefix(err error, prefixes ...string) bool {
	if !isReply(err) {
		return false
	}
	text := err.Error()
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) || strings.Contains(text, "@user_script: "+prefix) {
			return true
		}
	}
	return false
}

// ended says whether ctx is over, as opposed to a failure worth telling.
func ended(ctx context.Context) bool { return ctx.Err() != nil }
