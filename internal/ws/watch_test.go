package ws

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// fragment is part of a message: of a text where it is the first.
func fragment(first, final bool, payload string) []byte {
	head := byte(0)
	if first {
		head = 0x01
	}
	if final {
		head |= 0x80
	}
	return masked(head, []byte(payload))
}

// closedBy makes sure that a socket was closed for this limit, with the error first.
func (b *bubble) closedBy(f *far, limit string, code int, errorCode hub.Code) {
	b.t.Helper()
	closed, _, _ := f.closed()
	frames := f.take()
	if closed != code || len(frames) != 1 || !strings.HasPrefix(frames[0], `{"type":"error","code":"`+string(errorCode)+`"`) || b.limited.get(limit) != 1 {
		b.t.Errorf("closed with %d after %q, counted %d times; want %d", closed, frames, b.limited.get(limit), code)
	}
}

func TestPingFloodEndsTheSocket(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string][]byte{"ping": masked(finalPing, nil), "pong": masked(finalPong, []byte("x"))} {
		inBubble(t, everySource(), Options{}, func(b *bubble) {
			f := b.open(sockets[1], auth.Everybody())
			// As many as are allowed, at once and from then on.
			if err := f.write(bytes.Repeat(frame, controlAtOnce)); err != nil {
				b.t.Fatal(err)
			}
			for range 3 * controlPerSecond {
				time.Sleep(time.Second / controlPerSecond)
				if err := f.write(frame); err != nil {
					b.t.Fatal(err)
				}
			}
			f.expect()
			f.send(`{"type":"pause","ref":1}`)
			f.expect(`{"type":"ok","ref":1}`)
			_ = f.write(bytes.Repeat(frame, 2))
			b.closedBy(f, limitPings, 4429, hub.CodeRateLimited)
			if name == "pong" && f.pings > 0 {
				b.t.Error("it was asked for them")
			}
		})
	}
}

// TestFloodThatGoesOnCostsLittle: also of a peer that says no goodbye. Whoever finishes
// with a socket waits by a mutex for the parting, for which a bubble's clock would stop.
func TestFloodThatGoesOnCostsLittle(t *testing.T) {
	t.Parallel()
	b := &bubble{t: t, server: NewServer(everySource(), Options{})}
	defer b.server.Close()
	conn, err := b.try(sockets[1], auth.Everybody())
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, conn)
	}()
	pings, reads := bytes.Repeat(masked(finalPing, nil), 10), 0
	for ; err == nil; reads++ { // as it is a pipe, for each write
		_, err = conn.Write(pings)
	}
	receive(t, read, "the end of the connection")
	if most := 2 * int(closeLimit/floodPause); reads > most {
		t.Errorf("it was read %d times, want at most %d", reads, most)
	}
}

// TestWhoFloodsTheNetworkIsTold: what it still sends does not keep the close frame from it.
func TestWhoFloodsTheNetworkIsTold(t *testing.T) {
	t.Parallel()
	s := newService(t, everySource(), Options{})
	conn := s.raw(broadcastPath)
	pings := bytes.Repeat(masked(finalPing, []byte("ping")), 1000)
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		for {
			if _, err := conn.Write(pings); err != nil {
				return
			}
		}
	}()
	var got []byte
	part := make([]byte, 4<<10)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	for !bytes.Contains(got, []byte{4429 >> 8, 4429 & 0xff}) {
		n, err := conn.Read(part)
		if got = append(got, part[:n]...); err != nil {
			t.Fatalf("it ended with %v after %q", err, got)
		}
	}
	if !bytes.Contains(got, []byte(`{"type":"error","code":"rate_limited","detail":"more than 50 pings and pongs came in a second"}`)) {
		t.Errorf("it was sent %q", got)
	}
	receive(t, flooded, "the end of the connection")
}

func TestFloodOfTinyFragmentsEndsTheSocket(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{"empty": "", "tiny": " "} {
		inBubble(t, everySource(), Options{}, func(b *bubble) {
			f := b.open(sockets[1], auth.Everybody())
			flood := bytes.Repeat(fragment(false, false, payload), freeFragments+fragmentsAtOnce-1)
			message := append(append(fragment(true, false, payload), flood...), fragment(false, true, `{"type":"pause","ref":1}`)...)
			if err := f.write(message); err != nil {
				b.t.Fatal(err)
			}
			f.expect(`{"type":"ok","ref":1}`)
			// Now none is left, but for those that any message may have.
			small := append(bytes.Repeat(fragment(false, false, payload), freeFragments-1), fragment(false, true, `{"type":"pause"}`)...)
			small = append(fragment(true, false, payload), small...)
			for range 100 {
				if err := f.write(small); err != nil {
					b.t.Fatal(name, err)
				}
			}
			f.expect()
			_ = f.write(bytes.Repeat(append(fragment(true, false, ""), small[len(fragment(true, false, payload)):]...), 1))
			f.expect()
			_ = f.write(append(fragment(true, false, ""), bytes.Repeat(fragment(false, false, payload), freeFragments+1)...))
			b.closedBy(f, limitFragments, 4429, hub.CodeRateLimited)
		})
	}
}

// TestMessageInPiecesOfABufferIsNoFlood: as clients that write through one send it.
func TestMessageInPiecesOfABufferIsNoFlood(t *testing.T) {
	t.Parallel()
	stored := &store{}
	broker := everySource()
	broker.publish = stored.publish
	inBubble(t, broker, Options{}, func(b *bubble) {
		f := b.open(sockets[1], auth.Everybody())
		for range 3 {
			piece := strings.Repeat("x", smallFragment)
			message := fragment(true, false, `{"type":"publish","ref":1,"stream":"orders","events":[`)
			for i := range 7 {
				begin := `{"data":"`
				if i > 0 {
					begin = "," + begin
				}
				message = append(message, fragment(false, false, begin)...)
				message = append(message, bytes.Repeat(fragment(false, false, piece), 1000)...)
				message = append(message, fragment(false, false, `"}`)...)
			}
			if err := f.write(append(message, fragment(false, true, `]}`)...)); err != nil {
				b.t.Fatal(err)
			}
		}
		synctest.Wait()
		if frames := f.take(); len(frames) != 3 || len(stored.events) != 21 {
			b.t.Errorf("answered %q", frames)
		}
	})
}

// drips are messages that do not come to an end.
var drips = map[string][]byte{
	"payload":   masked(finalText, []byte(`{"type":"pause","ref":"`+strings.Repeat("x", 200)+`"}`)),
	"header":    {finalText, 0x80 | 127, 0, 0, 0},
	"fragments": append(fragment(true, false, "{"), bytes.Repeat(fragment(false, false, " "), 10)...),
	"pings":     append(fragment(true, false, "{"), bytes.Repeat(masked(finalPing, nil), 20)...),
}

func TestMessageThatNeverEndsEndsTheSocket(t *testing.T) {
	t.Parallel()
	for name, frames := range drips {
		for role, path := range sockets {
			inBubble(t, everySource(), Options{}, func(b *bubble) {
				f := b.open(path, auth.Everybody())
				f.ignore()     // it writes no frame into the middle of another
				if role == 0 { // what came before does not count
					f.send(`{"type":"pause"}`)
				}
				began := time.Now()
				for i := range frames {
					if f.write(frames[i:i+1]) != nil {
						break
					}
					time.Sleep(5 * time.Second)
				}
				time.Sleep(time.Minute)
				b.closedBy(f, limitMessageTime, 4408, hub.CodeSlowConsumer)
				took := f.opened.Add(f.gone).Sub(began)
				if most := 30*time.Second + 2*keepInterval + closeLimit; took < 30*time.Second || took > most {
					b.t.Errorf("%s: it ended after %s", name, took)
				}
			})
		}
	}
}

func TestMessageThatTakesItsTimeIsDone(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{PingEvery: time.Hour}, func(b *bubble) {
		f := b.open(sockets[1], auth.Everybody())
		message := masked(finalText, []byte(`{"type":"pause","ref":1}`))
		for range 5 { // of which each has its time, also where it begins with the last's end
			_ = f.write(message[:1])
			time.Sleep(29 * time.Second)
			if err := f.write(append(bytes.Clone(message[1:]), message[0])); err != nil {
				b.t.Fatal(err)
			}
			f.expect(`{"type":"ok","ref":1}`)
			time.Sleep(29 * time.Second)
			if err := f.write(message[1:]); err != nil {
				b.t.Fatal(err)
			}
			f.expect(`{"type":"ok","ref":1}`)
		}
	})
}

// TestTimeInWhichTheHubDoesNotReadIsNotTheClients: a message waits in its buffer.
func TestTimeInWhichTheHubDoesNotReadIsNotTheClients(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{PingEvery: time.Hour}, func(b *bubble) {
		adding := make(chan struct{})
		b.broker.subscription.adding = adding
		f := b.open(broadcastPath, auth.Everybody())
		whole, half := masked(finalText, []byte(`{"type":"subscribe","ref":1,"channels":["a"]}`)), 20
		if err := f.write(append(bytes.Clone(whole), whole[:half]...)); err != nil {
			b.t.Fatal(err)
		}
		<-adding
		time.Sleep(40 * time.Second) // in which the first is not done
		adding <- struct{}{}
		f.expect(`{"type":"ok","ref":1,"channels":["a"]}`)
		time.Sleep(29 * time.Second)
		if err := f.write(whole[half:]); err != nil {
			b.t.Fatal(err)
		}
		<-adding
		adding <- struct{}{}
		f.expect(`{"type":"ok","ref":1,"channels":["a"]}`)
	})
}

// TestHalfOpenPeersAreFoundWithinAMinute: at worst the peer went right after a pong.
func TestHalfOpenPeersAreFoundWithinAMinute(t *testing.T) {
	t.Parallel()
	for _, path := range sockets {
		inBubble(t, everySource(), Options{}, func(b *bubble) {
			f := b.open(path, auth.Everybody())
			for pings := 0; pings < 3; {
				time.Sleep(keepInterval / 5)
				synctest.Wait()
				f.mu.Lock()
				pings = f.pings
				f.mu.Unlock()
			}
			f.ignore()
			last := time.Since(f.opened)
			time.Sleep(2 * time.Minute)
			if _, _, gone := f.closed(); gone == 0 || gone-last > 57*time.Second {
				b.t.Errorf("%s: found after %s (at %s)", path, gone-last, gone)
			}
		})
	}
}
