package broker

import (
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// A sink loses events when retention removes what it has not read, or what waits to
// be delivered again; and what is held at that moment, if that delivery fails. Redis
// counts it until a hub with a connection of the sink takes the count and tells all
// hubs; each tells its connections.

// lost: retention has removed events of a stream that the sink was owed.
func (b *Broker) lost(name, stream string) {
	b.at(name, stream, func(_ *sink, st *sinkStream) { st.lossAt = time.Now() })
}

// perhapsLost: what was nacked or extended and is not pending may have been removed by
// retention while it was held.
func (b *Broker) perhapsLost(sink, stream string, settled hub.Settled) {
	if len(settled.NotPending) > 0 {
		b.lostAll(sink, stream)
	}
}

// lostAll is lost for all hubs.
func (b *Broker) lostAll(sink, stream string) {
	b.lost(sink, stream)
	b.tell(bellLost, sink, stream)
}

// askForLoss asks what was lost, if there is somebody to tell.
func (s *sink) askForLoss(st *sinkStream, now time.Time) {
	if st.lossAt.IsZero() || now.Before(st.lossAt) || !st.listened() {
		return
	}
	st.lossAt = time.Time{}
	cmd := lossScript.call(st.keys, s.name)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 128}, func() {
		answer, err := cmd.Slice()
		if err != nil || len(answer) != 5 {
			st.lossAt = time.Now().Add(time.Second)
			return
		}
		if answer[4] == int64(1) { // what is still held may fail
			st.lossAt = time.Now().Add(s.foreign() + time.Second)
		}
		s.broker.bereaved(s.name, st.name, number(answer[3]))
		if answer[0] == int64(0) {
			return
		}
		told := append([]string{strconv.FormatInt(number(answer[0]), 10)}, words(answer[1:3])...)
		s.tellLoss(st, told)
		s.broker.tell(append([]string{bellGap, s.name, st.name}, told...)...)
	})
}

// listened says whether a connection is there that can be told of a loss: a pull's
// answer has no place for it.
func (st *sinkStream) listened() bool {
	for c := range st.attachments {
		if !c.pull {
			return true
		}
	}
	return false
}

// told: another hub has taken the count, which is how many, and the first and last
// id.
func (b *Broker) told(name, stream string, told []string) {
	b.at(name, stream, func(s *sink, st *sinkStream) { s.tellLoss(st, told) })
}

func (s *sink) tellLoss(st *sinkStream, told []string) {
	n, err := strconv.ParseInt(told[0], 10, 64)
	from, err1 := hub.ParseID(told[1])
	to, err2 := hub.ParseID(told[2])
	if err != nil || err1 != nil || err2 != nil {
		return
	}
	for c := range st.attachments {
		c.tell(nil, &hub.Gap{Stream: st.name, Reason: hub.GapTrimmed, From: from, To: to, Events: n})
	}
}
