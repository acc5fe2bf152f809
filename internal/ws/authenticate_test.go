package ws

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// tokens are the tokens that somebody issued.
type tokens map[string]*auth.Principal

func (t tokens) Authenticate(_ context.Context, token string) (*auth.Principal, error) {
	if who, ok := t[token]; ok {
		return who, nil
	}
	return nil, hub.Errorf(hub.CodeUnauthenticated, "the token is not good")
}

func renew(f *far, token string) { f.send(`{"type":"authenticate","ref":1,"token":"` + token + `"}`) }

func TestTokenIsRenewedInPlace(t *testing.T) {
	t.Parallel()
	for _, path := range sockets {
		issued := tokens{}
		inBubble(t, everySource(), Options{Auth: issued}, func(b *bubble) {
			began := time.Now()
			issued["second"] = someone(b.t, "jwt:ann", allowed(), began.Add(5*time.Minute))
			issued["endless"] = someone(b.t, "jwt:ann", allowed(), time.Time{})
			f := b.open(path, someone(b.t, "jwt:ann", allowed(), began.Add(time.Minute)))
			time.Sleep(31 * time.Second)
			f.expect(`{"type":"expiring","at":"` + hub.FormatTime(began.Add(time.Minute)) + `"}`)
			renew(f, "second")
			f.expect(`{"type":"ok","ref":1,"expires_at":"` + hub.FormatTime(began.Add(5*time.Minute)) + `"}`)
			time.Sleep(4 * time.Minute)
			f.expect(`{"type":"expiring","at":"` + hub.FormatTime(began.Add(5*time.Minute)) + `"}`)
			f.send(`{"type":"authenticate","token":"endless"}`) // is not answered
			renew(f, "endless")
			f.expect(`{"type":"ok","ref":1}`)
			time.Sleep(time.Hour)
			f.expect()
			if code, _, gone := f.closed(); code != 0 || gone != 0 {
				b.t.Errorf("%s: closed with %d after %s", path, code, gone)
			}
		})
	}
}

// TestTokenThatIsNotAsGoodLeavesTheSocketAsItWas: also when it is to be closed.
func TestTokenThatIsNotAsGoodLeavesTheSocketAsItWas(t *testing.T) {
	t.Parallel()
	unnamed := grant(auth.Permission{Allow: []string{"consume", "read", "publish"}, Sinks: []string{"billing"}, Streams: []string{"refunds"}},
		auth.Permission{Allow: []string{"subscribe"}, Channels: []string{"hall"}})
	wider := grant(auth.Permission{Allow: []string{"consume", "read"}, Sinks: []string{"*"}, Streams: []string{"*"}, Topics: []string{"eu.*"}},
		auth.Permission{Allow: []string{"subscribe"}, Channels: []string{"*"}})
	for _, path := range sockets {
		issued := tokens{"everybody": auth.Everybody()}
		inBubble(t, everySource(), Options{Auth: issued}, func(b *bubble) {
			began := time.Now()
			later := began.Add(time.Hour)
			issued["other"] = someone(b.t, "jwt:bob", allowed(), later)
			issued["less"] = someone(b.t, "jwt:ann", unnamed, later)
			issued["topics"] = someone(b.t, "jwt:ann", wider, later)
			issued["expired"] = someone(b.t, "jwt:ann", allowed(), began)
			f := b.open(path, someone(b.t, "jwt:ann", allowed(), began.Add(30500*time.Millisecond)))
			for token, want := range map[string]struct {
				code hub.Code
				says string
			}{
				"other":     {hub.CodeForbidden, `the token is of \"jwt:bob\", this connection of \"jwt:ann\"`},
				"everybody": {hub.CodeForbidden, `the token is of \"anonymous\"`},
				"less":      {hub.CodeForbidden, "has no permission to"},
				"topics":    {hub.CodeForbidden, "the token allows other topics of"},
				"expired":   {hub.CodeUnauthenticated, "has expired"},
				"bad":       {hub.CodeUnauthenticated, "is not good"},
			} {
				renew(f, token)
				f.refused(want.code, "1", want.says)
			}
			for fields, says := range map[string]string{
				``: "token is missing", `,"token":7`: "token is not a string", `,"token":"a","for":1`: "is not a field",
				`,"token":"` + strings.Repeat("x", tokenBytes+1) + `"`: "more than 65536 bytes",
			} {
				f.send(`{"type":"authenticate","ref":1` + fields + `}`)
				f.refused(hub.CodeInvalidRequest, "1", says)
			}
			time.Sleep(30 * time.Second)
			f.expect(`{"type":"expiring","at":"` + hub.FormatTime(began.Add(30500*time.Millisecond)) + `"}`)
			time.Sleep(time.Second)
			if code, _, _ := f.closed(); code != 4401 {
				b.t.Errorf("%s: closed with %d", path, code)
			}
		})
	}
}

// TestRenewedSocketMayWhatItsNewTokenMay: the engine and publishing go by it.
func TestRenewedSocketMayWhatItsNewTokenMay(t *testing.T) {
	t.Parallel()
	stored := &store{}
	broker := everySource()
	broker.publish = stored.publish
	issued := tokens{}
	inBubble(t, broker, Options{Auth: issued}, func(b *bubble) {
		more := allowed()
		more.Permissions = append(more.Permissions, auth.Permission{Allow: []string{"read", "publish"}, Streams: []string{"refunds"}})
		issued["more"] = someone(b.t, "jwt:ann", more, time.Time{})
		issued["fewer"] = someone(b.t, "jwt:ann", grant(auth.Permission{Allow: []string{"read"}, Streams: []string{"orders"}}), time.Time{})
		f := b.open(sockets[1], someone(b.t, "jwt:ann", allowed(), time.Time{}))
		scope := b.broker.read.Scope
		for _, test := range []struct {
			token   string
			refunds bool
		}{{"", false}, {"more", true}, {"fewer", false}} {
			if test.token != "" {
				renew(f, test.token)
				f.expect(`{"type":"ok","ref":1}`)
			}
			if _, err := scope.See("refunds"); (err == nil) != test.refunds {
				b.t.Errorf("%q: seen: %v", test.token, err)
			}
			f.send(`{"type":"publish","ref":2,"stream":"refunds","events":[{"data":1}]}`)
			if test.refunds {
				f.expect(`{"type":"ok","ref":2,"ids":["1-0"],"stream":"refunds"}`)
			} else {
				f.refused(hub.CodeForbidden, "2", `to publish the stream \"refunds\"`)
			}
		}
	})
}

// slowIssuer has to be waited for; asked gets a signal when it is.
type slowIssuer struct {
	who     *auth.Principal
	asked   chan struct{} // one slot
	answers chan struct{}
	ended   chan struct{} // one slot
}

func (i *slowIssuer) Authenticate(ctx context.Context, _ string) (*auth.Principal, error) {
	poke(i.asked)
	select {
	case <-i.answers:
		return i.who, nil
	case <-ctx.Done():
		poke(i.ended)
		return nil, ctx.Err()
	}
}

func TestSlowCheckOfATokenHoldsNothingUp(t *testing.T) {
	t.Parallel()
	issuer := &slowIssuer{}
	inBubble(t, everySource(), Options{Auth: issuer}, func(b *bubble) {
		issuer.asked, issuer.answers, issuer.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 1)
		issuer.who = someone(b.t, "jwt:ann", allowed(), time.Time{})
		f := b.open(sockets[1], issuer.who)
		renew(f, "a")
		<-issuer.asked
		f.send(`{"type":"pause","ref":2}`)
		f.expect(`{"type":"ok","ref":2}`)
		f.send(`{"type":"authenticate","ref":3,"token":"b"}`)
		f.refused(hub.CodeRateLimited, "3", "another token of this connection is being checked")
		began := time.Now()
		time.Sleep(authenticateLimit)
		f.refused(hub.CodeUnavailable, "1", "could not be checked within 10s")
		if took := time.Since(began); took != authenticateLimit {
			b.t.Errorf("it took %s", took)
		}
		renew(f, "c")
		<-issuer.asked
		issuer.answers <- struct{}{}
		f.expect(`{"type":"ok","ref":1}`)

		<-issuer.ended
		renew(f, "d") // while the socket ends
		<-issuer.asked
		began = time.Now()
		_ = f.conn.Close()
		<-issuer.ended
		<-b.broker.reader.closed
		if took := time.Since(began); took > 0 {
			b.t.Errorf("the end waited %s for a token", took)
		}
	})
}

// TestStreamThatIsBeingAddedIsKnownToARenewal: else the socket would have a stream that
// its principal may not read.
func TestStreamThatIsBeingAddedIsKnownToARenewal(t *testing.T) {
	t.Parallel()
	issued := tokens{}
	inBubble(t, everySource(), Options{Auth: issued}, func(b *bubble) {
		less := grant(auth.Permission{Allow: []string{"subscribe"}, Channels: []string{"room"}})
		more := grant(auth.Permission{Allow: []string{"subscribe"}, Channels: []string{"*"}})
		issued["less"] = someone(b.t, "jwt:ann", less, time.Time{})
		adding := make(chan struct{})
		b.broker.subscription.adding = adding
		f := b.open(broadcastPath, someone(b.t, "jwt:ann", more, time.Time{}))
		sess := only(b.server)
		f.send(`{"type":"subscribe","ref":2,"channels":["hall"]}`)
		<-adding
		if sess.having.TryLock() {
			b.t.Fatal("a principal may be adopted meanwhile")
		}
		adopted := make(chan error, 1)
		go func() { adopted <- sess.adopt(issued["less"]) }()
		adding <- struct{}{}
		if err := <-adopted; err == nil || !strings.Contains(err.Error(), `to subscribe the channel "hall"`) {
			b.t.Errorf("adopted: %v", err)
		}
		f.expect(`{"type":"ok","ref":2,"channels":["hall"]}`)
	})
}

func TestRenewedSocketCountsOnTheAccountOfItsToken(t *testing.T) {
	t.Parallel()
	issued := tokens{}
	inBubble(t, everySource(), Options{Auth: issued}, func(b *bubble) {
		g := allowed()
		g.Limits.Connections = 1
		first, second := someone(b.t, "jwt:ann", g, time.Time{}), someone(b.t, "jwt:ann", g, time.Time{})
		issued["second"] = second
		counted := func(who *auth.Principal) bool {
			leave, err := who.Account().Connect()
			if err == nil {
				leave()
			}
			return err != nil
		}
		f := b.open(sockets[1], first)
		full, _ := second.Account().Connect()
		renew(f, "second")
		f.refused(hub.CodeRateLimited, "1", "HUB_MAX_CONNECTIONS_PER_PRINCIPAL")
		if !counted(first) {
			b.t.Error("it was refused, and is counted no more")
		}
		full()
		renew(f, "second")
		f.expect(`{"type":"ok","ref":1}`)
		if counted(first) || !counted(second) {
			b.t.Error("it is counted on its former account")
		}
		renew(f, "second") // on the same
		f.expect(`{"type":"ok","ref":1}`)
		_ = f.conn.Close()
		<-b.broker.reader.closed
		synctest.Wait()
		if counted(first) || counted(second) {
			b.t.Error("it has ended, and is counted")
		}
	})
}

func TestHubThatAsksNobodyHasNoAuthenticate(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{}, func(b *bubble) {
		f := b.open(sockets[1], auth.Everybody())
		renew(f, "a")
		f.refused(hub.CodeNotSupported, "1", "asks nobody for a token")
	})
}

// panicky is broken by a token.
type panicky struct{}

func (panicky) Authenticate(context.Context, string) (*auth.Principal, error) { panic("odd token") }

func TestPanicOverATokenEndsTheSocket(t *testing.T) {
	t.Parallel()
	inBubble(t, everySource(), Options{Auth: panicky{}}, func(b *bubble) {
		f := b.open(sockets[1], auth.Everybody())
		renew(f, "a")
		<-b.broker.reader.closed
		if _, _, gone := f.closed(); gone > 0 {
			b.t.Errorf("it ended after %s", gone)
		}
	})
}
