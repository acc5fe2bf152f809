package broker

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// verifyAgain is when it is looked again, where a look at a stamp has failed.
const verifyAgain = time.Second

// suspect has the groups of a sink looked at. One that was lost and made again is told of by
// a bell, and by nothing else; a hub that was deaf finds it by its stamp.
func (s *sink) suspect() {
	now := time.Now()
	for _, st := range s.streams {
		st.verifyAt = now
	}
}

// unverified says whether the stamp of a group is to be looked at, and can be.
func (s *sink) unverified(st *sinkStream) bool {
	return !st.verifyAt.IsZero() && !st.silent && !st.repairing && !s.gone
}

// verify looks at the stamp of a group, when that is due.
func (s *sink) verify(st *sinkStream, now time.Time) {
	if !s.unverified(st) || now.Before(st.verifyAt) {
		return
	}
	st.verifyAt = time.Time{}
	before := st.made
	cmd := command("hget", st.keys[2], "made")
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 64}, func() {
		made, err := cmd.Text()
		switch {
		case err != nil && !errors.Is(err, redis.Nil):
			st.verifyAt = time.Now().Add(verifyAgain)
		case st.made != before: // somebody knows better meanwhile
		case made == "" && before != "":
			s.repair(st) // it may be gone
		default:
			s.identify(st, made)
		}
	})
}

// identify takes note of the stamp of the group, and of whether it is another: where this
// hub did not hear of that, as it was cut off, whoever is connected here is told now.
func (s *sink) identify(st *sinkStream, made string) {
	if st.made != "" && st.made != made {
		s.reset(st)
	}
	st.made = made
}
