package broker

import (
	"context"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// attached is how a sink was attached to a stream.
type attached struct {
	last hub.ID // of the log
	met  bool   // the sink is new to the stream
	lost bool   // its group was gone, perhaps with its floor, and is made again
	made string // stamp of the group
}

// attach makes sure that the sink's group exists on a stream; from is where it
// begins if the sink is new to the stream, "" for where the sink says.
func (b *Broker) attach(ctx context.Context, sink, stream, from string, stored settings, how making) (a attached, err error) {
	if from == "" {
		from = stored.config.From
	}
	position, fault := hub.ParsePosition(from)
	if fault == nil {
		position, fault = position.In(stream)
	}
	if fault != nil {
		return a, fault
	}
	if position, err = b.current(ctx, stream, position); err != nil {
		return a, err
	}
	keys := b.keys.of(sink, stream)
	start := startOf(position)
	before := ""
	field, unattached := stored.unattached[stream]
	owed := !unattached || how != remade && b.serves(sink, stream)
	if owed {
		// It was attached before. Where there is no floor now, Redis has lost all that the
		// sink had in the stream, and what came since is owed to it.
		start = "0-0"
	} else if after, ok := position.After(); ok && after != (hub.ID{}) {
		known := command("hexists", keys[2], "floor")
		if err := b.work(ctx, keys[0], known); err != nil {
			return a, readFailure(err, "attaching the sink to "+stream)
		}
		if n, _ := known.Int(); n == 0 {
			before = b.readBefore(ctx, keys[0], after)
		}
	}
	cmd := attachScript.call(keys, sink, start, "0", before)
	if err := b.work(ctx, keys[0], cmd); err != nil {
		return a, failure(err, "attaching the sink to "+stream)
	}
	answer, err := cmd.Slice()
	if err != nil || len(answer) != 4 {
		return a, failure(err, "attaching the sink to "+stream)
	}
	if unattached {
		b.noteAttached(sink, stream, field)
	}
	a.met = answer[0] == int64(1) && !owed
	a.lost = answer[2] == int64(1) && !a.met
	if a.lost { // others may hold what was of the old one
		b.resetAll(sink, stream)
	}
	a.made, _ = answer[3].(string)
	a.last, err = parseAny(answer[1])
	return a, failure(err, "attaching the sink to "+stream)
}

// noteAttached notes in the sink's settings that it was attached to a stream; field is what
// they say of that. It need not wait, as list: where it fails, who attaches next does it.
func (b *Broker) noteAttached(sink, stream, field string) {
	key := b.keys.sink(sink)
	cmd := attachedScript.call([]string{key}, stream, field)
	_ = b.working.submit(context.Background(), key, &op{cmds: []redis.Cmder{cmd}})
}

// current is a position in the stream that there is now: one in another that was
// deleted since is its start.
func (b *Broker) current(ctx context.Context, stream string, position hub.Position) (hub.Position, error) {
	born, resumes := position.Resumes()
	if !resumes || born == "" {
		return position, nil
	}
	info, err := b.look(ctx, stream)
	if err == nil && info.born != born {
		position = hub.Oldest
	}
	return position, err
}

// startOf is a position as XGROUP CREATE takes it.
func startOf(position hub.Position) string {
	if after, ok := position.After(); ok {
		return after.String()
	}
	return "$"
}

// Seek moves a sink in a stream. What is pending of it is dropped; its dead
// letters stay.
//
// Errors: CodeSinkNotFound, CodeStreamNotFound, CodeUnavailable.
func (b *Broker) Seek(ctx context.Context, sink, stream string, to hub.Position) error {
	if _, err := b.streamOf(ctx, sink, stream); err != nil {
		return err
	}
	to, fault := to.In(stream)
	if fault != nil {
		return fault
	}
	to, err := b.current(ctx, stream, to)
	if err != nil {
		return err
	}
	keys := b.keys.of(sink, stream)
	before := ""
	if after, ok := to.After(); ok && after != (hub.ID{}) {
		before = b.readBefore(ctx, keys[0], after)
	}
	if err := b.work(ctx, keys[0], attachScript.call(keys, sink, startOf(to), "1", before)); err != nil {
		return failure(err, "moving the sink")
	}
	b.sought(sink, stream)
	b.tell(bellSought, sink, stream)
	return nil
}

// resetAll: the group of a sink is another one now, for all hubs.
func (b *Broker) resetAll(sink, stream string) {
	b.resetHere(sink, stream)
	b.tell(bellReset, sink, stream)
}

// resetHere is the same for this hub.
func (b *Broker) resetHere(name, stream string) { b.at(name, stream, (*sink).reset) }

// sought: a sink was moved in a stream, so nobody holds anything of it.
func (b *Broker) sought(name, stream string) {
	b.at(name, stream, func(s *sink, st *sinkStream) {
		s.forgetAll(st)
		st.unread = true
		st.lookAt(st.notBefore)
	})
}

// at has the goroutine of a sink do something with one of its streams, if both
// are in use here.
func (b *Broker) at(name, stream string, do func(*sink, *sinkStream)) {
	s := b.sink(name)
	if s == nil {
		return
	}
	s.post(func() {
		if st := s.streams[stream]; st != nil {
			do(s, st)
		}
	})
}
