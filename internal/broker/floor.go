package broker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// floorInterval is how often a stream's floor is recorded while acks come: what
// was acknowledged since would be delivered again if the group were lost.
const floorInterval = 2 * time.Second

// recordFloor writes down up to where the sink is done, once in a while.
func (s *sink) recordFloor(st *sinkStream, now time.Time) {
	if !st.floorDue(now) {
		return
	}
	st.moved, st.floorAt = false, now.Add(floorInterval)
	cmd := floorScript.call(st.keys, s.name)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 128}, func() {
		st.moved = st.moved || cmd.Err() != nil
	})
}

func (st *sinkStream) floorDue(now time.Time) bool {
	return st.moved && !now.Before(st.floorAt)
}
