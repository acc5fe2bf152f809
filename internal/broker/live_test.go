package broker

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// newLiveRig is a live path whose connection is never used: the test says what
// is written and confirmed.
func newLiveRig(t *testing.T) *live {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	l := newLive(client, slog.New(slog.DiscardHandler), func(string, string) {})
	l.dial(t.Context())
	t.Cleanup(func() {
		l.close()
		_ = client.Close()
	})
	return l
}

// confirms has Redis confirm the room, and says whether it was deaf before.
func confirms(t *testing.T, l *live) (again bool) {
	t.Helper()
	l.mu.Lock()
	l.channels["room"].heard = func(so bool) { again = so }
	l.mu.Unlock()
	if err := l.confirm("room"); err != nil {
		t.Fatal(err)
	}
	return again
}

func TestSubscriptionIsConfirmedWhoeverLeftMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLiveRig(t)
	l.subscribe("room", nil)
	l.changes() // SUBSCRIBE is sent
	l.unsubscribe("room")
	confirms(t, l)
	// Redis was not told to unsubscribe, and will not be.
	confirmed := l.subscribe("room", nil)
	if _, on, off := l.changes(); len(on)+len(off) > 0 {
		confirms(t, l)
	}
	select {
	case <-confirmed:
	default:
		t.Error("Redis sends the room's messages, and its subscriber waits for a confirmation")
	}
}

func TestReconnectIsAGapForWhoCameBack(t *testing.T) {
	t.Parallel()
	l := newLiveRig(t)
	l.subscribe("room", nil)
	l.changes()
	if confirms(t, l) {
		t.Error("the first subscription tells a gap")
	}
	l.unsubscribe("room")
	l.subscribe("room", nil)
	l.changes()
	l.lose()
	l.dial(t.Context())
	l.changes()
	if !confirms(t, l) {
		t.Error("the connection was made anew, and no gap is told")
	}
}

func TestRoomLeftAndEnteredAgainHasNoGap(t *testing.T) {
	t.Parallel()
	l := newLiveRig(t)
	l.subscribe("room", nil)
	l.changes()
	confirms(t, l)
	l.unsubscribe("room")
	l.changes() // UNSUBSCRIBE is sent
	l.subscribe("room", nil)
	l.changes()
	if confirms(t, l) {
		t.Error("who came after all had left is told of a gap")
	}
}

func TestManyChannelsAreSubscribedToInPieces(t *testing.T) {
	t.Parallel()
	l := newLiveRig(t)
	l.urgent = []string{"bell"}
	for i := range 2*piece + 10 {
		l.subscribe(fmt.Sprint("room-", i), func(bool) {})
	}
	l.subscribe("bell", func(bool) {})
	for i, want := range []int{piece, piece, 11} {
		_, on, _ := l.changes()
		if len(on) != want || i == 0 && on[0] != "bell" {
			t.Fatalf("piece %d has %d channels, the first is %s", i, len(on), on[0])
		}
		for n, channel := range on {
			if _, more, _ := l.changes(); len(more) > 0 {
				t.Fatalf("%d more are sent when %d of %d are confirmed", len(more), n, len(on))
			}
			for len(l.changed) > 0 {
				<-l.changed
			}
			if err := l.confirm(channel); err != nil {
				t.Fatal(err)
			}
		}
		if want == piece && len(l.changed) == 0 {
			t.Fatal("the writer is not told to go on")
		}
	}
}

// TestWhoComesBeforeAChannelIsGivenUpIsToldOfAGap: its confirmation came while nobody
// was there.
func TestWhoComesBeforeAChannelIsGivenUpIsToldOfAGap(t *testing.T) {
	t.Parallel()
	l := newLiveRig(t)
	l.subscribe("room", nil)
	l.subscribe("other", func(bool) {})
	l.changes()
	l.unsubscribe("room")
	confirms(t, l)
	l.subscribe("room", nil)
	if err := l.confirm("other"); err != nil {
		t.Fatal(err)
	}
	l.lose()
	l.dial(t.Context())
	l.changes()
	if !confirms(t, l) {
		t.Error("the connection was made anew, and no gap is told")
	}
}

func TestConfirmationThatNeverComesEndsTheConnection(t *testing.T) {
	t.Parallel()
	l := newLiveRig(t)
	l.subscribe("room", func(bool) {})
	l.changes()
	if l.unconfirmed() {
		t.Error("it is missed at once")
	}
	l.pings.Store(time.Now().Add(time.Second).UnixNano()) // a ping that was sent later is answered
	if !l.unconfirmed() {
		t.Error("it is not missed")
	}
	if err := l.confirm("room"); err != nil || l.unconfirmed() {
		t.Errorf("it is missed after it came (%v)", err)
	}
}
