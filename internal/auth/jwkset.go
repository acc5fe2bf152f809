package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// jwksBytes bounds an answer: a set of ten keys has some 10 KiB.
const jwksBytes = 1 << 20

// checkURL says what is wrong with where an issuer publishes its keys. Without TLS
// anybody on the way could put in keys of their own.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("want https://host/path")
	}
	if u.User != nil {
		return errors.New("want a URL without a user and password")
	}
	if u.Scheme == "http" && !local(u) {
		return errors.New("want https://, http:// is for this machine only: localhost, 127.0.0.1 or [::1]")
	}
	return nil
}

func local(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// withoutQuery is what of a good URL may be logged.
func withoutQuery(text string) string {
	before, _, _ := strings.Cut(text, "?")
	return before
}

// newClient follows no redirection from https to http, or from this machine elsewhere.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: 64 << 10, MaxIdleConns: 1, IdleConnTimeout: time.Minute,
		}
	}
	return &http.Client{Transport: transport, Timeout: jwksLimit, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("it is redirected more than three times")
		}
		if r.URL.Scheme != "https" && (via[0].URL.Scheme == "https" || !local(r.URL)) {
			return errors.New("it is redirected to http")
		}
		return nil
	}}
}

func fetchKeys(ctx context.Context, client *http.Client, from string) ([]*checkKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := client.Do(request)
	if err != nil {
		var cause *url.Error // which repeats the URL
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has the status %d, want 200", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, jwksBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > jwksBytes {
		return nil, fmt.Errorf("the answer has more than %d bytes", jwksBytes)
	}
	return decodeSet(text)
}

// decodeSet reads a JSON Web Key Set. Keys that are not for signatures of tokens are left
// out, as the set may be for other purposes, too; so are symmetric ones, which nobody
// publishes. One without a key that can be used is taken for a fault of the issuer.
func decodeSet(text []byte) ([]*checkKey, error) {
	set, err := jwk.Parse(text, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, errors.New("the answer is no JSON Web Key Set")
	}
	var all []*checkKey
	for i := range set.Len() {
		k, ok := set.Key(i)
		if !ok {
			continue
		}
		if one := usable(k); one != nil && len(all) < maxRing {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the answer has no key that can be used")
	}
	return all, nil
}

// usable is nil for a key that tokens are not to be checked by.
func usable(k jwk.Key) *checkKey {
	if use, ok := k.KeyUsage(); ok && use != "" && use != jwk.ForSignature.String() {
		return nil
	}
	if ops, ok := k.KeyOps(); ok && len(ops) > 0 && !slices.Contains(ops, jwk.KeyOpVerify) {
		return nil
	}
	public, err := jwk.PublicRawKeyOf(k)
	if err != nil {
		return nil
	}
	name, _ := k.KeyID()
	one, err := newCheckKey(name, public)
	if err != nil {
		return nil // symmetric ones, too
	}
	if alg, ok := k.Algorithm(); ok && alg.String() != "" {
		if !slices.Contains(one.algs, alg.String()) {
			return nil
		}
		one.algs = []string{alg.String()}
	}
	return one
}
