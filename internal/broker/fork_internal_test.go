package broker

import (
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestForkIsWhereTheLogsDiffer(t *testing.T) {
	t.Parallel()
	ids := func(ms ...uint64) (list []hub.ID) {
		for _, m := range ms {
			list = append(list, hub.ID{MS: m})
		}
		return list
	}
	for _, c := range []struct {
		name            string
		read, has       []hub.ID
		removed, behind uint64
		common          uint64
		lost            []hub.ID // nil: there is no fork
	}{
		{"the last are lost", ids(1, 2, 3, 4), ids(1, 2), 0, 2, 2, ids(3, 4)},
		{"others lie between", ids(1, 20, 30), ids(1, 20, 25), 0, 25, 20, ids(30)},
		{"others lie between, and an id is there again", ids(1, 20, 30, 40), ids(1, 15, 20, 30, 35), 0, 35, 1, ids(20, 30, 40)},
		{"the first was deleted", ids(1, 2, 3, 4), ids(2, 3), 1, 3, 3, ids(4)},
		{"one was deleted", ids(1, 2, 3, 4), ids(1, 3), 2, 3, 3, ids(4)},
		{"all from the start on", ids(0, 2, 3), ids(), 0, 0, 0, ids(2, 3)},
		{"it is older than what is known", ids(5, 6, 7), ids(6), 0, 6, 6, ids(7)},
		{"only the last is known", ids(7), ids(), 0, 6, 6, ids(7)},
		{"nothing is lost", ids(1, 2, 3), ids(1, 2, 3), 0, 2, 3, nil},
	} {
		found := &extent{removed: hub.ID{MS: c.removed}, behind: hub.ID{MS: c.behind}}
		f, forked := findFork(c.read, c.has, found)
		if forked != (c.lost != nil) || f.common != (hub.ID{MS: c.common}) || !slices.Equal(f.lost, c.lost) {
			t.Errorf("%s: %+v, %v", c.name, f, forked)
		}
	}
}

func TestNewConnectionsAreNotTakenForSettled(t *testing.T) {
	t.Parallel()
	b, _ := engine(t, 1)
	server := b.store.engine
	if err := server.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(2 * settling)
	if b.store.settled(time.Now()) || !b.store.settled(later) {
		t.Error("the first connections settle at another time than after a while")
	}
	b.store.connected.Store(0)
	if !b.store.settled(time.Now()) {
		t.Error("connections never settle")
	}
	// Whose connection is killed may hear it instead of an answer.
	_ = server.Do(t.Context(), "client", "kill", "type", "normal", "skipme", "no").Err()
	for range engineConns {
		_ = server.Ping(t.Context()).Err()
	}
	if b.store.settled(time.Now()) {
		t.Error("a connection was made, and nobody has noticed")
	}
}
