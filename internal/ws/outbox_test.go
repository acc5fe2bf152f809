package ws

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// payloads takes frames apart, as a client would.
func payloads(t interface{ Fatalf(string, ...any) }, b []byte) (list [][]byte) {
	for len(b) > 0 {
		if b[0] != 0x81 {
			t.Fatalf("a frame begins with %#x", b[0])
		}
		header, size := 2, int(b[1])
		switch size {
		case 126:
			if header, size = 4, int(binary.BigEndian.Uint16(b[2:])); size < 126 {
				t.Fatalf("the length %d takes 2 bytes more", size)
			}
		case 127:
			if header, size = 10, int(binary.BigEndian.Uint64(b[2:])); size < 1<<16 {
				t.Fatalf("the length %d takes 8 bytes more", size)
			}
		}
		if size > len(b)-header {
			t.Fatalf("a frame has %d bytes, its header says %d", len(b)-header, size)
		}
		list, b = append(list, b[header:header+size]), b[header+size:]
	}
	return list
}

func TestFramesComeAsTheyWereAdded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want [][]byte
		out := &outbox{}
		sizes := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(65_500, 65_600), rapid.SampledFrom([]int{125, 126, 65_535, 65_536, frameBytes}))
		var events []string // of the open frame
		seal := func(fields string) {
			if len(events) > 0 {
				want = append(want, []byte(eventsHead+strings.Join(events, ",")+"]"+fields+"}"))
			}
			events = nil
		}
		t.Repeat(map[string]func(*rapid.T){
			"text": func(t *rapid.T) {
				frame := bytes.Repeat([]byte("x"), sizes.Draw(t, "size"))
				seal("")
				want = append(want, frame)
				out.seal(nil)
				out.text(frame)
			},
			"join": func(t *rapid.T) {
				event := strings.Repeat("y", sizes.Draw(t, "size"))
				if !out.fits(len(event)) {
					out.seal([]byte(`,"a":1`))
					seal(`,"a":1`)
				}
				events = append(events, event)
				out.join([]byte(event))
			},
			"seal": func(*rapid.T) {
				out.seal([]byte(`,"b":2`))
				seal(`,"b":2`)
			},
			"write": func(t *rapid.T) {
				seal("")
				frames := bytes.Clone(out.frames())
				from := rapid.IntRange(0, len(frames)).Draw(t, "written")
				if rest := out.clear(from); !bytes.Equal(rest, frames[from:]) || !out.empty() {
					t.Fatalf("of %d bytes %d are left after %d", len(frames), len(rest), from)
				}
				got := payloads(t, frames)
				if len(got) != len(want) {
					t.Fatalf("%d frames came, want %d", len(got), len(want))
				}
				for i := range got {
					if !bytes.Equal(got[i], want[i]) {
						t.Fatalf("frame %d is %.60q… with %d bytes, want %.60q… with %d", i, got[i], len(got[i]), want[i], len(want[i]))
					}
				}
				want = nil
			},
		})
	})
}

func TestWhatIsLeftTakesNoMoreMemoryThanItNeeds(t *testing.T) {
	t.Parallel()
	out := &outbox{}
	out.text(make([]byte, frameBytes))
	out.clear(len(out.frames()))
	out.text(make([]byte, 1000))
	if rest := out.clear(100); cap(rest) > 2000 {
		t.Errorf("%d bytes sit on a buffer of %d", len(rest), cap(rest))
	}
	out.text(make([]byte, 4*keptBytes))
	if out.clear(len(out.frames())); cap(out.buf) > keptBytes {
		t.Errorf("a buffer of %d bytes is kept", cap(out.buf))
	}
}

// eventsFrame is a frame as a client reads it.
type eventsFrame struct {
	Type   string
	Events []json.RawMessage
}

// join sends events of these sizes through an outbox, and returns the frames
// with the bytes of each.
func join(t *testing.T, sizes ...int) (frames []eventsFrame, bytes []int) {
	t.Helper()
	out := &outbox{}
	for i, size := range sizes {
		event := fmt.Appendf(nil, `{"i":%d,"x":"`, i)
		event = append(event, strings.Repeat("x", max(size-len(event)-2, 0))...)
		event = append(event, `"}`...)
		out.put(func(dst []byte) []byte { return append(dst, event...) })
	}
	for _, payload := range payloads(t, out.frames()) {
		var f eventsFrame
		if err := json.Unmarshal(payload, &f); err != nil {
			t.Fatalf("%v: %.100q", err, payload)
		}
		frames, bytes = append(frames, f), append(bytes, len(payload))
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
