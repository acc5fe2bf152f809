package broker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// floorInterval is how often a stream's floor is recorded while acks come: what
// was acknowledged since would be delivered again if the group were lost.
const floorInterval = 2 * time.Second

// manyGroups of a stream are recorded at longer intervals, as each recording looks at
// all of them: 1,000 sinks of one stream took Redis 6 times as much for an event as 100.
const manyGroups = 20

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
		st.floorAt = st.floorAt.Add(floorInterval / manyGroups * time.Duration(groups))
	})
}

func (st *sinkStream) floorDue(now time.Time) bool {
	return st.moved && !now.Before(st.floorAt)
}
