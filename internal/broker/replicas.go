package broker

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of doubt. While there is some, nothing is confirmed; after them, the primary is
// believed again.
const (
	// replacedDoubt is for a replica that has left and is a primary now, or follows another.
	// Somebody may have detached it by hand, which is no reason to confirm nothing for ever;
	// Sentinel and a cluster have told the other nodes of a new primary long before.
	replacedDoubt = 15 * time.Second
	// silentDoubt is for one that has left and does not say why. One that was promoted has
	// answered Sentinel a moment ago, so mostly its machine is gone, and a short time will do.
	silentDoubt = 3 * time.Second

	// lookTimeout bounds a look at the replicas that have left, during which publishers wait.
	lookTimeout = 500 * time.Millisecond
	// lookEvery is how often those are looked at that leave doubt.
	lookEvery = time.Second

	// A primary of which nothing was heard for hangTime may have been given up meanwhile, and
	// where it did not answer, that may still be under way for waryTime.
	hangTime = 300 * time.Millisecond
	waryTime = 3 * time.Second

	// pastIDs bounds how many histories of a lane are known to be over.
	pastIDs = 4
)

// replicas is what is known of the replicas of the primary of a shard, so that a lane notices
// when another has its place, of which neither has heard.
//
// A primary that hung, and was given up, goes on as one until it is told, and so do those of
// its replicas that have not been told: they confirm what is lost when they are. But the one
// that was promoted has certainly left it: becoming a primary, a Redis closes the connection
// to the one that it had. So where a replica has left it is asked what it is now.
//
// It relies on this of Redis (replication.c, since 4.0): a node that becomes a primary begins
// a history, with an id of its own (shiftReplicationId), and keeps that of the one it went on
// from; so does a primary that was restarted (since 7.0; before, it remembers none), and one
// that has had no replica for repl-backlog-ttl begins one. So an id that was followed by
// another comes back only where people undo a promotion by hand.
//
// Its methods may be called from any goroutine.
type replicas struct {
	ask func(ctx context.Context, node address) (replication, error)
	log *slog.Logger

	mu      sync.Mutex // protects the fields below
	bounds  doubtBounds
	id      string        // of the history that is confirmed
	seen    time.Time     // it was, last
	past    []string      // ids of histories before it, the oldest first
	had     []*replica    // of the primary, and of that before it, each listed or not yet dropped
	looking chan struct{} // closed when the look that is under way has ended; nil: none is
	heard   time.Time     // by publishers, the primary, last
	woke    time.Time     // it was heard after hangTime of silence, last
	hung    time.Time     // it last took hangTime or more to answer, or did not
}

type doubtBounds struct{ replaced, silent time.Duration }

// replica is one that the primary has had. A new one is made when it is listed again.
type replica struct {
	at     address
	before bool      // it was one in the history before, not yet in this
	missed time.Time // since when the primary does not list it; zero: it does
	looked time.Time // when it was last asked why
	doubt  time.Time // until when what it said, or that it said nothing, is a reason to confirm nothing
}

// reason says whether its stance is one to confirm nothing. Of those that a primary had
// before it was restarted, or before it was one, only another primary is: the rest may not
// have heard yet which it is.
func (h *replica) reason(s stance) bool { return s == stanceLeads || s == stanceOther && !h.before }

func newReplicas(bounds doubtBounds, log *slog.Logger, ask func(ctx context.Context, node address) (replication, error)) *replicas {
	return &replicas{ask: ask, log: log, bounds: bounds}
}

// Why what a replica has confirmed may be lost all the same.
const (
	isReplica   = "the primary is a replica now"
	wasReplaced = "another primary has taken its place"
	mayBe       = "another replica has left the primary, and has become one itself, or does not say why"
)

// wary says whether the primary may have hung a moment ago, when it has answered now what
// it was asked at began: more than one pipeline may have waited for it to go on.
func (r *replicas) wary(began, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(began) > hangTime {
		r.hung = now
	}
	if now.Sub(r.heard) > hangTime {
		r.woke = now
	}
	r.heard = now
	return began.Before(r.woke) || now.Sub(r.hung) < waryTime
}

// silent notes that the primary has not answered.
func (r *replicas) silent(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hung = now
}

// doubt says why what a primary has just been told may be lost though a replica has it; ""
// for no reason. info is what the primary says of its replication after that. It looks at
// replicas that have left, if need be, for at most lookTimeout, or twice that where others
// do already.
func (r *replicas) doubt(info string) (why string) {
	primary := readReplication(info)
	switch {
	case primary.id == "":
		return "" // it does not tell: some hide it
	case !primary.primary:
		return isReplica
	}
	for {
		r.mu.Lock()
		why, due := r.compare(&primary, time.Now())
		underway := r.looking
		if len(due) > 0 && underway == nil {
			r.looking = make(chan struct{})
		}
		r.mu.Unlock()
		switch {
		case len(due) == 0:
			return why
		case underway != nil:
			<-underway
		default:
			r.look(primary.id, due)
		}
	}
}

// note hears what a primary said of its replication when it was asked at began, though nothing
// is to be confirmed.
func (r *replicas) note(info string, began time.Time) {
	primary := readReplication(info)
	if primary.id == "" || !primary.primary {
		return
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(began) > hangTime {
		r.hung = now
	}
	r.compare(&primary, now)
}

// compare takes note of the replicas that a primary lists. due are those that have left and
// are to be looked at before why is final. mu is held.
func (r *replicas) compare(primary *replication, now time.Time) (why string, due []*replica) {
	if !r.follow(primary, now) {
		return wasReplaced, nil
	}
	for _, f := range primary.replicas {
		switch i := slices.IndexFunc(r.had, func(h *replica) bool { return h.at == f.address }); {
		case i < 0 && f.online: // others have nothing yet, and nobody promotes them
			at := address{strings.Clone(f.host), strings.Clone(f.port)}
			r.had = append(r.had, &replica{at: at})
		case i >= 0 && (r.had[i].before || !r.had[i].missed.IsZero()):
			r.had[i] = &replica{at: r.had[i].at}
		}
	}
	kept := r.had[:0]
	for _, h := range r.had {
		if !slices.ContainsFunc(primary.replicas, func(f follower) bool { return f.address == h.at }) {
			switch {
			case h.missed.IsZero():
				h.missed = now
				due = append(due, h)
			case h.looked.IsZero() && now.Sub(h.missed) >= r.bounds.replaced:
				continue // whatever it would say
			case h.looked.IsZero(), now.Before(h.doubt) && now.Sub(h.looked) >= lookEvery:
				due = append(due, h)
			case now.Before(h.doubt):
				why = mayBe
			default:
				continue // nobody minds that it has left
			}
		}
		kept = append(kept, h)
	}
	clear(r.had[len(kept):])
	r.had = kept
	return why, due
}

// follow says whether this is the primary to go by: the one that was, or one that has taken
// its place. An old one that is still there, over an old connection, is none, unless nothing
// was heard of any other for long. mu is held.
func (r *replicas) follow(primary *replication, now time.Time) bool {
	if primary.id != r.id {
		if slices.Contains(r.past, primary.id) && now.Sub(r.seen) < r.bounds.replaced {
			return false
		}
		r.bury(r.id)
		r.id = strings.Clone(primary.id)
		// Also a primary that was restarted begins another, and may come back when one of
		// those that it had was promoted.
		for i, h := range r.had {
			r.had[i] = &replica{at: h.at, before: true}
		}
		r.past = slices.DeleteFunc(r.past, func(id string) bool { return id == r.id })
	}
	r.bury(primary.before)
	r.seen = now
	return true
}

// bury notes that a history is over. mu is held.
func (r *replicas) bury(id string) {
	if id == "" || slices.Contains(r.past, id) {
		return
	}
	r.past = append(r.past, strings.Clone(id))
	if len(r.past) > pastIDs {
		r.past = slices.Delete(r.past, 0, 1)
	}
}

// look asks replicas why they have left the primary with this id, all at once.
func (r *replicas) look(id string, due []*replica) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	found := make([]stance, len(due))
	var asked sync.WaitGroup
	for i, h := range due {
		asked.Go(func() { found[i] = r.stance(ctx, id, h.at) })
	}
	asked.Wait()
	for i, h := range due {
		if h.reason(found[i]) {
			r.log.Warn("a replica has left its primary for another, or has become one: what the primary stores may be lost, and is not confirmed as replicated", "replica", h.at.String())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for i, h := range due {
		h.looked = now
		switch {
		case h.reason(found[i]):
			h.doubt = h.missed.Add(r.bounds.replaced)
		case found[i] == stanceOurs:
			h.doubt = time.Time{}
		case !h.before: // what it said before is true still
			if until := h.missed.Add(r.bounds.silent); until.After(h.doubt) {
				h.doubt = until
			}
		}
	}
	close(r.looking)
	r.looking = nil
}
