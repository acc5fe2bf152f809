package ws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// eventsFrame is a frame as a client reads it.
type eventsFrame struct {
	Type   string
	Events []json.RawMessage
}

// join sends events of these sizes through a batcher, and returns the frames
// with the bytes of each.
func join(t *testing.T, sizes ...int) (frames []eventsFrame, bytes []int) {
	t.Helper()
	b := batcher{buffers: newBuffers(2 * frameBytes), write: func(frame []byte) error {
		var f eventsFrame
		if err := json.Unmarshal(frame, &f); err != nil {
			t.Fatalf("%v: %.100q", err, frame)
		}
		frames, bytes = append(frames, f), append(bytes, len(frame))
		return nil
	}}
	for i, size := range sizes {
		event := fmt.Appendf(nil, `{"i":%d,"x":"`, i)
		event = append(event, strings.Repeat("x", max(size-len(event)-2, 0))...)
		event = append(event, `"}`...)
		if err := b.add(func(dst []byte) []byte { return append(dst, event...) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.flush(nil); err != nil {
		t.Fatal(err)
	}
	if err := b.flush(nil); err != nil { // of nothing writes nothing
		t.Fatal(err)
	}
	if b.buf != nil {
		t.Errorf("an idle socket holds on to %d bytes", cap(*b.buf))
	}
	return frames, bytes
}

func repeat(size, n int) []int { return slices.Repeat([]int{size}, n) }

func TestEventsShareFrames(t *testing.T) {
	t.Parallel()
	frames, _ := join(t, repeat(100, 1000)...)
	if len(frames) != 1 || len(frames[0].Events) != 1000 {
		t.Errorf("1000 small events came in %d frames", len(frames))
	}
	if frames, _ := join(t); len(frames) != 0 {
		t.Errorf("no events came in %d frames", len(frames))
	}
}

func TestFramesAreSplitAtTheBound(t *testing.T) {
	t.Parallel()
	for name, sizes := range map[string][]int{
		"small events":        repeat(1000, 2500),
		"half a frame each":   repeat(frameBytes/2, 5),
		"a third each":        repeat(frameBytes/3, 7),
		"larger than a frame": repeat(2*frameBytes, 2),
		"of all sizes":        {10, 500_000, 20, 400_000, 100_000, 30, 2 * frameBytes, 10, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frames, bytes := join(t, sizes...)
			next := 0
			for i, f := range frames {
				if f.Type != "events" || len(f.Events) == 0 {
					t.Errorf("frame %d is of type %q with %d events", i, f.Type, len(f.Events))
				}
				for _, text := range f.Events {
					var event struct{ I int }
					if err := json.Unmarshal(text, &event); err != nil || event.I != next {
						t.Fatalf("event %d came where %d was due (%v)", event.I, next, err)
					}
					next++
				}
				if bytes[i] > frameBytes && len(f.Events) > 1 {
					t.Errorf("frame %d has %d bytes with %d events", i, bytes[i], len(f.Events))
				}
			}
			if next != len(sizes) {
				t.Errorf("%d events came, want %d", next, len(sizes))
			}
			total := 0
			for _, size := range sizes {
				total += size
			}
			if most := 2*total/frameBytes + 2; len(frames) > most {
				t.Errorf("%d bytes came in %d frames", total, len(frames))
			}
		})
	}
}

func TestFailedWriteEndsTheBatch(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	b := batcher{buffers: newBuffers(2 * frameBytes), write: func([]byte) error { return broken }}
	large := func(dst []byte) []byte { return append(dst, `"`+strings.Repeat("x", 2*frameBytes)+`"`...) }
	if err := b.add(large); !errors.Is(err, broken) {
		t.Errorf("a full frame: %v", err)
	}
	if err := b.add(func(dst []byte) []byte { return append(dst, '1') }); err != nil {
		t.Errorf("an event that waits: %v", err)
	}
	if err := b.flush(nil); !errors.Is(err, broken) {
		t.Errorf("the rest: %v", err)
	}
}

func TestFramesAreJSON(t *testing.T) {
	t.Parallel()
	odd := "a\"b\\c\n\xff"
	sess := &session{id: "0199", role: roleSink}
	for want, frame := range map[string][]byte{
		`{"type":"ready","session":"0199","role":"sink","streams":["a","b"],"prefetch":100}`: readyFrame(sess, func(dst []byte) []byte {
			return appendInt(appendStrings(dst, "streams", []string{"a", "b"}), "prefetch", 100)
		}),
		`{"type":"ready","session":"0199","role":"sink","ignored":[]}`: readyFrame(sess, func(dst []byte) []byte {
			return appendStrings(dst, "ignored", nil)
		}),
		`{"type":"error","ref":7,"code":"conflict","detail":"a\"b\\c\n` + "\ufffd" + `"}`: errorFrame([]byte("7"), hub.Errorf(hub.CodeConflict, "%s", odd)),
		`{"type":"error","code":"conflict","detail":"no"}`:                                errorFrame(nil, hub.Errorf(hub.CodeConflict, "no")),
		`{"type":"drain","reconnect_after":"1.4s"}`:                                       drainFrame(1400*time.Millisecond + 300*time.Microsecond),
		`{"type":"gap","channel":"room","reason":"redis_reconnect"}`:                      gapFrame(hub.Gap{Channel: "room", Reason: hub.GapReconnect}),
		`{"type":"gap","stream":"orders","reason":"reset"}`:                               gapFrame(hub.Gap{Stream: "orders", Reason: hub.GapReset}),
		`{"type":"gap","stream":"orders","from":"1-0","to":"4-2","events":120,"reason":"trimmed"}`: gapFrame(hub.Gap{
			Stream: "orders", From: hub.ID{MS: 1}, To: hub.ID{MS: 4, Seq: 2}, Events: 120, Reason: hub.GapTrimmed,
		}),
		`{"acked":["1-0","2-3"],"not_pending":[]}`: append(append([]byte{'{'},
			appendIDs(appendIDs(nil, "acked", []hub.ID{{MS: 1}, {MS: 2, Seq: 3}}), "not_pending", nil)[1:]...), '}'),
	} {
		if string(frame) != want || !json.Valid(frame) || bytes.ContainsAny(frame, "\n\r") {
			t.Errorf("the frame is\n%s, want\n%s", frame, want)
		}
	}
}

func TestCloseReasonFitsAControlFrame(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{"": "", "abc": "abc", "abcd": "abcd", "abcde": "abcd", "abä": "abä", "abcä": "abc", "ab😀": "ab"} {
		if got := truncate(s, 4); got != want {
			t.Errorf("%q is cut to %q, want %q", s, got, want)
		}
	}
	if got := truncate(strings.Repeat("ä", 100), 123); len(got) != 122 || !utf8.ValidString(got) {
		t.Errorf("it is cut to %d bytes", len(got))
	}
}
