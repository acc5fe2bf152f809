package broker

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Each hub tells the others how many subscribers the channels have there, in a
// sorted set of "<channel> <subscribers>", all with the score 0: so they are in the
// order of the channels' names, in which no blank can be.
const (
	occupancyInterval = time.Second
	// occupancyTTL ends what a hub has told that is dead.
	occupancyTTL = 4 * time.Second
	// occupancyPiece bounds the channels of one command.
	occupancyPiece = 500
)

// occupancy is what this hub has told. It belongs to occupy.
type occupancy struct {
	told  map[string]int
	wrong bool // what Redis has may be another than told
}

// occupy tells how many subscribers the channels have here, as long as any has.
func (b *Broker) occupy(ctx context.Context) {
	ticker := time.NewTicker(occupancyInterval)
	defer ticker.Stop()
	o := occupancy{told: map[string]int{}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.tellOccupancy(ctx, &o)
		}
	}
}

func (b *Broker) tellOccupancy(ctx context.Context, o *occupancy) {
	changed := b.fan.takeChanged()
	if len(changed) == 0 && len(o.told) == 0 && !o.wrong {
		return
	}
	key := b.keys.channels(b.name)
	expire := command("pexpire", key, occupancyTTL.Milliseconds())
	err := b.work(ctx, key, expire)
	if err != nil || o.wrong || expire.Val() == int64(0) { // it is new, or was lost
		changed, o.told, o.wrong = b.fan.occupied(), map[string]int{}, true
	}
	if err == nil {
		err = b.rewrite(ctx, key, o, changed)
	}
	o.wrong = err != nil
}

// rewrite has Redis know of the channels that have changed; where what it has is
// wrong, these are all.
func (b *Broker) rewrite(ctx context.Context, key string, o *occupancy, changed map[string]int) error {
	if o.wrong {
		if err := b.work(ctx, key, command("del", key)); err != nil {
			return err
		}
	}
	var gone, come []any
	send := func() error {
		var cmds []redis.Cmder
		if len(gone) > 0 {
			cmds = append(cmds, command(append([]any{"zrem", key}, gone...)...))
		}
		if len(come) > 0 {
			cmds = append(cmds, command(append([]any{"zadd", key}, come...)...), command("pexpire", key, occupancyTTL.Milliseconds()))
		}
		gone, come = nil, nil
		return b.work(ctx, key, cmds...)
	}
	for channel, now := range changed {
		before := o.told[channel]
		if now == before {
			continue
		}
		if before > 0 {
			gone = append(gone, occupancyMember(channel, before))
		}
		if now > 0 {
			come = append(come, 0, occupancyMember(channel, now))
			o.told[channel] = now
		} else {
			delete(o.told, channel)
		}
		if len(gone)+len(come)/2 >= occupancyPiece {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}

func occupancyMember(channel string, subscribers int) string {
	return channel + " " + strconv.Itoa(subscribers)
}

func parseOccupancy(member string) (channel string, subscribers int64) {
	channel, number, _ := strings.Cut(member, " ")
	subscribers, _ = strconv.ParseInt(number, 10, 64)
	return channel, subscribers
}

// takeChanged returns the channels whose number of members has changed since it was
// last asked, with that number.
func (f *fan) takeChanged() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.changed) == 0 {
		return nil
	}
	changed := make(map[string]int, len(f.changed))
	for name := range f.changed {
		changed[name] = 0
		if r := f.rooms[name]; r != nil {
			changed[name] = len(r.members)
		}
	}
	f.changed = map[string]struct{}{}
	return changed
}

// occupied returns all channels that have members.
func (f *fan) occupied() map[string]int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	all := make(map[string]int, len(f.rooms))
	for name, r := range f.rooms {
		all[name] = len(r.members)
	}
	return all
}

// subscriptions counts the members of all rooms.
func (f *fan) subscriptions() (n int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, r := range f.rooms {
		n += len(r.members)
	}
	return n
}
