package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// httpConn is a keep-alive connection of an HTTP client that does the least:
// the cores are wanted for what is measured.
type httpConn struct {
	net.Conn
	buf []byte // the answer, reused
}

func dialHTTP(ctx context.Context, addr string) (*httpConn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	// One deadline for all requests: one for each would cost more than the request.
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	} else {
		_ = conn.SetDeadline(time.Now().Add(runLimit))
	}
	return &httpConn{Conn: conn, buf: make([]byte, 0, 16<<10)}, nil
}

func (c *httpConn) close() { _ = c.Close() }

func eventsPath(stream string) string { return "/v1/streams/" + stream + "/events" }

func broadcastPath(channel string) string { return "/v1/broadcast/" + channel }

func subscribePath(channel string) string { return "/v1/broadcast/ws?channel=" + channel }

func postRequest(addr, path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, addr, len(body), body)
}

// do sends a request and reads the answer, whose body is good until the next
// call. Another status than want is an error.
func (c *httpConn) do(request []byte, want int) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	return c.answer(want)
}

func (c *httpConn) answer(want int) ([]byte, error) {
	c.buf = c.buf[:0]
	for {
		if len(c.buf) == cap(c.buf) {
			c.buf = append(c.buf, 0)[:len(c.buf)]
		}
		n, err := c.Read(c.buf[len(c.buf):cap(c.buf)])
		if err != nil {
			return nil, err
		}
		c.buf = c.buf[:len(c.buf)+n]
		status, body, ok := parseAnswer(c.buf)
		if !ok {
			continue
		}
		if status != want {
			return nil, fmt.Errorf("answered %d instead of %d: %.300s", status, want, body)
		}
		return body, nil
	}
}

// parseAnswer reads a response of net/http; ok is false while it is incomplete.
// A body in chunks is returned as it came, which is good enough to look for ids.
func parseAnswer(b []byte) (status int, body []byte, ok bool) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil, false
	}
	head := b[:end+2]
	if body = b[end+4:]; len(head) >= len("HTTP/1.1 200") {
		status, _ = strconv.Atoi(string(head[9:12]))
	}
	if text, found := headerValue(head, "\r\nContent-Length: "); found {
		n, err := strconv.Atoi(string(text))
		return status, body, err == nil && len(body) >= n
	}
	if _, found := headerValue(head, "\r\nTransfer-Encoding: chunked"); found {
		return status, body, bytes.HasSuffix(body, []byte("0\r\n\r\n"))
	}
	return status, body, true
}

func headerValue(head []byte, name string) ([]byte, bool) {
	at := bytes.Index(head, []byte(name))
	if at < 0 {
		return nil, false
	}
	value := head[at+len(name):]
	return value[:bytes.IndexByte(value, '\r')], true
}
