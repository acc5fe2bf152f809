package auth

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/hub"
)

const (
	// jwksEvery is how often the issuer's keys are asked for.
	jwksEvery = 5 * time.Minute
	// jwksSpacing is the least time between two questions, whatever tokens come.
	jwksSpacing = 10 * time.Second
	// jwksLimit is how long one may take.
	jwksLimit = 5 * time.Second
	// maxWaiting is how many tokens may wait for the next answer at a time.
	maxWaiting = 64
)

// jwks are the keys that an issuer publishes (JSON Web Key Set, RFC 7517). One goroutine
// asks for them: every 5 minutes, and when a token names one that is not known, but at
// most every 10 s. Such a token waits for the next answer, so that one that is signed by
// a new key is not refused.
type jwks struct {
	url    string
	shown  string // of it, without what may be a secret
	client *http.Client
	ring   *ring
	log    *slog.Logger
	took   func() // has other keys been taken
	total  *prometheus.CounterVec
	ask    chan struct{} // somebody waits; has room for one
	told   time.Time     // when the log was told of a failure; owned by run

	mu      sync.Mutex // protects the fields below
	begun   int        // questions
	ended   int
	failed  error // of the last one that has ended
	loaded  bool  // one has been answered
	waiting int
	changed chan struct{} // closed when a question has ended
}

func newJWKS(opts *Options, took func()) *jwks {
	j := &jwks{
		url: opts.JWKSURL, shown: withoutQuery(opts.JWKSURL), client: newClient(opts.Transport), ring: &ring{}, log: opts.Log, took: took,
		ask: make(chan struct{}, 1), changed: make(chan struct{}),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hub_jwks_fetches_total", Help: "How often the issuer's keys (HUB_JWT_JWKS_URL) were asked for, by outcome.",
		}, []string{"outcome"}),
	}
	opts.Registry.MustRegister(j.total)
	return j
}

// run asks until ctx ends.
func (j *jwks) run(ctx context.Context) {
	defer j.client.CloseIdleConnections()
	failures := 0
	for {
		began := time.Now()
		if j.fetch(ctx) == nil {
			failures = 0
		} else {
			failures++
		}
		if !j.pause(ctx, began, failures) {
			return
		}
	}
}

// pause waits until the next question may be asked, and is due or wanted.
func (j *jwks) pause(ctx context.Context, began time.Time, failures int) bool {
	due := jwksEvery
	if failures > 0 {
		due = min(due, jwksSpacing<<min(failures-1, 5))
	}
	due += rand.N(due / 10) // hubs that start together do not ask together
	regular := time.NewTimer(time.Until(began.Add(due)))
	defer regular.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-regular.C:
		return true
	case <-j.ask:
	}
	soonest := time.NewTimer(time.Until(began.Add(jwksSpacing)))
	defer soonest.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-soonest.C:
		return true
	}
}

func (j *jwks) fetch(ctx context.Context) error {
	j.mu.Lock()
	select { // who has asked until now gets what comes
	case <-j.ask:
	default:
	}
	j.begun++
	j.mu.Unlock()
	keys, err := fetchKeys(ctx, j.client, j.url)
	if err == nil {
		j.ring.take(keys)
		j.took()
		j.total.WithLabelValues("ok").Inc()
	} else if ctx.Err() == nil {
		j.total.WithLabelValues("failed").Inc()
	}
	if err != nil && ctx.Err() == nil && time.Since(j.told) >= time.Minute { // before who waits is told: the log says why
		j.told = time.Now()
		j.log.Error("the issuer's keys cannot be had; those from before stay", slog.String("url", j.shown), slog.Bool("had_before", j.loaded), slog.Any("error", err))
	}
	j.mu.Lock()
	j.ended, j.failed, j.loaded = j.begun, err, j.loaded || err == nil
	close(j.changed)
	j.changed = make(chan struct{})
	j.mu.Unlock()
	return err
}

// await waits until found says so, which it is asked whenever keys have come; false: a
// question was answered that was asked after the call, and it still does not, or too many
// wait already. Errors: CodeUnavailable where there is no such answer.
func (j *jwks) await(ctx context.Context, found func() bool) (ok bool, err error) {
	j.mu.Lock()
	if j.failed != nil && !j.loaded {
		j.mu.Unlock()
		j.want()
		return false, errNoKeys(j.failed)
	}
	if j.waiting == maxWaiting {
		loaded := j.loaded
		j.mu.Unlock()
		if !loaded {
			return false, errNoKeys(nil)
		}
		return false, nil
	}
	j.waiting++
	after := j.begun
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		j.waiting--
		j.mu.Unlock()
	}()
	limit := time.NewTimer(jwksSpacing + jwksLimit)
	defer limit.Stop()
	for {
		j.mu.Lock()
		changed, answered, failed, loaded, idle := j.changed, j.ended > after, j.failed, j.loaded, j.begun == j.ended
		j.mu.Unlock()
		switch {
		case found():
			return true, nil
		case failed != nil && (answered || !loaded):
			return false, errNoKeys(failed)
		case answered:
			return false, nil
		case idle: // else what is under way may do
			j.want()
		}
		select {
		case <-changed:
		case <-limit.C:
			return false, errNoKeys(nil)
		case <-ctx.Done():
			return false, errNoKeys(ctx.Err())
		}
	}
}

// want has the keys asked for as soon as they may be.
func (j *jwks) want() {
	select {
	case j.ask <- struct{}{}:
	default:
	}
}

func errNoKeys(cause error) *hub.Error {
	e := &hub.Error{Code: hub.CodeUnavailable, Detail: "the keys that tokens are checked by cannot be had at the moment (HUB_JWT_JWKS_URL)", Err: cause}
	e.RetryAfter = jwksSpacing/2 + rand.N(jwksSpacing/2)
	return e
}
