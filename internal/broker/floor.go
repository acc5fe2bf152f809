package broker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// floorInterval is how often a stream's floor is recorded while acks come: what
// was acknowledged since would be delivered again if the group were lost.
const floorInterval = 2 * time.Second

// Those of a stream with many groups are recorded less often, as each recording looks at
// all of them: with 1,000 sinks of one stream Redis took 6 times as much for an event as
// with 100.
const (
	perGroup    = 100 * time.Millisecond
	mostBetween = 10 * time.Second
)

// recordFloor writes down up to where the sink is done, once in a while.
func (s *sink) recordFloor(st *sinkStream, now time.Time) {
	if !st.floorDue(now) {
		return
	}
	st.moved, st.floorAt = false, now.Add(floorInterval)
	cmd := floorScript.call(st.keys, s.name)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 128}, func() {
		groups, err := cmd.Int()
		st.moved = st.moved || err != nil
		st.floorAt = st.floorAt.Add(min(time.Duration(groups)*perGroup, mostBetween-floorInterval))
	})
}

func (st *sinkStream) floorDue(now time.Time) bool {
	return st.moved && !now.Before(st.floorAt)
}
