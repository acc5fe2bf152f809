package broker

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// live is the hub's one pub/sub connection. What is wanted is kept apart from
// what the present connection has been told, so a new connection takes up where
// the old one was.
type live struct {
	client redis.UniversalClient
	log    *slog.Logger
	hear   func(channel, payload string) // must not block
	urgent []string                      // channels that are subscribed to before others; set before run

	mu       sync.Mutex               // protects the fields below
	channels map[string]*subscription // desired state
	dirty    map[string]struct{}      // channels of which the connection may have to be told
	awaited  int                      // confirmations to come, of all
	asked    time.Time                // when they were asked for
	conn     *redis.PubSub            // nil while there is none

	changed chan struct{} // one slot: desired state differs from what was sent
	heard   atomic.Int64  // when anything came last, or conn was made; Unix ns
	pings   atomic.Int64  // when the last ping was sent that was answered; Unix ns
}

func newLive(client redis.UniversalClient, log *slog.Logger, hear func(channel, payload string)) *live {
	return &live{
		client: client, log: log, hear: hear,
		channels: map[string]*subscription{}, dirty: map[string]struct{}{}, changed: make(chan struct{}, 1),
	}
}

// write tells the connection what has changed; changes that come while it
// writes go together. In between it asks for a sign of life.
func (l *live) write(ctx context.Context) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		ping := false
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		case <-ticker.C:
			ping = true
		}
		conn, on, off := l.changes()
		var err error
		switch {
		case conn == nil || !ping:
		case l.unconfirmed():
			err = errUnconfirmed
		default:
			err = conn.Ping(ctx, strconv.FormatInt(time.Now().UnixNano(), 10))
		}
		if len(on) > 0 && err == nil {
			err = conn.Subscribe(ctx, on...)
		}
		if len(off) > 0 && err == nil {
			err = conn.Unsubscribe(ctx, off...)
		}
		if err != nil {
			_ = conn.Close() // run makes a new one
		}
	}
}

// run keeps a connection and hears what comes over it.
func (l *live) run(ctx context.Context) {
	for failures := 0; !ended(ctx); {
		worked, err := l.receive(ctx, l.dial(ctx))
		if ended(ctx) {
			return
		}
		if worked {
			failures = 0
		}
		if failures++; failures == 1 {
			l.log.Warn("the pub/sub connection to Redis is lost, making a new one", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff(failures, 50*time.Millisecond, mostDelay)):
		}
	}
}

// dial opens a connection and has it subscribed to all that is wanted.
func (l *live) dial(ctx context.Context) *redis.PubSub {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = l.client.Subscribe(ctx) // connects with the first channel
	l.heard.Store(time.Now().UnixNano())
	wake(l.changed)
	return l.conn
}

// lose: the connection is gone. Who subscribes now waits for the next.
func (l *live) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.awaited = nil, 0
	for channel, s := range l.channels {
		s.sent, s.expected = false, 0
		s.reopen()
		l.dirty[channel] = struct{}{}
		l.drop(channel, s)
	}
}

// receive hears what comes over a connection until it ends; worked says whether
// anything has.
func (l *live) receive(ctx context.Context, conn *redis.PubSub) (worked bool, err error) {
	defer func() {
		l.lose()
		_ = conn.Close()
	}()
	for {
		message, err := conn.Receive(ctx)
		if err != nil {
			return worked, err
		}
		worked = true
		l.heard.Store(time.Now().UnixNano())
		switch m := message.(type) {
		case *redis.Message:
			l.hear(m.Channel, m.Payload)
		case *redis.Pong:
			if sent, err := strconv.ParseInt(m.Payload, 10, 64); err == nil {
				l.pings.Store(sent)
			}
		case *redis.Subscription:
			if m.Kind != "subscribe" {
				continue
			}
			if err := l.confirm(m.Channel); err != nil {
				return worked, err
			}
		}
	}
}

// silence is how long nothing has come over the connection, or how old it is.
func (l *live) silence() time.Duration { return time.Since(time.Unix(0, l.heard.Load())) }

var errUnconfirmed = errors.New("a subscription was not confirmed")

// unconfirmed says whether confirmations are missing that should have been before the
// answer of a ping: Redis answers in order.
func (l *live) unconfirmed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.awaited > 0 && l.pinged().After(l.asked)
}

// pinged is when the last ping was sent that was answered.
func (l *live) pinged() time.Time { return time.Unix(0, l.pings.Load()) }

// close ends the connection, so that run can end.
func (l *live) close() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}
