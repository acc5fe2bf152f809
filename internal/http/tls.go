package http

import (
	"crypto/tls"
	"net/http"
	"time"
)

// What one HTTP/2 connection may have.
const (
	streamsAtOnce = 250 // requests, event streams among them
	// Nothing tells that the peer of a silent connection is gone, unless it is asked:
	// so as often as a WebSocket's.
	silence     = 25 * time.Second
	answerAPing = 15 * time.Second
)

// secure has a server speak TLS, and HTTP/2 with clients that can: event streams and
// requests of one browser then share a connection, of which it makes six for HTTP/1.1,
// so that six tabs with an event stream would leave none. WebSockets come over
// connections of their own: clients ask for HTTP/1.1 there, as extended CONNECT
// (RFC 8441) is not offered.
func secure(server *http.Server, opts *Options) {
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: opts.Certificate}
	server.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: streamsAtOnce, SendPingTimeout: silence, PingTimeout: answerAPing, WriteByteTimeout: opts.WriteLimit,
	}
}
