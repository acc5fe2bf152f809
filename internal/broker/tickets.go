package broker

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Bounds of a ticket that comes again.
const (
	ticketPause = 5 * time.Second // from one use to the next, while its user has not left
	ticketLife  = 24 * time.Hour  // from its making to its last use, whatever its principal
	// ticketReturn is how long one is kept for who has left: of those who never come back
	// there may be many.
	ticketReturn = time.Hour
)

// PutTicket keeps a ticket for all hubs, under the hash of its text, which Redis is not
// to know. It expires at its Expires unless it is used before; in a place it may be used
// until its Until, at most for 24 h.
//
// Errors: CodeUnavailable, CodeStorageFull.
func (b *Broker) PutTicket(ctx context.Context, hash string, t hub.Ticket) error {
	key := b.keys.ticket(hash)
	life := ticketLife
	if !t.Until.IsZero() {
		life = min(life, time.Until(t.Until))
	}
	cmd := ticketPutScript.call([]string{key}, string(t.Principal), t.Origin, time.Until(t.Expires).Milliseconds(), life.Milliseconds())
	return readFailure(b.work(ctx, key, cmd), "keeping the ticket") // one that nobody knows of harms nobody
}

// TakeTicket uses a ticket: of any number of callers, on all hubs, one gets it. Without a
// place that is its end. With one it may be used again for the same place: once who used it
// last has left (LeaveTicket), or 5 s after that use. turn counts its uses. The ticket's
// times are by this hub's clock.
//
// Errors: CodeUnauthenticated where there is no such ticket, or not for this place;
// CodeUnavailable, with which it may have been used.
func (b *Broker) TakeTicket(ctx context.Context, hash, place string) (t hub.Ticket, turn int64, err error) {
	const doing = "using the ticket"
	key := b.keys.ticket(hash)
	cmd := ticketTakeScript.call([]string{key}, placeName(place), ticketPause.Milliseconds())
	if err := b.work(ctx, key, cmd); err != nil {
		return t, 0, readFailure(err, doing)
	}
	answer, err := cmd.Slice()
	switch {
	case err != nil:
		return t, 0, readFailure(err, doing)
	case len(answer) == 0:
		return t, 0, hub.Errorf(hub.CodeUnauthenticated, "the ticket is unknown, has expired, or was used before: ask for another by POST /v1/tickets")
	case len(answer) != 5:
		return t, 0, readFailure(errAnswer, doing)
	}
	texts := words(answer)
	now := time.Now()
	after := func(ms string) time.Time {
		n, _ := strconv.ParseInt(ms, 10, 64)
		return now.Add(time.Duration(n) * time.Millisecond)
	}
	t = hub.Ticket{Principal: []byte(texts[0]), Origin: texts[1], Expires: after(texts[2]), Until: after(texts[3])}
	return t, number(answer[4]), nil
}

// HoldsTicket says whether nobody else has used the ticket since that turn. Nobody can
// use one that is gone.
//
// Errors: CodeUnavailable.
func (b *Broker) HoldsTicket(ctx context.Context, hash string, turn int64) (bool, error) {
	key := b.keys.ticket(hash)
	cmd := command("hget", key, "turn")
	err := b.work(ctx, key, cmd)
	if errors.Is(err, redis.Nil) {
		return true, nil
	}
	text, _ := cmd.Text()
	return text == strconv.FormatInt(turn, 10), readFailure(err, "looking at the ticket")
}

// LeaveTicket lets the ticket be used again at once, if nobody else has used it since
// that turn, for an hour at most.
//
// Errors: CodeUnavailable.
func (b *Broker) LeaveTicket(ctx context.Context, hash string, turn int64) error {
	key := b.keys.ticket(hash)
	return readFailure(b.work(ctx, key, ticketLeaveScript.call([]string{key}, turn, ticketReturn.Milliseconds())), "leaving the ticket")
}

// placeName is short, as a place may be a long path and query.
func placeName(place string) string {
	if place == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(place))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
