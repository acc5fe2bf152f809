package ws

import (
	"encoding/binary"
	"testing"
)

// scanWhole is what a scanner has to see of all that came, frame by frame.
func scanWhole(bytes []byte) (saw sight) {
	split, small := false, 0
	for len(bytes) > 0 {
		saw.open = true
		if len(bytes) < 2 {
			return saw
		}
		final, control, masked, size := bytes[0] >= 0x80, bytes[0]&8 > 0, bytes[1] >= 0x80, uint64(bytes[1]&127)
		bytes = bytes[2:]
		extra := map[uint64]int{126: 2, 127: 8}[size]
		mask := 0
		if masked {
			mask = 4
		}
		if len(bytes) < extra+mask {
			return saw
		}
		switch extra {
		case 2:
			size = uint64(binary.BigEndian.Uint16(bytes))
		case 8:
			size = binary.BigEndian.Uint64(bytes)
		}
		bytes = bytes[extra+mask:]
		if control {
			saw.control++
		} else {
			if split = !final; final {
				small = 0
			} else if size < smallFragment {
				small++
			}
			if !final && size < smallFragment && small > freeFragments {
				saw.fragments++
			}
		}
		if uint64(len(bytes)) < size {
			return saw
		}
		bytes = bytes[size:]
		saw.open = split
	}
	return saw
}

func FuzzScanner(f *testing.F) {
	for _, frames := range drips {
		f.Add(frames, byte(3))
	}
	f.Add(masked(finalText, make([]byte, 70_000)), byte(100))
	f.Add(append(masked(finalText, make([]byte, 300)), masked(finalPing, nil)...), byte(1))
	f.Add([]byte{finalText, 2, 'h', 'i', 0x01, 0x00}, byte(0))
	f.Fuzz(func(t *testing.T, bytes []byte, step byte) {
		var s scanner
		var got sight
		for rest, n := bytes, int(step); len(rest) > 0; n = (n*7 + 1) % 8191 {
			piece := rest[:1+n%min(len(rest), 1+int(step))]
			rest = rest[len(piece):]
			saw := s.scan(piece)
			got.control += saw.control
			got.fragments += saw.fragments
			got.open = saw.open
		}
		if want := scanWhole(bytes); got != want {
			t.Errorf("%x in pieces of up to %d is %+v, want %+v", bytes, step, got, want)
		}
	})
}

// TestScannerTellsWhatBeganInAPiece: which the time of a message depends on.
func TestScannerTellsWhatBeganInAPiece(t *testing.T) {
	t.Parallel()
	text, ping := masked(finalText, []byte("hello")), masked(finalPing, nil)
	first, last := fragment(true, false, "x"), fragment(false, true, "x")
	for _, test := range []struct {
		pieces [][]byte
		want   []sight
	}{
		{[][]byte{text[:1], text[1:]}, []sight{{open: true, fresh: true}, {}}},
		{[][]byte{text[:7], append(text[7:len(text):len(text)], text[:7]...), text[7:]}, []sight{{open: true, fresh: true}, {open: true, fresh: true}, {}}},
		{[][]byte{first, ping, ping[:2], ping[2:], last}, []sight{{open: true, fresh: true}, {open: true, control: 1}, {open: true}, {open: true, control: 1}, {}}},
		{[][]byte{ping[:1], ping[1:]}, []sight{{open: true, fresh: true}, {control: 1}}},
	} {
		var s scanner
		for i, piece := range test.pieces {
			got := s.scan(piece)
			if got.fresh = got.fresh && got.open; got != test.want[i] {
				t.Errorf("piece %d of %x is %+v, want %+v", i, test.pieces, got, test.want[i])
			}
		}
	}
}

func BenchmarkScanner(b *testing.B) {
	ack := masked(finalText, []byte(`{"type":"ack","stream":"orders","ids":["1763650000000-0"]}`))
	var piece []byte
	for len(piece)+len(ack) <= sinkBytes {
		piece = append(piece, ack...)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(piece)))
	var s scanner
	for b.Loop() {
		s.scan(piece)
	}
}
