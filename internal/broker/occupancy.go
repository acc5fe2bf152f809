package broker

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Each hub tells the others how many subscribers the channels have there, in a
// sorted set of "<channel> <subscribers>", all with the score 0: so they are in the
// order of the channels' names, in which no blank can be.
const (
	occupancyInterval = time.Second
	// occupancyTTL ends what a hub has told that is dead.
	occupancyTTL = 4 * time.Second
	// occupancyPiece bounds the members of one command.
	occupancyPiece = 500
)

// occupancy is what this hub has told. It belongs to occupy.
type occupancy struct {
	told map[string]int
	sent int // pieces; each has its number
	last int // that Redis has; 0: it is not known what it has
}

// occupy tells how many subscribers the channels have here, as long as any has.
func (b *Broker) occupy(ctx context.Context) {
	ticker := time.NewTicker(occupancyInterval)
	defer ticker.Stop()
	var o occupancy
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			changed := b.fan.takeChanged()
			if o.last > 0 && (len(changed)+len(o.told) == 0 || b.tellOccupancy(ctx, &o, changed)) {
				continue
			}
			o.last, o.told = 0, map[string]int{}
			if all := b.fan.occupied(); len(all) > 0 {
				b.tellOccupancy(ctx, &o, all)
			}
		}
	}
}

// tellOccupancy has Redis know of the channels that have changed, or of all there are
// where it is not known what it has, and puts off the end of what was told. It fails
// when that is not what this hub has told.
func (b *Broker) tellOccupancy(ctx context.Context, o *occupancy, changed map[string]int) bool {
	var gone, come []any
	send := func() bool {
		o.sent++
		args := append([]any{occupancyTTL.Milliseconds(), o.sent, o.last, len(gone)}, append(gone, come...)...)
		gone, come = nil, nil
		keys := b.keys.occupancy(b.name)
		cmd := occupyScript.call(keys, args...)
		if b.work(ctx, keys[0], cmd) != nil || cmd.Val() != int64(1) {
			o.last = 0
			return false
		}
		o.last = o.sent
		return true
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
			come = append(come, occupancyMember(channel, now))
			o.told[channel] = now
		} else {
			delete(o.told, channel)
		}
		if len(gone)+len(come) >= occupancyPiece && !send() {
			return false
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
