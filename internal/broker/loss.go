package broker

import (
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// A sink loses events when retention removes what it has not read, or what waits to
// be delivered again; and what is held at that moment, if that delivery fails. Redis
// counts it until a hub with a connection of the sink takes the count and tells all
// hubs; each tells its connections.

// loss is when to ask Redis for what the sink has lost in a stream.
type loss struct {
	at    time.Time // zero: not at all
	again bool      // and once more, when what is held now has ended
}

// lost: retention has removed events of a stream that the sink was owed.
func (b *Broker) lost(name, stream string) {
	b.at(name, stream, func(_ *sink, st *sinkStream) { st.loss = loss{at: time.Now(), again: true} })
}

// askForLoss asks what was lost, if there is somebody to tell.
func (s *sink) askForLoss(st *sinkStream, now time.Time) {
	if st.loss.at.IsZero() || now.Before(st.loss.at) || !st.listened() {
		return
	}
	again := st.loss.again
	st.loss = loss{}
	if again {
		st.loss.at = now.Add(s.foreign() + time.Second)
	}
	cmd := lossScript.call(st.keys, s.name)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 128}, func() {
		answer, err := cmd.Slice()
		if err != nil {
			st.loss = loss{at: time.Now().Add(time.Second), again: again}
			return
		}
		if len(answer) != 3 {
			return
		}
		told := append([]string{strconv.FormatInt(number(answer[0]), 10)}, words(answer[1:])...)
		s.tellLoss(st, told)
		s.broker.notify(s.broker.keys.bell(), strings.Join(append([]string{s.broker.name, bellGap, s.name, st.name}, told...), " "))
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
