package ws

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

const (
	// authenticateLimit is how long a token may take to be checked, as its issuer may
	// have to be asked for a key.
	authenticateLimit = 10 * time.Second
	// tokenBytes bounds a token, as the headers of a request do by default.
	tokenBytes = 64 << 10
)

// renewal checks the tokens of a socket, one at a time, while its commands are read on.
type renewal struct {
	ctx     context.Context // ends with the socket
	giveUp  context.CancelFunc
	working sync.WaitGroup
	busy    atomic.Bool
}

// close waits until nothing is checked any more.
func (r *renewal) close() {
	if r != nil {
		r.giveUp()
		r.working.Wait()
	}
}

// authenticate takes a token in place of the one that the socket came with.
func (s *session) authenticate(c *command) error {
	f := c.read("token")
	token := f.text("token")
	switch {
	case !f.has("token"):
		f.wrong("token is missing")
	case len(token) > tokenBytes:
		f.wrong("token has more than %d bytes", tokenBytes)
	}
	if err := f.err(); err != nil {
		return err
	}
	if s.server.opts.Auth == nil {
		return hub.Errorf(hub.CodeNotSupported, "this hub asks nobody for a token")
	}
	if s.renewal == nil {
		r := &renewal{}
		r.ctx, r.giveUp = context.WithCancel(context.Background())
		s.renewal = r
	}
	if s.renewal.busy.Swap(true) {
		return hub.Errorf(hub.CodeRateLimited, "another token of this connection is being checked: wait for the answer")
	}
	s.begin(c, 0)
	s.renewal.working.Go(func() {
		defer s.server.rescue(s) // finished waits for it
		s.renew(c, token)
	})
	return nil
}

// renew answers the command.
func (s *session) renew(c *command, token string) {
	ctx, cancel := context.WithTimeout(s.renewal.ctx, authenticateLimit)
	defer cancel()
	who, err := s.server.opts.Auth.Authenticate(ctx, token)
	if err == nil {
		err = s.adopt(who)
	} else if ctx.Err() != nil {
		err = errUnchecked
	}
	s.renewal.busy.Store(false)
	s.answer(c, err, func(dst []byte) []byte {
		if at := who.Expires(); !at.IsZero() {
			dst = appendString(dst, "expires_at", hub.FormatTime(at))
		}
		return dst
	})
}

var errUnchecked = &hub.Error{
	Code: hub.CodeUnavailable, RetryAfter: time.Second,
	Detail: "the token could not be checked within " + hub.FormatDuration(authenticateLimit) + ": send it again",
}

// adopt has the socket served for another principal: who was known so far, and may see
// all that the socket does, neither more nor less of it. Otherwise the socket stays as
// it is.
func (s *session) adopt(who *auth.Principal) error {
	s.having.Lock()
	defer s.having.Unlock()
	was, is := s.identity.Load(), s.identify(who)
	if err := who.Ended(time.Now()); err != nil {
		return err
	}
	if who.ID() != was.who.ID() {
		return hub.Errorf(hub.CodeForbidden, "the token is of %q, this connection of %q: connect again to be another", who.ID(), was.who.ID())
	}
	if err := s.sameSight(was.scope, is.scope); err != nil {
		return err
	}
	if account := who.Account(); account != was.who.Account() {
		leave, err := account.Connect()
		if err != nil {
			return err
		}
		s.leave()
		s.leave = leave
	}
	s.identity.Store(is)
	return nil
}

// sameSight makes sure that what the socket reads is seen alike in both scopes: what the
// engine was told of topics, it goes by.
func (s *session) sameSight(was, is hub.Scope) error {
	if was == nil && is == nil {
		return nil
	}
	if was == nil || is == nil {
		return hub.Errorf(hub.CodeForbidden, "the token's permissions are of another kind than those of this connection: connect again")
	}
	for _, name := range s.source.names() {
		topics, err := is.See(name)
		if err != nil {
			return err
		}
		before, err := was.See(name)
		if err != nil {
			return err
		}
		if !slices.Equal(sorted(topics), sorted(before)) {
			return hub.Errorf(hub.CodeForbidden, "the token allows other topics of %q than this connection has: connect again", name)
		}
	}
	return nil
}

// sorted is a set of patterns, in one order.
func sorted(patterns []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(patterns)))
}
