package broker

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// streamInfo is a stream as Redis has it at one moment.
type streamInfo struct {
	born    string // generation, "" where there is no such stream
	began   hub.ID // no event of this generation has a smaller id; zero where that is not known
	trimmed hub.ID // the last event that retention has removed; zero for none
	length  int64
	first   hub.ID // of the oldest entry; zero where there is none
	last    hub.ID // that was ever given
	added   int64  // entries that there ever were
	deleted int64  // of those: deleted one by one
	config  hub.StreamConfig
	sinks   []string // that are attached
}

// look reads what a stream is. One that others have made by their own XADD is
// taken in; one that does not exist is the zero info.
func (b *Broker) look(ctx context.Context, stream string) (streamInfo, error) {
	const doing = "reading the stream"
	cmd := lookScript.call(b.keys.stream(stream), b.streamArgs(stream)...)
	if err := b.work(ctx, b.keys.log(stream), cmd); err != nil {
		return streamInfo{}, readFailure(err, doing)
	}
	info, err := lookedAt(cmd)
	if err == nil && info.born != "" {
		b.enlist(stream)
	}
	return info, readFailure(err, doing)
}

// lookedAt reads the answer of look.lua.
func lookedAt(cmd once) (info streamInfo, err error) {
	answer, err := cmd.Slice()
	if err != nil || len(answer) == 0 {
		return info, err
	}
	if len(answer) != 14 {
		return info, errAnswer
	}
	info.born, _ = answer[0].(string)
	if began, _ := answer[1].(string); began != "" {
		info.began.MS, err = strconv.ParseUint(began, 10, 64)
	}
	trimmed, err1 := parseAny(answer[2])
	first, err2 := parseAny(answer[4])
	last, err3 := parseAny(answer[5])
	info.trimmed, info.first, info.last = trimmed, first, last
	info.length, info.added = number(answer[3]), number(answer[6])
	config, err4 := configOf(answer[7:12])
	info.config, info.sinks, info.deleted = config, words(answer[12]), number(answer[13])
	return info, cmp.Or(err, err1, err2, err3, err4)
}

// configOf reads a stream's settings in the order of streamArgs.
func configOf(answer []any) (c hub.StreamConfig, err error) {
	whole := func(v any) int64 {
		text, _ := v.(string)
		n, failed := strconv.ParseInt(text, 10, 64)
		err = errors.Join(err, failed)
		return n
	}
	c.MaxEvents = whole(answer[0])
	c.MaxAge = time.Duration(whole(answer[1])) * time.Millisecond
	c.OnFull, _ = answer[2].(string)
	c.TTL = time.Duration(whole(answer[3])) * time.Millisecond
	c.Sliding = answer[4] == int64(1)
	return c, err
}

// streamArgs begin the arguments of every script of a stream: what it is to be
// where it says nothing else.
func (b *Broker) streamArgs(stream string, more ...any) []any {
	return append(configArgs(b.defaultsOf(stream)), more...)
}

func configArgs(c hub.StreamConfig) []any {
	return []any{c.MaxEvents, c.MaxAge.Milliseconds(), c.OnFull, c.TTL.Milliseconds(), flag(c.Sliding)}
}

// defaultsOf are a stream's settings as long as nobody says others.
func (b *Broker) defaultsOf(stream string) hub.StreamConfig {
	if config, ok := b.opts.Declared[stream]; ok {
		return config
	}
	return b.opts.Stream
}

func noSuchStream(stream string) *hub.Error {
	return hub.Errorf(hub.CodeStreamNotFound, "there is no stream %q", stream)
}

// creatable says whether a stream that is not there is made by who names it.
func (b *Broker) creatable(stream string) bool {
	_, declared := b.opts.Declared[stream]
	return declared || !b.opts.NoAutoCreate
}

// mustExist fails where a stream is not there and would have to be made first.
func (b *Broker) mustExist(ctx context.Context, streams ...string) error {
	for _, stream := range streams {
		if b.creatable(stream) {
			continue
		}
		info, err := b.look(ctx, stream)
		if err != nil {
			return err
		}
		if info.born == "" {
			return b.missing(stream)
		}
	}
	return nil
}

// missing is the answer to who publishes to a stream that is not there.
func (b *Broker) missing(stream string) *hub.Error {
	e := noSuchStream(stream)
	if b.opts.NoAutoCreate {
		e.Detail += "; make it with PUT /v1/streams/" + stream + " (HUB_AUTO_CREATE is false)"
	}
	return e
}

// enlist enters a stream into the list of all, once, without waiting: the list may
// be on a node that is dead while the stream's own is not.
func (b *Broker) enlist(stream string) {
	if !b.cache.list(stream) {
		return
	}
	key := b.keys.streams()
	cmd := command("sadd", key, stream)
	o := &op{cmds: []redis.Cmder{cmd}, done: func() {
		if cmd.Err() != nil {
			b.cache.unlist(stream)
		}
	}}
	if b.working.submit(context.Background(), key, o) != nil {
		b.cache.unlist(stream)
	}
}

// streamChanged has all hubs forget what they know of a stream: at once by the
// bell, or by the counter with their next heartbeat.
func (b *Broker) streamChanged(ctx context.Context, stream string) {
	_ = b.work(ctx, b.keys.changes(), command("incr", b.keys.changes()))
	b.isOther(stream)
	b.tell(bellStream, stream)
}

// isOther: a stream has changed, or is gone.
func (b *Broker) isOther(stream string) {
	b.cache.forget(stream)
	b.stir([]string{stream}) // it may have other bounds
}
