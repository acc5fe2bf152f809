package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// pulling is a pull of these streams that waits, but reads nothing until it is resumed.
func (h *hanging) pulling(t *testing.T, settings hub.SinkSettings, streams ...string) *consumer {
	t.Helper()
	c, err := h.b.consume(t.Context(), hub.ConsumerSpec{
		Sink: "billing", Streams: streams, Prefetch: 1000, MaxBytes: 1 << 20, Settings: settings,
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConsumer(t, c) })
	c.Pause(func() {})
	if d, err := c.Take(); err != nil || len(d.Events) > 0 {
		t.Fatalf("took %d events, error %v; want nothing", len(d.Events), err)
	}
	return c
}

// A master that pauses for less than a call may take costs a pull nothing but that time, and
// it is not told that there is nothing. What is read with ack=none goes to nobody else.
func TestAPullOutlivesAShortPauseOfAMaster(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings hub.SinkSettings
		other    bool // it reads a stream of a master that answers, too
	}{
		"of the only stream":                  {},
		"of the only stream, without acks":    {settings: hub.SinkSettings{hub.SettingAck: string(hub.AckNone)}},
		"of one of two streams, without acks": {settings: hub.SinkSettings{hub.SettingAck: string(hub.AckNone)}, other: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHanging(t)
			streams := []string{h.dead}
			if test.other {
				streams = append(streams, h.alive)
			}
			c := h.pulling(t, test.settings, streams...)
			want := h.publish(t, h.dead, 1)[0]
			h.hang(t)
			c.Resume()
			h.awaitSink(t, func(s *sink) bool { return s.streams[h.dead].silent && s.streams[h.dead].reads == 1 })
			c.mu.Lock()
			if c.searched {
				t.Error("it was told that all was looked at, and its read is under way")
			}
			c.mu.Unlock()
			h.master.Resume()
			events, err := c.await(t.Context(), 0)
			if err != nil || len(events) != 1 || events[0].ID != want.String() {
				t.Errorf("pulled %+v (%v), want %s", events, err, want)
			}
		})
	}
}

// A pull that has nothing under way, and nobody else to ask, is told as soon as a call
// would have failed.
func TestAPullFailsOnceNoneOfItsMastersAnswers(t *testing.T) {
	t.Parallel()
	h := newHanging(t)
	c := h.pulling(t, nil, h.dead)
	h.hang(t)
	began := time.Now()
	o := &op{cmds: []redis.Cmder{command("exists", h.b.keys.log(h.dead))}}
	if err := h.b.working.submit(t.Context(), h.b.keys.log(h.dead), o); err != nil {
		t.Fatal(err)
	}
	_, err := c.await(t.Context(), 20*time.Second)
	var fault *hub.Error
	if !errors.As(err, &fault) || fault.Code != hub.CodeUnavailable {
		t.Errorf("pulled with the error %v, want %s", err, hub.CodeUnavailable)
	}
	if took := time.Since(began); took < callTimeout || took > 3*time.Second {
		t.Errorf("it failed after %s, want the time of a call, and no more than 3s", took)
	}
}
