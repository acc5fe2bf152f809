package http_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// overPipesAs is overPipes for who shows the token "good"; who is made in the bubble.
func overPipesAs(t *testing.T, who func(t *testing.T) *auth.Principal, test func(t *testing.T, e *edge, r *fakeReader, dial func(query string) io.Reader)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newEdgeWith(t, http.Options{Auth: knowing("good", who(t))})
		r := newFakeReader()
		r.closed = make(chan struct{}, 10)
		e.broker.give(r)
		pipes := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.server.Run(ctx, pipes, time.Second, func(context.Context) {}) }()
		var conns []net.Conn
		test(t, e, r, func(query string) io.Reader {
			conn := pipes.dial()
			conns = append(conns, conn)
			header := ""
			if !strings.Contains(query, "ticket=") {
				header = "Authorization: Bearer good\r\n"
			}
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: hub\r\n%s\r\n", readerPath+query, header); err != nil {
				t.Fatal(err)
			}
			gets(t, conn, "HTTP/1.0 200 OK\r\n", 0)
			head(t, conn)
			return conn
		})
		for _, conn := range conns {
			_ = conn.Close()
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// head reads up to the end of an answer's header.
func head(t *testing.T, conn io.Reader) {
	t.Helper()
	text := ""
	for !strings.HasSuffix(text, "\r\n\r\n") {
		var one [1]byte
		if _, err := io.ReadFull(conn, one[:]); err != nil {
			t.Fatalf("the header is %q (%v)", text, err)
		}
		text += string(one[:])
	}
}

// ends makes sure that nothing more comes but this, so long after the last.
func ends(t *testing.T, from io.Reader, want string, least, most time.Duration) {
	t.Helper()
	began := time.Now()
	text, err := io.ReadAll(from)
	if got := strings.ReplaceAll(string(text), ": \n\n", ""); err != nil || !strings.HasPrefix(got, want) {
		t.Errorf("at the end there is %q (%v), want %q", text, err, want)
	}
	if took := time.Since(began); took < least || took > most {
		t.Errorf("the end came after %s, want %s to %s", took, least, most)
	}
}

func expiring(in time.Duration) func(t *testing.T) *auth.Principal {
	return func(t *testing.T) *auth.Principal {
		return granted(t, time.Now().Add(in), auth.Limits{}, everything)
	}
}

const unauthenticated = "event: hub.error\ndata: {\"code\":\"unauthenticated\","

func TestEventStreamIsToldBeforeItsTokenExpiresAndEndsWhenItDoes(t *testing.T) {
	t.Parallel()
	overPipesAs(t, expiring(100*time.Second), func(t *testing.T, _ *edge, _ *fakeReader, dial func(string) io.Reader) {
		at := hub.FormatTime(time.Now().Add(100 * time.Second))
		body := dial("")
		gets(t, body, ": \n\n"+place(0), 0)
		for range 4 {
			gets(t, body, ": \n\n", 15*time.Second)
		}
		gets(t, body, fmt.Sprintf("event: hub.expiring\ndata: {\"at\":%q}\n\n", at), 10*time.Second)
		ends(t, body, unauthenticated, 30*time.Second, 30*time.Second)
	})
}

// A token is taken for a minute longer, as clocks differ, but nothing begins by it that
// would have to end at once: an EventSource would come again and again.
func TestNoEventStreamBeginsByATokenThatHasExpired(t *testing.T) {
	t.Parallel()
	for _, path := range []string{readerPath, "/v1/broadcast/sse?channel=room-1"} {
		e := newEdgeWith(t, http.Options{Auth: knowing("good", granted(t, time.Now().Add(-time.Second), auth.Limits{}, everything))})
		e.call("GET", path, "", "Authorization: Bearer good").problem(hub.CodeUnauthenticated)
	}
}

func TestShortTokenIsToldToExpireAtOnce(t *testing.T) {
	t.Parallel()
	overPipesAs(t, expiring(2500*time.Millisecond), func(t *testing.T, _ *edge, _ *fakeReader, dial func(string) io.Reader) {
		body := dial("")
		gets(t, body, ": \n\nevent: hub.expiring\n", 0)
		ends(t, body, "data: ", 2500*time.Millisecond, 2500*time.Millisecond)
	})
}

// A stream that is never silent has no rest in which to look.
func TestBusyEventStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	overPipesAs(t, expiring(time.Minute), func(t *testing.T, _ *edge, r *fakeReader, dial func(string) io.Reader) {
		body := dial("")
		ctx, stop := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		busy.Go(func() {
			for n := uint64(0); ctx.Err() == nil; n++ {
				time.Sleep(10 * time.Millisecond)
				r.set(func() { r.next = []hub.Reading{reading(n, n+1)} })
			}
		})
		defer busy.Wait()
		defer stop()
		began := time.Now()
		text, err := io.ReadAll(body)
		if took := time.Since(began); err != nil || took < time.Minute || took > time.Minute+20*time.Millisecond {
			t.Errorf("it has ended after %s (%v), want a minute", took, err)
		}
		if strings.Count(string(text), "hub.expiring") != 1 || !strings.Contains(string(text), unauthenticated) {
			t.Errorf("it ends with %q", text[max(0, len(text)-200):])
		}
	})
}

func TestRevokedAndChangedKeysEndTheirEventStreams(t *testing.T) {
	t.Parallel()
	for code, want := range map[hub.Code]string{
		hub.CodeUnauthenticated: unauthenticated, hub.CodeUnavailable: "event: hub.error\ndata: {\"code\":\"unavailable\",",
	} {
		var principal *auth.Principal
		key := func(t *testing.T) *auth.Principal {
			principal = may(t, everything)
			return principal
		}
		overPipesAs(t, key, func(t *testing.T, _ *edge, r *fakeReader, dial func(string) io.Reader) {
			body := dial("")
			gets(t, body, ": \n\n"+place(0), 0)
			for range 10 {
				gets(t, body, ": \n\n", 15*time.Second)
			}
			principal.End(hub.Errorf(code, "it was taken away"))
			ends(t, body, want, 0, 5*time.Second)
			<-r.closed
		})
	}
}

func TestEventStreamThatComesAgainEndsTheOneBefore(t *testing.T) {
	t.Parallel()
	overPipesAs(t, func(t *testing.T) *auth.Principal { return may(t, everything) }, func(t *testing.T, e *edge, r *fakeReader, dial func(string) io.Reader) {
		query := "&ticket=" + madeTicket(t, e)
		first := dial(query)
		gets(t, first, ": \n\n"+place(0), 0)
		e.call("GET", readerPath+query, "").problem(hub.CodeUnauthenticated) // it is held
		time.Sleep(5 * time.Second)
		second := dial(query)
		gets(t, second, ": \n\n"+place(0), 0)
		ends(t, first, unauthenticated, 0, 20*time.Second)
		<-r.closed
		beats := make([]byte, len(": \n\n")*10)
		if _, err := io.ReadFull(second, beats); err != nil || strings.Contains(string(beats), "hub.error") {
			t.Errorf("who came last goes on with %q (%v)", beats, err)
		}
	})
}

func TestRedisThatIsAwayEndsNoEventStream(t *testing.T) {
	t.Parallel()
	overPipesAs(t, func(t *testing.T) *auth.Principal { return may(t, everything) }, func(t *testing.T, e *edge, _ *fakeReader, dial func(string) io.Reader) {
		body := dial("&ticket=" + madeTicket(t, e))
		gets(t, body, ": \n\n"+place(0), 0)
		e.broker.fakeTickets.set(func() { e.broker.down = hub.Errorf(hub.CodeUnavailable, "away") })
		for range 10 {
			gets(t, body, ": \n\n", 15*time.Second)
		}
	})
}

func TestConnectionsOfOnePrincipalAreBounded(t *testing.T) {
	t.Parallel()
	overPipesAs(t, func(t *testing.T) *auth.Principal {
		return granted(t, noEnd, auth.Limits{Connections: 2}, everything)
	}, func(t *testing.T, e *edge, r *fakeReader, dial func(string) io.Reader) {
		first := dial("")
		dial("")
		for _, path := range []string{readerPath, broadcastPath} {
			e.call("GET", path, "", "Authorization: Bearer good").problem(hub.CodeRateLimited)
		}
		conn, ok := first.(net.Conn)
		if !ok {
			t.Fatal("no connection")
		}
		_ = conn.Close()
		<-r.closed
		synctest.Wait()
		dial("")
	})
}
