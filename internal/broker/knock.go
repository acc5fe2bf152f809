package broker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// mostSilence is how long a node may take to answer before nothing is asked of it that
	// others have to wait for.
	mostSilence = callTimeout / 3
	// knockEvery is how often it is looked which nodes are silent, and tried whether those
	// answer that somebody waits for.
	knockEvery = 100 * time.Millisecond
)

// quietness is what is done about a lane whose node does not answer.
type quietness struct {
	known    stillness              // to who waits; owned by knock
	wanted   atomic.Pointer[string] // a key of the shard that somebody wants to read once it answers; nil: nobody
	knocking atomic.Bool            // it is being asked
}

// stillness is how long a node has not answered.
type stillness int

const (
	answering stillness = iota
	still               // mostSilence: nothing is asked that others have to wait for
	longStill           // callTimeout: no call that was under way can be answered yet
)

func (l *lane) stillness(now time.Time) stillness {
	since := l.since.Load()
	switch took := time.Duration(now.UnixNano() - since); {
	case since == 0 || took <= mostSilence:
		return answering
	case took <= callTimeout:
		return still
	}
	return longStill
}

// silent says whether the node has not answered for a while.
func (l *lane) silent(now time.Time) bool { return l.stillness(now) != answering }

// current is the lane of the shard of key, if there is one: by what is known of it, unless
// that is silent, as the shard may have another by now.
func (ls *lanes) current(known *lane, key string, now time.Time) *lane {
	if known != nil && !known.silent(now) {
		return known
	}
	name, _, err := shard(context.Background(), ls.client, key)
	if err != nil {
		return nil // submit will say what is wrong
	}
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	return ls.byShard[name]
}

// knock asks the masters of a Cluster that are silent whether they answer, where a sink
// wants to read from them: it holds its reads back meanwhile. The sinks look anew when one
// falls silent, is so for as long as a call may take, answers, or has another in its place.
func (b *Broker) knock(ctx context.Context) {
	if !b.store.cluster {
		return // there is no other to wait for
	}
	ticker := time.NewTicker(knockEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			changed := b.working.knock(now)
			if b.publishing.knock(now) || changed {
				b.pokeAll()
			}
		}
	}
}

func (b *Broker) pokeAll() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, s := range b.sinks {
		s.poke()
	}
}

// knock says whether who waits should look anew.
func (ls *lanes) knock(now time.Time) (changed bool) {
	ls.mu.RLock()
	all := make(map[string]*lane, len(ls.byShard))
	for name, l := range ls.byShard {
		all[name] = l
	}
	ls.mu.RUnlock()
	for name, l := range all {
		stillness, key := l.stillness(now), l.quiet.wanted.Load()
		changed = changed || stillness != l.quiet.known
		l.quiet.known = stillness
		switch {
		case key == nil:
		case stillness == answering || ls.moved(*key, name):
			l.quiet.wanted.Store(nil)
			changed = true
		case !l.quiet.knocking.Swap(true):
			ls.ask(l, *key)
		}
	}
	return changed
}

// moved says whether the shard of key is not the one of this name.
func (ls *lanes) moved(key, name string) bool {
	now, _, err := shard(context.Background(), ls.client, key)
	return err == nil && now != name
}

// ask sends what any node answers to whom key is known; that it has answered, its lane notes.
func (ls *lanes) ask(l *lane, key string) {
	o := &op{cmds: []redis.Cmder{command("exists", key)}}
	o.done = func() { l.quiet.knocking.Store(false) }
	if ls.submit(context.Background(), key, o) != nil {
		l.quiet.knocking.Store(false)
	}
}
