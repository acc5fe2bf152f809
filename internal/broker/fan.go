package broker

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"eventhub/internal/hub"
)

// fan gives what comes over the live channels to the subscribers of this hub.
type fan struct {
	limits  QueueLimits
	prefix  string // of live channels
	live    *live
	metrics *metrics
	losses  broadcastLosses // owned by the receiver of pub/sub

	mu      sync.RWMutex // protects the fields below, and the members of rooms
	rooms   map[string]*room
	changed map[string]struct{} // channels whose number of members has changed since it was last told
}

// room is a channel that has subscribers here.
type room struct {
	name    string
	members []*member
	arrivals
}

// member is a subscriber in a room.
type member struct {
	*subscriber
	room  *room
	at    int         // where it stands in room.members
	hears bool        // Redis has confirmed the channel since it came, or before
	seen  *hub.Filter // what it may see of the channel; nil: everything
}

func newFan(limits QueueLimits, prefix string, live *live, m *metrics, log *slog.Logger) *fan {
	return &fan{
		limits: limits, prefix: prefix, live: live, metrics: m, losses: broadcastLosses{log: log},
		rooms: map[string]*room{}, changed: map[string]struct{}{},
	}
}

// deliver takes what a live channel brings: an event for all who are in the room,
// or word of how many there were. It is called by the receiver of pub/sub alone,
// and does not block: the event's JSON is shared, and a full queue is its
// subscriber's affair.
func (f *fan) deliver(channel, payload string) {
	name := channel[len(f.prefix):]
	s, json, ours := parseStamp(payload)
	if !ours {
		json = string(foreignMessage(name, payload)) // s is not counted
	}
	if missing := f.pass(name, s, json); missing > 0 {
		f.metrics.missing.Add(float64(missing))
		f.losses.report(name, s.hub, missing)
	}
}

// pass returns how many messages are missing before this one.
func (f *fan) pass(name string, s stamp, json string) (missing uint64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r := f.rooms[name]
	if r == nil {
		return 0
	}
	// The answered ping was behind all that Redis had sent before.
	missing, late := r.follow(s, json != "", f.live.pinged())
	if missing > 0 {
		r.tell(hub.Gap{Channel: name, Reason: hub.GapLost, Dropped: int64(missing)})
	}
	if !late && json != "" {
		r.deliver(&hub.Message{Channel: name, JSON: []byte(json)})
	}
	return missing
}

// deliver puts a message into the queue of every member that wants it.
func (r *room) deliver(m *hub.Message) {
	var topic, typ string
	labelled := false
	for _, member := range r.members {
		if !member.hears {
			continue // what it is given before it hears would not be all
		}
		if member.filter != nil || member.seen != nil {
			if !labelled {
				topic, typ = hub.Labels(m.JSON)
				labelled = true
			}
			if !member.seen.Match(topic, "") || !member.filter.Match(topic, typ) {
				continue
			}
		}
		member.push(m)
	}
}

// tell gives every member word of a gap.
func (r *room) tell(gap hub.Gap) {
	m := &hub.Message{Channel: r.name, Gap: &gap}
	for _, member := range r.members {
		if member.hears {
			member.push(m)
		}
	}
}

// confirmed hears that Redis has taken the subscription to a channel. again: it had
// been taken before, and what was published meanwhile may be missing, for those who
// heard then. The receiver of pub/sub calls it.
func (f *fan) confirmed(name string, again bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rooms[name]
	if r == nil {
		return
	}
	r.begin(time.Now())
	var m *hub.Message
	if again {
		m = &hub.Message{Channel: name, Gap: &hub.Gap{Channel: name, Reason: hub.GapReconnect}}
	}
	for _, member := range r.members {
		if again && member.hears {
			member.push(m)
		}
		member.hears = true
	}
}

// join has a subscriber enter the rooms of these channels. It returns those in which
// it was not yet, and for each of them what is closed once Redis has it. seen is what it
// may see of each; nil: everything.
func (f *fan) join(s *subscriber, channels []string, seen []*hub.Filter) (fresh []string, confirmed []<-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, name := range channels {
		if s.rooms[name] != nil {
			continue
		}
		r := f.rooms[name]
		if r == nil {
			r = &room{name: name}
			r.begin(time.Now())
			f.rooms[name] = r
		}
		// Under the lock, so that the order of subscribe and unsubscribe is that of the
		// members; it only notes what is wanted.
		c := f.live.subscribe(f.prefix+name, func(again bool) { f.confirmed(name, again) })
		m := &member{subscriber: s, room: r, at: len(r.members), hears: isClosed(c)}
		if seen != nil {
			m.seen = seen[i]
		}
		r.members = append(r.members, m)
		s.rooms[name] = m
		f.changed[name] = struct{}{}
		fresh, confirmed = append(fresh, name), append(confirmed, c)
	}
	f.metrics.joins.Add(float64(len(fresh)))
	return fresh, confirmed
}

// leave has a subscriber leave rooms.
func (f *fan) leave(s *subscriber, channels []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range channels {
		m := s.rooms[name]
		if m == nil {
			continue
		}
		delete(s.rooms, name)
		r := m.room
		last := len(r.members) - 1
		r.members[m.at] = r.members[last]
		r.members[m.at].at = m.at
		r.members[last] = nil
		r.members = r.members[:last]
		f.changed[name] = struct{}{}
		f.metrics.leaves.Inc()
		if last == 0 {
			delete(f.rooms, name)
			f.live.unsubscribe(f.prefix + name)
		} else if cap(r.members) > 64 && last < cap(r.members)/4 {
			r.members = slices.Clip(slices.Clone(r.members)) // a crowd has left
		}
	}
}

// members counts who is in a room.
func (f *fan) members(name string) int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if r := f.rooms[name]; r != nil {
		return len(r.members)
	}
	return 0
}

// foreignMessage makes an event of what another program has published.
func foreignMessage(channel, payload string) []byte {
	e := hub.Event{ID: uuid.NewString(), Channel: channel, Time: time.Now(), Data: []byte(payload)}
	adopt(&e, nil, true)
	return e.AppendJSON(nil)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
