package broker

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// PutSink makes a sink or changes its settings, on all hubs within 2 s. ignored
// names what came too late to count.
//
// Errors: CodeInvalidRequest for a new sink without streams, CodeConflict for
// what cannot be changed, CodeUnavailable.
func (b *Broker) PutSink(ctx context.Context, sink string, put hub.SinkPut) (status hub.SinkStatus, created bool, ignored []string, err error) {
	if err := b.mustExist(ctx, put.Streams...); err != nil {
		return status, false, nil, err
	}
	stored, how, removed, err := b.define(ctx, definePut, sink, put.Settings, put.Streams, put.Streams != nil)
	if err != nil {
		return status, false, nil, err
	}
	if !stored.known {
		return status, false, nil, &hub.Error{
			Code: hub.CodeInvalidRequest, Detail: "streams is missing: a new sink needs at least one",
			Faults: []hub.Fault{{Pointer: "/streams", Detail: "is missing: a new sink needs at least one"}},
		}
	}
	b.list(sink)
	late := put.Settings[hub.SettingFrom] != "" && len(stored.config.Streams) > 0
	for _, stream := range stored.config.Streams {
		attached, err := b.attach(ctx, sink, stream, "", stored, how)
		if err != nil {
			return status, false, nil, err
		}
		late = late && !attached.met
	}
	if late {
		ignored = []string{hub.SettingFrom}
	}
	for _, stream := range removed {
		if err := b.detach(ctx, sink, stream); err != nil {
			return status, false, nil, err
		}
	}
	b.changed(ctx, sink)
	status, err = b.Status(ctx, sink)
	return status, how != known, ignored, err
}

// DeleteSink removes a sink from all of its streams, with all that it had.
// Deleting one that does not exist changes nothing.
func (b *Broker) DeleteSink(ctx context.Context, sink string) error {
	return b.forgetSink(ctx, sink, "")
}

// forgetSink deletes a sink; unused is how many ms it must have been unused, ""
// for any.
func (b *Broker) forgetSink(ctx context.Context, sink, unused string) error {
	const doing = "deleting the sink"
	key := b.keys.sink(sink)
	cmd := forgetScript.call([]string{key}, unused)
	if err := b.work(ctx, key, cmd); err != nil {
		return failure(err, doing)
	}
	fields, err := cmd.StringSlice()
	if err != nil {
		return failure(err, doing)
	}
	if len(fields) == 0 {
		return nil
	}
	stored := b.settingsOf(fields)
	// Off the list first: who makes the sink again meanwhile puts it back there.
	if err := b.work(ctx, b.keys.sinks(), command("srem", b.keys.sinks(), sink)); err != nil {
		return failure(err, doing)
	}
	for _, stream := range stored.config.Streams {
		gone := command("hexists", key, "deleted")
		if err := b.work(ctx, key, gone); err != nil {
			return failure(err, doing)
		}
		if n, _ := gone.Int(); n == 0 {
			break // it was made again, and has what it needs
		}
		if err := b.detach(ctx, sink, stream); err != nil {
			return err
		}
	}
	b.changed(ctx, sink)
	if unused != "" {
		b.log.Info("a sink that nobody used was removed (expires_after)", slog.String("sink", sink),
			slog.Duration("expires_after", stored.config.ExpiresAfter), slog.Any("streams", stored.config.Streams))
	}
	return nil
}

// detach removes what a sink has in a stream.
func (b *Broker) detach(ctx context.Context, sink, stream string) error {
	keys := b.keys.of(sink, stream)
	return failure(b.work(ctx, keys[0], detachScript.call(keys, sink)), "taking the stream "+stream+" from the sink")
}

// changed has all hubs read the settings of a sink again: at once by the bell, or
// by the counter with their next heartbeat.
func (b *Broker) changed(ctx context.Context, sink string) {
	_ = b.work(ctx, b.keys.changes(), command("incr", b.keys.changes()))
	b.tell(bellSink, sink)
	b.reload(sink)
}

// unknownChanges is no count that the counter has.
const unknownChanges = math.MaxUint64

// reload reads the settings of a sink that is in use here.
func (b *Broker) reload(name string) {
	s := b.sink(name)
	if s == nil {
		return
	}
	key := b.keys.sink(name)
	cmd := command("hgetall", key)
	o := &op{cmds: []redis.Cmder{cmd}}
	o.done = func() {
		fields, err := cmd.StringSlice()
		if err != nil {
			b.changes.Store(unknownChanges) // the next heartbeat reads them again
			return
		}
		stored := b.settingsOf(fields)
		s.post(func() { s.configure(stored) })
	}
	if err := b.working.submit(context.Background(), key, o); err != nil {
		b.changes.Store(unknownChanges)
	}
}

// reloadChanged reads all settings again where the counter says that some have
// changed. Only the heartbeat calls it.
func (b *Broker) reloadChanged(ctx context.Context) {
	cmd := command("get", b.keys.changes())
	if err := b.work(ctx, b.keys.changes(), cmd); err != nil && !errors.Is(err, redis.Nil) {
		return // the next heartbeat does
	}
	text, _ := cmd.Text()
	count, _ := strconv.ParseUint(text, 10, 64)
	if b.changes.Swap(count) == count {
		return
	}
	b.cache.forgetSettings()
	b.mu.RLock()
	names := make([]string, 0, len(b.sinks))
	for name := range b.sinks {
		names = append(names, name)
	}
	b.mu.RUnlock()
	for _, name := range names {
		b.reload(name)
	}
}

// Sinks lists sinks by name, at most limit, after a name.
func (b *Broker) Sinks(ctx context.Context, limit int, after string, seen func(string) bool) (hub.SinkPage, error) {
	var page hub.SinkPage
	cmd := command("smembers", b.keys.sinks())
	if err := b.work(ctx, b.keys.sinks(), cmd); err != nil {
		return page, readFailure(err, "listing the sinks")
	}
	names, err := cmd.StringSlice()
	if err != nil {
		return page, readFailure(err, "listing the sinks")
	}
	slices.Sort(names)
	for _, name := range names {
		if name <= after || !seen(name) {
			continue
		}
		if len(page.Sinks) == limit {
			page.Next = page.Sinks[limit-1].Sink
			return page, nil
		}
		stored, err := b.settings(ctx, name)
		if e := hub.AsError(err); err != nil && e.Code == hub.CodeSinkNotFound {
			continue
		}
		if err != nil {
			return page, err
		}
		page.Sinks = append(page.Sinks, hub.SinkStatus{Sink: name, Config: stored.config})
	}
	return page, nil
}
