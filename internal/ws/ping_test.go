package ws

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// raw is an upgraded connection without a client.
func (s *service) raw(path string) net.Conn {
	t, address := s.t, strings.TrimPrefix(s.url, "http://")
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	request, _ := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	var head []byte
	for !bytes.Contains(head, []byte("\r\n\r\n")) {
		part := make([]byte, 1)
		if _, err := io.ReadFull(conn, part); err != nil {
			t.Fatal(err)
		}
		head = append(head, part...)
	}
	return conn
}

// TestPongWaitsBehindALargeFrame: coder/websocket gives a pong 5 s, and then ends the
// connection.
func TestPongWaitsBehindALargeFrame(t *testing.T) {
	t.Parallel()
	large := message("room", `"`+strings.Repeat("x", 8<<20)+`"`)
	s := newService(t, &fakeBroker{subscription: newFakeSubscription(large)}, Options{WriteLimit: time.Minute})
	conn := s.raw(broadcastPath)
	var got []byte
	part := make([]byte, 1<<20)
	read := func(most int) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(part[:most])
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, part[:n]...)
	}
	for !bytes.Contains(got, []byte(eventsHead)) {
		read(100) // the frame is under way
	}
	ping := []byte{0x89, 0x82, 0, 0, 0, 0, 'h', 'i'}
	for range 2 {
		if _, err := conn.Write(ping); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(5500 * time.Millisecond) // in which it takes nothing
	for !bytes.HasSuffix(got, []byte{0x8a, 2, 'h', 'i'}) {
		read(len(part))
	}
	if !bytes.Contains(got, large.JSON) {
		t.Error("the event is not complete")
	}
}

func TestPeerThatAnswersNoPingIsEnded(t *testing.T) {
	t.Parallel()
	s := newService(t, &fakeBroker{subscription: newFakeSubscription()}, Options{WriteLimit: 100 * time.Millisecond, PingEvery: 100 * time.Millisecond})
	conn := s.raw(broadcastPath)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if pings := bytes.Count(got, []byte{0x89, 0}); pings != 1 {
		t.Errorf("it was sent %d pings: %q", pings, got)
	}
}

func TestSocketThatAnswersPingsStays(t *testing.T) {
	t.Parallel()
	s := newService(t, &fakeBroker{subscription: newFakeSubscription()}, Options{WriteLimit: 100 * time.Millisecond, PingEvery: 100 * time.Millisecond})
	p := s.dial(broadcastPath).ready()
	next := make(chan string, 1)
	go func() { next <- p.next() }() // which answers pings
	<-time.After(time.Second)
	s.broker.subscription.set(func() { s.broker.subscription.next = []*hub.Message{message("room", "1")} })
	if frame := receive(t, next, "an event"); frame != eventsHead+"1]}" {
		t.Errorf("got %s", frame)
	}
}

// TestPeerThatTakesALargeFrameSlowlyMayAnswerBehindIt: the ping is on its way to it
// while the kernel has all.
func TestPeerThatTakesALargeFrameSlowlyMayAnswerBehindIt(t *testing.T) {
	t.Parallel()
	large := message("room", `"`+strings.Repeat("x", 3<<20)+`"`)
	s := newService(t, &fakeBroker{subscription: newFakeSubscription(large)}, Options{WriteLimit: 500 * time.Millisecond, PingEvery: 500 * time.Millisecond})
	conn := s.raw(broadcastPath)
	if err := conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
		t.Fatal(err)
	}
	var got []byte
	part := make([]byte, 64<<10)
	for !bytes.HasSuffix(got, []byte{finalPing, 0}) {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(part)
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, part[:n]...)
		<-time.After(time.Duration(n) * time.Second / (2 << 20)) // as a line of 2 MiB/s does
	}
	if !bytes.Contains(got, large.JSON) {
		t.Error("the event did not come before the ping")
	}
}
