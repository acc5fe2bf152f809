package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/certtest"
	"eventhub/internal/redistest"
)

func TestConnectionsThatComeToNothingAreMadeEveryTenthOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		d := newDials(3, func(context.Context, string, string) (net.Conn, error) {
			made++
			return nil, errors.New("nobody there")
		})
		try := func() error {
			_, err := d.to(t.Context(), "tcp", "redis:6379")
			return err
		}
		for range 100 {
			if err := try(); !notSent(err) && made > 6 {
				t.Fatalf("it is not certain that nothing was sent: %v", err)
			}
		}
		if made != 6 {
			t.Errorf("%d connections at once, want twice the 3 of the pool", made)
		}
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			_ = try()
		}
		if made < 6+99 || made > 6+100 {
			t.Errorf("%d connections in 10 s, want 100", made-6)
		}
		d.answered("redis:6379")
		if before := made; try() == nil || made != before+1 {
			t.Error("no connection is made after one was answered")
		}
		if _, _ = d.to(t.Context(), "tcp", "another:6379"); made != 6+100+2 && made != 6+99+2 {
			t.Error("another address is held to account for this one")
		}
	})
}

func TestARedisThatIsGoneBehindABalancerIsNotDialledForEveryCommand(t *testing.T) {
	for name, way := range map[string]func(testing.TB, *redistest.Proxy) Options{
		"plain": func(_ testing.TB, p *redistest.Proxy) Options { return Options{RedisURL: p.URL()} },
		"tls":   terminated,
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr())
			options := way(t, proxy)
			config, err := options.redis()
			if err != nil {
				t.Fatal(err)
			}
			client := config.client("test", 4)
			defer client.Close()
			ask := func() error { return client.Ping(t.Context()).Err() }
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			server.Kill()
			before := proxy.Attempts()
			began := time.Now()
			for range 500 {
				if ask() == nil {
					t.Fatal("a server that is gone answers")
				}
			}
			if got, most := proxy.Attempts()-before, dialsAtOnce*4+2+int(time.Since(began)/dialEvery); got > most {
				t.Errorf("500 commands made %d connections, want at most %d", got, most)
			}
			server.Restart()
			for err := ask(); err != nil; err = ask() {
				if time.Since(began) > 10*time.Second {
					t.Fatalf("it is not found again: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
}

// terminated is the way to a proxy through what terminates TLS, whether there is a Redis
// or not.
func terminated(t testing.TB, p *redistest.Proxy) Options {
	t.Helper()
	authority := certtest.NewAuthority(t)
	pair, err := tls.X509KeyPair(authority.Issue(1, time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	var links sync.WaitGroup
	links.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			links.Go(func() { forward(conn.(*tls.Conn), p.Addr()) })
		}
	})
	t.Cleanup(links.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	return Options{RedisURL: "rediss://" + listener.Addr().String(), RedisCA: authority.PEM()}
}

// forward is one connection, until either side closes it.
func forward(conn *tls.Conn, addr string) {
	defer conn.Close()
	if conn.Handshake() != nil {
		return
	}
	to, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, to)
		_ = conn.Close()
	})
	_, _ = io.Copy(to, conn)
	_ = to.Close()
	back.Wait()
}
