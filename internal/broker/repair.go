package broker

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// lost: the group is gone.
func (s *sink) lost(st *sinkStream, cause error) {
	if !st.repairing && !s.gone {
		s.broker.log.Warn("a sink's group is gone from its stream, making it again from what was acknowledged",
			slog.String("sink", s.name), slog.String("stream", st.name), slog.Any("error", cause))
	}
	s.repair(st)
}

// repair makes sure that the sink and its group exist. Where the group was lost,
// what it did not acknowledge is delivered anew. A sink that was deleted, or no
// longer has the stream, is left alone.
func (s *sink) repair(st *sinkStream) {
	if st.repairing || s.gone {
		return
	}
	st.repairing = true
	// With all of its streams: the first to be repaired stores the sink for the others.
	cmd := s.broker.definition(defineMend, s.name, s.born, nil, s.config, s.config.Streams, false)
	o := &op{cmds: []redis.Cmder{cmd}}
	s.flying++
	o.done = func() {
		s.post(func() {
			s.flying--
			s.mended(st, cmd)
		})
	}
	// The sink's own keys may be elsewhere on a cluster.
	if err := s.broker.working.submit(context.Background(), s.broker.keys.sink(s.name), o); err != nil {
		o.fail(err)
		o.done()
	}
}

func (s *sink) mended(st *sinkStream, cmd once) {
	stored, _, _, err := s.broker.defined(cmd)
	if err != nil { // a group alone would be of a sink that nobody can see
		st.repairing = false
		s.fails(st, "storing the sink's settings again", err)
		st.lookAt(st.notBefore)
		return
	}
	s.configure(stored)
	if s.gone || s.streams[st.name] != st {
		st.repairing = false
		return
	}
	s.broker.list(s.name)
	attach := attachScript.call(st.keys, s.name, "0-0", "0", "")
	s.submit(st, &op{cmds: []redis.Cmder{attach}}, func() {
		st.repairing = false
		answer, err := attach.Slice()
		if err != nil || len(answer) != 4 {
			s.fails(st, "making its group again", err)
			st.lookAt(st.notBefore)
			return
		}
		st.unread = true
		st.reclaimAt = time.Now()
		made, _ := answer[3].(string)
		if answer[2] == int64(1) {
			s.reset(st)
			s.broker.tell(bellReset, s.name, st.name)
		}
		s.identify(st, made)
	})
}

// reset: the group is another. What was held was held of the old one: it comes
// again, and so do events whose ack is still on its way.
func (s *sink) reset(st *sinkStream) {
	s.forgetAll(st)
	st.made = "" // the next who looks will know
	for c := range st.attachments {
		c.tell(nil, &hub.Gap{Stream: st.name, Reason: hub.GapReset})
	}
	st.unread = true
	st.lookAt(st.notBefore)
}
