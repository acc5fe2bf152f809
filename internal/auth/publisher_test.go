package auth_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"
)

// publisher is an issuer that publishes its keys over HTTP, on connections that know no
// time but a bubble's.
type publisher struct {
	mu     sync.Mutex // protects the fields below
	body   string
	status int
	asked  []time.Time
}

func (p *publisher) publish(body string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body, p.status = body, status
}

// fetches is when the keys were asked for.
func (p *publisher) fetches() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.asked...)
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, time.Now())
	w.WriteHeader(p.status)
	_, _ = w.Write([]byte(p.body))
}

// published runs a test in fake time with keys that an issuer publishes.
func published(t *testing.T, body string, opts auth.Options, test func(t *testing.T, r *rig, p *publisher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &publisher{body: body, status: http.StatusOK}
		listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: p}
		ended := make(chan struct{}, 2)
		go func() {
			_ = server.Serve(listener)
			ended <- struct{}{}
		}()
		opts.JWKSURL, opts.Transport = "https://issuer.example/keys?key=hunter2", rewrite{&http.Transport{DialContext: listener.dial}}
		r := open(t, opts)
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			r.Run(ctx)
			ended <- struct{}{}
		}()
		test(t, r, p)
		stop()
		_ = server.Close()
		<-ended
		<-ended
	})
}

// rewrite asks without TLS.
type rewrite struct{ *http.Transport }

func (rt rewrite) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return rt.Transport.RoundTrip(r)
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }
