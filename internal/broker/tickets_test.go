package broker_test

import (
	"bytes"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// onEachRedis runs a test on a redis-server and on the embedded one, where keys do not
// expire by themselves.
func onEachRedis(t *testing.T, test func(t *testing.T, url string, client *redis.Client)) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		test(t, s.URL(), s.Client(t))
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		s := miniredis.RunT(t)
		client := redis.NewClient(&redis.Options{Addr: s.Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, "redis://"+s.Addr(), client)
	})
}

// keep puts a ticket that is good for 30 s, and for an hour where it comes again.
func keep(t *testing.T, b *broker.Broker, hash string) hub.Ticket {
	t.Helper()
	ticket := hub.Ticket{
		Principal: []byte("sealed\x00\xff"), Origin: "https://app.example.com",
		Expires: time.Now().Add(30 * time.Second), Until: time.Now().Add(time.Hour),
	}
	if err := b.PutTicket(t.Context(), hash, ticket); err != nil {
		t.Fatal(err)
	}
	return ticket
}

// used takes a ticket, and returns its turn; 0 where it is refused.
func used(t *testing.T, b *broker.Broker, hash, place string) int64 {
	t.Helper()
	_, turn, err := b.TakeTicket(t.Context(), hash, place)
	if c := code(err); c != "" && c != hub.CodeUnauthenticated {
		t.Fatal(err)
	}
	return turn
}

func wantTurn(t *testing.T, what string, turn, want int64) {
	t.Helper()
	if turn != want {
		t.Errorf("%s: the turn is %d, want %d", what, turn, want)
	}
}

func TestOneOfAHundredParallelUsesOfATicketWins(t *testing.T) {
	onEachRedis(t, func(t *testing.T, url string, _ *redis.Client) {
		hubs := []*broker.Broker{startBroker(t, url), startBroker(t, url)}
		for _, place := range []string{"", "/v1/broadcast/sse?channel=room"} {
			keep(t, hubs[0], "h")
			wins := make(chan int64, 100)
			var using sync.WaitGroup
			for i := range 100 {
				using.Go(func() {
					if turn := used(t, hubs[i%2], "h", place); turn != 0 {
						wins <- turn
					}
				})
			}
			using.Wait()
			if n := len(wins); n != 1 {
				t.Errorf("%d of 100 parallel uses in the place %q have won", n, place)
			}
		}
	})
}

func TestTicketComesBackAsItWasKept(t *testing.T) {
	onEachRedis(t, func(t *testing.T, url string, client *redis.Client) {
		b := startBroker(t, url)
		want := keep(t, b, "h")
		if life := client.PTTL(t.Context(), "hub:ticket:h").Val(); life <= 0 || life > 30*time.Second {
			t.Errorf("Redis is to forget it in %s, want within 30 s", life)
		}
		got, _, err := b.TakeTicket(t.Context(), "h", "")
		if err != nil || !bytes.Equal(got.Principal, want.Principal) || got.Origin != want.Origin {
			t.Errorf("%+v came back, want %+v (%v)", got, want, err)
		}
		for what, times := range map[string][2]time.Time{"expires": {got.Expires, want.Expires}, "until": {got.Until, want.Until}} {
			if off := times[0].Sub(times[1]).Abs(); off > patience {
				t.Errorf("%s is off by %s", what, off)
			}
		}
		wantTurn(t, "used once, for a WebSocket", used(t, b, "h", ""), 0)
		wantTurn(t, "used once, in a place", used(t, b, "h", "/sse"), 0)
		wantTurn(t, "unknown", used(t, b, "other", ""), 0)
	})
}

func TestTicketIsUsedAgainOnlyInItsPlace(t *testing.T) {
	onEachRedis(t, func(t *testing.T, url string, client *redis.Client) {
		b, other := startBroker(t, url), startBroker(t, url)
		held := func(turn int64) bool {
			t.Helper()
			held, err := other.HoldsTicket(t.Context(), "h", turn)
			if err != nil {
				t.Fatal(err)
			}
			return held
		}
		leave := func(turn int64) {
			t.Helper()
			if err := b.LeaveTicket(t.Context(), "h", turn); err != nil {
				t.Fatal(err)
			}
		}
		keep(t, b, "h")
		wantTurn(t, "the first use", used(t, b, "h", "/sse?a"), 1)
		wantTurn(t, "while it is used", used(t, other, "h", "/sse?a"), 0)
		if life := client.PTTL(t.Context(), "hub:ticket:h").Val(); life < 59*time.Minute || life > time.Hour {
			t.Errorf("Redis is to forget it in %s, want the end of its principal", life)
		}
		leave(1)
		wantTurn(t, "after it was left, elsewhere", used(t, other, "h", "/sse?b"), 0)
		wantTurn(t, "after it was left, for a WebSocket", used(t, other, "h", ""), 0)
		wantTurn(t, "after it was left", used(t, other, "h", "/sse?a"), 2)
		leave(1) // late: another has it
		wantTurn(t, "after an older one left", used(t, b, "h", "/sse?a"), 0)
		if held(1) || !held(2) {
			t.Error("it is not the second that holds the ticket")
		}
		if err := client.HIncrBy(t.Context(), "hub:ticket:h", "used", -5000).Err(); err != nil {
			t.Fatal(err)
		}
		wantTurn(t, "5 s after the last use", used(t, b, "h", "/sse?a"), 3)
		if held(2) || !held(3) {
			t.Error("it is not the third that holds the ticket")
		}
		if err := client.Del(t.Context(), "hub:ticket:h").Err(); err != nil {
			t.Fatal(err)
		}
		leave(3)
		if !held(3) || client.Exists(t.Context(), "hub:ticket:h").Val() != 0 {
			t.Error("a ticket that is gone is taken from who had it, or is there again")
		}
	})
}

// TestTicketHasItsTimes goes by what Redis says the time is, whatever it has forgotten.
func TestTicketHasItsTimes(t *testing.T) {
	onEachRedis(t, func(t *testing.T, url string, client *redis.Client) {
		b := startBroker(t, url)
		passes := func(field string) {
			t.Helper()
			now := strconv.FormatInt(client.Time(t.Context()).Val().UnixMilli(), 10)
			if err := client.HSet(t.Context(), "hub:ticket:h", field, now).Err(); err != nil {
				t.Fatal(err)
			}
			if err := client.Persist(t.Context(), "hub:ticket:h").Err(); err != nil {
				t.Fatal(err)
			}
		}
		for _, place := range []string{"", "/sse"} {
			keep(t, b, "h")
			passes("expires")
			wantTurn(t, "it has expired before anybody used it", used(t, b, "h", place), 0)
		}
		keep(t, b, "h")
		wantTurn(t, "in time", used(t, b, "h", "/sse"), 1)
		passes("expires")
		if err := b.LeaveTicket(t.Context(), "h", 1); err != nil {
			t.Fatal(err)
		}
		wantTurn(t, "it was used before it expired", used(t, b, "h", "/sse"), 2)
		passes("until")
		if err := b.LeaveTicket(t.Context(), "h", 2); err != nil {
			t.Fatal(err)
		}
		wantTurn(t, "its principal has ended", used(t, b, "h", "/sse"), 0)

		if err := b.PutTicket(t.Context(), "h", hub.Ticket{Expires: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		wantTurn(t, "of a principal without an end", used(t, b, "h", "/sse"), 1)
		if life := client.PTTL(t.Context(), "hub:ticket:h").Val(); life < 23*time.Hour || life > 24*time.Hour {
			t.Errorf("Redis is to forget it in %s, want 24 h", life)
		}
	})
}

func TestTicketsWorkOnCluster(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.StartCluster(t, 3).URL())
	for i := range 10 { // on whichever node
		hash := strconv.Itoa(i)
		keep(t, b, hash)
		wantTurn(t, "the first use", used(t, b, hash, "/sse"), 1)
		if held, err := b.HoldsTicket(t.Context(), hash, 1); err != nil || !held {
			t.Errorf("the ticket is held: %t, %v", held, err)
		}
		if err := b.LeaveTicket(t.Context(), hash, 1); err != nil {
			t.Error(err)
		}
		wantTurn(t, "after it was left", used(t, b, hash, "/sse"), 2)
	}
}

func TestTicketsAreUnavailableWithoutRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	s.Kill()
	_, _, taking := b.TakeTicket(t.Context(), "h", "")
	_, holding := b.HoldsTicket(t.Context(), "h", 1)
	for what, err := range map[string]error{
		"keeping": b.PutTicket(t.Context(), "h", hub.Ticket{Expires: time.Now().Add(time.Minute)}),
		"using":   taking, "holding": holding, "leaving": b.LeaveTicket(t.Context(), "h", 1),
	} {
		if code(err) != hub.CodeUnavailable {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
}

func TestTicketOfWhoHasLeftIsForgottenWithinAnHour(t *testing.T) {
	onEachRedis(t, func(t *testing.T, url string, client *redis.Client) {
		b := startBroker(t, url)
		lives := func(least, most time.Duration) {
			t.Helper()
			if life := client.PTTL(t.Context(), "hub:ticket:h").Val(); life < least || life > most {
				t.Errorf("Redis is to forget it in %s, want %s to %s", life, least, most)
			}
		}
		if err := b.PutTicket(t.Context(), "h", hub.Ticket{Principal: []byte("p"), Expires: time.Now().Add(30 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		for turn := range int64(2) {
			wantTurn(t, "in its place", used(t, b, "h", "/sse"), turn+1)
			lives(23*time.Hour, 24*time.Hour)
			if err := b.LeaveTicket(t.Context(), "h", turn+1); err != nil {
				t.Fatal(err)
			}
			lives(59*time.Minute, time.Hour)
		}
	})
}
