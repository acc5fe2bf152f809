package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"eventhub/internal/certtest"
)

// pair is a pair of files that is good for a day.
func pair(t *testing.T) *certtest.Files {
	t.Helper()
	files := certtest.NewFiles(t)
	files.Swap(certtest.NewAuthority(t).Issue(1, time.Now().Add(24*time.Hour)))
	return files
}

// tlsHub is a hub that speaks TLS.
type tlsHub struct {
	*testHub
	*certtest.Authority
	files *certtest.Files
	ends  time.Time // of the first certificate, whose serial is 1
}

func startTLSHub(t *testing.T, settings ...string) *tlsHub {
	t.Helper()
	h := &tlsHub{Authority: certtest.NewAuthority(t), files: certtest.NewFiles(t), ends: time.Now().Add(24 * time.Hour)}
	h.files.Swap(h.Issue(1, h.ends))
	h.testHub = startHub(t, append(settings, "HUB_TLS_CERT="+h.files.Cert, "HUB_TLS_KEY="+h.files.Key)...)
	h.base = strings.Replace(h.base, "http:", "https:", 1)
	h.via = h.transport(true)
	return h
}

// transport trusts the hub's authority, and speaks HTTP/2 or HTTP/1.1. Its connections
// are closed with the test.
func (h *tlsHub) transport(http2 bool) *http.Transport {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.Pool(), MinVersion: tls.VersionTLS12}, Protocols: &http.Protocols{}}
	tr.Protocols.SetHTTP1(true)
	tr.Protocols.SetHTTP2(http2)
	h.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// speaking is the hub for a client that speaks one of the protocols.
func (h *tlsHub) speaking(t *testing.T, http2 bool) *testHub {
	sub := h.in(t)
	sub.via = h.transport(http2)
	return sub
}

// shake makes a connection of its own, and returns it.
func (h *tlsHub) shake(config *tls.Config) (*tls.Conn, error) {
	if config.RootCAs == nil {
		config.RootCAs = h.Pool()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.t.Context()), patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", strings.TrimPrefix(h.base, "https://"))
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// serial is that of the certificate that is shown to who connects now.
func (h *tlsHub) serial() int64 {
	h.t.Helper()
	conn, err := h.shake(&tls.Config{})
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestEverythingWorksOverTLS(t *testing.T) {
	t.Parallel()
	h := startTLSHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	for http2, proto := range map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			h := h.speaking(t, http2)
			if got := h.call("GET", "/livez", ""); got.Proto != proto || got.StatusCode != http.StatusOK {
				t.Fatalf("the hub speaks %s, and answers %d", got.Proto, got.StatusCode)
			}
			stream, room := strings.Map(letters, proto), "room"+strings.Map(letters, proto)
			readers := h.readings("stream=" + stream)
			consumer := h.dial("/v1/sinks/" + stream + "/ws?stream=" + stream)
			heard := []*listener{h.stall(overSocket, "channel="+room, h.via), h.stall(overSSE, "channel="+room, h.via)}
			for _, l := range heard {
				l.wake()
			}
			want := []string{
				h.publish(stream, `{"data":1}`),
				h.publish(stream, fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", 1<<20-2))), // of many TLS records
				consumer.publish(stream),
			}
			for _, reader := range readers {
				assertRead(t, reader.events(3), want)
			}
			for i, e := range consumer.events(3) {
				if e.ID != want[i] {
					t.Errorf("the consumer got %s, want %s", e.ID, want[i])
				}
				consumer.ok(`{"type":"ack","ids":[%q]}`, e.ID)
			}
			ids := h.broadcast(room, `[{"data":1},{"data":2}]`)
			for _, l := range heard {
				l.hears(ids...)
			}
			if events := h.pull("pulled"+stream, "?stream="+stream+"&from=oldest", ""); len(events) != 3 {
				t.Errorf("a pull gave %d events, want 3", len(events))
			}
			if p := h.call("GET", "/v1/readers/ws?stream="+stream, ""); p.StatusCode != http.StatusUpgradeRequired || (p.Header.Get("Upgrade") != "") == http2 {
				t.Errorf("a socket's path without an upgrade: %d %v", p.StatusCode, p.Header)
			}
		})
	}
}

// letters has what a name may have.
func letters(r rune) rune {
	if r == '/' || r == '.' {
		return '-'
	}
	return r
}

// publish publishes by a socket, and returns the id.
func (s *socket) publish(stream string) string {
	s.t.Helper()
	f := s.do(`{"type":"publish","stream":%q,"events":[{"data":3}]}`, stream)
	if f.Type != "ok" || len(f.IDs) != 1 {
		s.t.Fatalf("a publish by a socket was answered %+v", f)
	}
	return f.IDs[0]
}

func TestDrainOverTLSTellsEverybody(t *testing.T) {
	t.Parallel()
	for http2, proto := range map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			tlsHub := startTLSHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
			h := tlsHub.speaking(t, http2)
			feed := h.sse("/v1/readers/sse?stream=orders")
			reader, consumer := h.dial("/v1/readers/ws?stream=orders"), h.dial("/v1/sinks/billing/ws?stream=orders")
			id := h.publish("orders", `{"data":1}`)
			assertEvents(t, consumer.events(1), []string{id}, 1)
			assertRead(t, reader.events(1), []string{id})
			assertRead(t, feed.events(1), []string{id})
			began := time.Now()
			stopped := make(chan error, 1)
			go func() { stopped <- h.stop() }()
			consumer.next("drain")
			consumer.ok(`{"type":"ack","ids":[%q]}`, id) // is taken still
			reader.next("drain")
			for _, s := range []*socket{consumer, reader} {
				if code := s.closed(); code != 1012 {
					t.Errorf("a socket was closed with %d, want 1012", code)
				}
			}
			feed.next("hub.drain")
			feed.over()
			if err := <-stopped; err != nil {
				t.Errorf("the hub ended with: %v", err)
			}
			if took := time.Since(began); took > 5*time.Second { // HUB_SHUTDOWN_TIMEOUT is 8 s
				t.Errorf("the hub took %s to leave", took)
			}
			if log := h.logs.String(); strings.Contains(log, "cut off") {
				t.Errorf("something was cut off:\n%s", log)
			}
		})
	}
}

func TestRotationRefusesNoHandshakeAndDropsNoConnection(t *testing.T) {
	t.Parallel()
	h := startTLSHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	socket, feed := h.dial("/v1/readers/ws?stream=orders"), h.sse("/v1/readers/sse?stream=orders")
	kept, err := h.shake(&tls.Config{NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	alive(t, kept)

	ctx, stop := context.WithCancel(t.Context())
	var shaking sync.WaitGroup
	for range 2 {
		shaking.Go(func() {
			for ctx.Err() == nil {
				conn, err := h.shake(&tls.Config{})
				if err != nil {
					t.Errorf("a handshake was refused: %v", err)
					return
				}
				_ = conn.Close()
			}
		})
	}
	metric := func() string {
		body := string(h.call("GET", "/metrics", "").body)
		_, value, _ := strings.Cut(body, "\nhub_tls_certificate_expiration_timestamp_seconds ")
		value, _, _ = strings.Cut(value, "\n")
		return value
	}
	for serial := int64(2); serial <= 3; serial++ {
		ends := h.ends.Add(time.Duration(serial) * time.Hour)
		h.files.Swap(h.Issue(serial, ends))
		within(t, 3*time.Second, func() string {
			if got := h.serial(); got != serial {
				return fmt.Sprintf("certificate %d is shown, want %d", got, serial)
			}
			return ""
		})
		if got, want := metric(), fmt.Sprint(float64(ends.Unix())); got != want {
			t.Errorf("the metric says %s, want %s", got, want)
		}
	}
	// Files that are not good change nothing.
	_, another := h.Issue(4, h.ends)
	h.files.WriteKey(another)
	within(t, 5*time.Second, func() string {
		if !strings.Contains(h.logs.String(), "the certificate from before stays") {
			return "the log says nothing of it"
		}
		return ""
	})
	if got := h.serial(); got != 3 {
		t.Errorf("certificate %d is shown, want 3", got)
	}
	stop()
	shaking.Wait()

	id := h.publish("orders", `{"data":1}`)
	assertRead(t, socket.events(1), []string{id})
	assertRead(t, feed.events(1), []string{id})
	alive(t, kept)
	for line := range strings.Lines(string(another)) {
		if strings.Contains(h.logs.String(), strings.TrimSpace(line)) {
			t.Errorf("the log has a line of a key")
		}
	}
}

// alive asks for /livez over a connection.
func alive(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("/livez was answered %+v, %v", answer, err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
}

func TestOldTLSAndPlainHTTPAreRefused(t *testing.T) {
	t.Parallel()
	h := startTLSHub(t, "HUB_ADMIN_ADDR="+freeAddress(t))
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if conn, err := h.shake(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}); err == nil {
			_ = conn.Close()
			t.Errorf("a client that knows %s at most was let in", tls.VersionName(version))
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conn, err := h.shake(&tls.Config{MinVersion: version, MaxVersion: version})
		if err != nil {
			t.Errorf("a client that knows %s was refused: %v", tls.VersionName(version), err)
			continue
		}
		_ = conn.Close()
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(h.base, "https:", "http:", 1)+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP was answered %d", answer.StatusCode)
	}
}

func TestHubWithoutAGoodPairDoesNotStart(t *testing.T) {
	t.Parallel()
	authority := certtest.NewAuthority(t)
	cert, key := authority.Issue(1, time.Now().Add(time.Hour))
	_, other := authority.Issue(2, time.Now().Add(time.Hour))
	good, mixed, broken := certtest.NewFiles(t), certtest.NewFiles(t), certtest.NewFiles(t)
	good.Swap(cert, key)
	mixed.Swap(cert, other)
	broken.Swap(cert, key[:len(key)/2])
	for name, c := range map[string]struct{ cert, key, want string }{
		"no key":               {good.Cert, "", `HUB_TLS_KEY="": want the file with the private key of HUB_TLS_CERT`},
		"no certificate":       {"", good.Key, `HUB_TLS_CERT="": want the file with the certificate of HUB_TLS_KEY`},
		"files that are not":   {good.Cert + ".gone", good.Key, `HUB_TLS_CERT="` + good.Cert + `.gone": want a readable file: no such file`},
		"another's key":        {mixed.Cert, mixed.Key, `HUB_TLS_KEY="` + mixed.Key + `": want the private key of the certificate, this is another's (HUB_TLS_CERT`},
		"half a key":           {broken.Cert, broken.Key, `HUB_TLS_KEY="` + broken.Key + `": want a PEM file with a private key`},
		"the key, not a path":  {good.Cert, string(key), `HUB_TLS_KEY (not shown here, as it may hold a key): want the path of a file`},
		"the key and no other": {"", string(key), `HUB_TLS_KEY`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logs := newLogBuffer()
			err := run(t.Context(), []string{"hub"}, environment([]string{"HUB_TLS_CERT=" + c.cert, "HUB_TLS_KEY=" + c.key}), io.Discard, logs)
			if _, ok := errors.AsType[*configError](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("it ended with %v, want %s", err, c.want)
			}
			for line := range strings.Lines(string(key) + string(other)) {
				if line = strings.TrimSpace(line); strings.Contains(err.Error()+logs.String(), line) {
					t.Errorf("it shows a line of a key: %v", err)
				}
			}
		})
	}
}

func TestExpiredCertificateIsAWarning(t *testing.T) {
	t.Parallel()
	files := certtest.NewFiles(t)
	files.Swap(certtest.NewAuthority(t).Issue(1, time.Now().Add(-time.Hour)))
	h := startHub(t, "HUB_TLS_CERT="+files.Cert, "HUB_TLS_KEY="+files.Key)
	if log := h.logs.String(); !strings.Contains(log, "the TLS certificate has expired") || !strings.Contains(log, `"level":"WARN"`) {
		t.Errorf("the log says\n%s", log)
	}
}
