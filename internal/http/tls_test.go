package http_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/certtest"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// secured is an edge that speaks TLS, and how its clients do.
func secured(t *testing.T, opts http.Options) (*edge, *tls.Config) {
	t.Helper()
	authority := certtest.NewAuthority(t)
	pair, err := tls.X509KeyPair(authority.Issue(1, time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	e := newEdge(t)
	opts.Broker = e.broker
	opts.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	e.server = http.NewServer(opts)
	return e, &tls.Config{RootCAs: authority.Pool(), ServerName: certtest.Host, MinVersion: tls.VersionTLS12}
}

// overTLS has a test in fake time, whose dial gives it both ends of a connection.
func overTLS(t *testing.T, opts http.Options, test func(t *testing.T, e *edge, config *tls.Config, dial func(server net.Conn))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, config := secured(t, opts)
		pipes := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.server.Run(ctx, pipes, patience, func(context.Context) {}) }()
		test(t, e, config, func(server net.Conn) { pipes.conns <- server })
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestClientThatStallsInTheHandshakeIsLetGo(t *testing.T) {
	t.Parallel()
	overTLS(t, http.Options{}, func(t *testing.T, _ *edge, _ *tls.Config, dial func(net.Conn)) {
		for _, sent := range []string{"", "\x16\x03\x01\x02\x00\x01"} { // the beginning of a ClientHello
			client, server := net.Pipe()
			dial(server)
			if _, err := io.WriteString(client, sent); err != nil {
				t.Fatal(err)
			}
			if took := hangsUp(t, client); took < 4*time.Second || took > 5*time.Second {
				t.Errorf("after %d bytes it was let go after %s, want 5 s", len(sent), took)
			}
			_ = client.Close()
		}
	})
}

func TestKernelKeepsLittleOfAnEventStreamOverTLS(t *testing.T) {
	t.Parallel()
	overTLS(t, http.Options{SendBuffer: 5000}, func(t *testing.T, e *edge, config *tls.Config, dial func(net.Conn)) {
		e.broker.give(newFakeReader())
		for path, want := range map[string]int{readerPath: 5000, "/livez": 0} {
			client, server := net.Pipe()
			conn := &kernelConn{Conn: server}
			dial(conn)
			ask(t, tls.Client(client, config), path, "1.1")
			synctest.Wait()
			if conn.buffer != want {
				t.Errorf("%s: the kernel is told %d bytes, want %d", path, conn.buffer, want)
			}
			_ = client.Close()
		}
	})
}

// transportOver is a client's, whose connections are pipes.
func transportOver(config *tls.Config, http2 bool, dial func(server net.Conn)) *nethttp.Transport {
	transport := &nethttp.Transport{TLSClientConfig: config, Protocols: &nethttp.Protocols{}}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		dial(server)
		return client, nil
	}
	return transport
}

// TestSilentEventStreamOutlivesItsWriteLimit, which over HTTP/2 would end it though
// nothing is written.
func TestSilentEventStreamOutlivesItsWriteLimit(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		overTLS(t, http.Options{}, func(t *testing.T, e *edge, config *tls.Config, dial func(net.Conn)) {
			reader := newFakeReader()
			e.broker.give(reader)
			transport := transportOver(config, http2, dial)
			defer transport.CloseIdleConnections()
			request, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodGet, "https://"+certtest.Host+readerPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			a, err := transport.RoundTrip(request)
			if err != nil || http2 != (a.ProtoMajor == 2) {
				t.Fatalf("it was answered %+v, %v", a, err)
			}
			lines, began := bufio.NewScanner(a.Body), time.Now()
			for comments := 0; comments < 20 && lines.Scan(); {
				if strings.HasPrefix(lines.Text(), ":") {
					comments++
				}
			}
			if took := time.Since(began); lines.Err() != nil || took != 19*15*time.Second {
				t.Errorf("HTTP/2 %v: after %s: %v", http2, took, lines.Err())
			}
			_ = a.Body.Close()
			<-reader.closed
		})
	}
}

func TestHTTP2PeerThatAnswersNoPingIsLetGo(t *testing.T) {
	t.Parallel()
	for name, drips := range map[string]string{"that is silent": "", "in mid-header": "\x00\x10\x00\x01\x00\x00\x00\x00\x01" + strings.Repeat("\x00", 200)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			letsGoOfHTTP2(t, drips)
		})
	}
}

// letsGoOfHTTP2 has a client send the beginning of HTTP/2, and then a byte a second.
func letsGoOfHTTP2(t *testing.T, drips string) {
	t.Helper()
	overTLS(t, http.Options{}, func(t *testing.T, _ *edge, config *tls.Config, dial func(net.Conn)) {
		client, server := net.Pipe()
		dial(server)
		config.NextProtos = []string{"h2"}
		conn := tls.Client(client, config)
		// What each connection begins with, and no settings (RFC 9113, §3.4).
		if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
			t.Fatal(err)
		}
		var dripping sync.WaitGroup
		dripping.Go(func() {
			for _, b := range []byte(drips) {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		defer dripping.Wait()
		if took := hangsUp(t, conn); took < 25*time.Second || took > 41*time.Second {
			t.Errorf("it was let go after %s, want 40 s", took)
		}
		_ = client.Close()
	})
}

// Over TLS net/http watches all requests, and the context of a publish tells.
func TestClientThatLeavesOverTLS(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			t.Parallel()
			overTLS(t, http.Options{}, func(t *testing.T, e *edge, config *tls.Config, dial func(net.Conn)) {
				ended := make(chan error, 1)
				e.broker.publish = func(ctx context.Context, _ hub.Publication) (hub.Published, error) {
					<-ctx.Done()
					ended <- ctx.Err()
					return hub.Published{}, ctx.Err()
				}
				e.broker.pull = func(ctx context.Context, _ hub.ConsumerSpec, _ int, _ time.Duration) ([]hub.Event, func(), error) {
					<-ctx.Done()
					ended <- ctx.Err()
					return nil, func() {}, ctx.Err()
				}
				transport := transportOver(config, http2, dial)
				defer transport.CloseIdleConnections()
				leave := func(path, body string) {
					ctx, hangUp := context.WithCancel(t.Context())
					request, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, "https://"+certtest.Host+path, strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					var left sync.WaitGroup
					left.Go(func() {
						if a, err := transport.RoundTrip(request); err == nil {
							_ = a.Body.Close()
							t.Error("there was an answer")
						}
					})
					synctest.Wait() // the handler waits
					hangUp()
					left.Wait()
					synctest.Wait() // the server knows
				}
				for path, body := range map[string]string{"/v1/sinks/billing/pull?stream=orders": `{"wait":"20s"}`, "/v1/streams/orders/events": `{"data":1}`} {
					leave(path, body)
					if len(ended) != 1 {
						t.Fatalf("%s goes on though its client has left", path)
					}
					<-ended
				}
			})
		})
	}
}
