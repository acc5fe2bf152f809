package ws

import (
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// plainAcks are frames that plainAck has to take, and oddAcks such as it leaves.
var plainAcks = []string{
	`{"type":"ack","ids":["1763650000000-0"]}`,
	`{"type":"ack","stream":"orders","ids":["1763650000000-0","1763650000000-1"]}`,
	" {\t\"ids\" : [ \"1-0\" , \"2-18\" ] ,\r\n\"stream\" : \"a.b:c_d-e\" , \"type\" : \"ack\" } \n",
	`{"type":"ack","ids":["007-0","9999999999999999999-0","1-0","1-0"]}`,
	`{"type":"ack","stream":"- no name","ids":["1-0"]}`,
	`{"ids":["1-0"` + strings.Repeat(`,"1-0"`, hub.MaxAckIDs-1) + `],"type":"ack"}`,
}

var oddAcks = []string{
	``, `{`, `{}`, `[]`, `{"type":"ack"}`, `{"ids":["1-0"]}`, `{"type":"nack","ids":["1-0"]}`, `{"type":"ack","ids":[]}`,
	`{"type":"ack","ids":["1-0"],"ref":1}`, `{"type":"ack","up_to":"1-0"}`, `{"type":"ack","ids":["1-0"]`, `{"type":"ack","ids":["1-0"]}}`,
	`{"type":"ack","ids":["1-0"],}`, `{"type":"ack","ids":["1-0",]}`, `{"type":"ack","ids":["1-0"] "stream":"a"}`, `{,"type":"ack","ids":["1-0"]}`,
	`{"type":"ack","type":"ack","ids":["1-0"]}`, `{"type":"ack","ids":["1-0"],"ids":["1-0"]}`, `{"type":"ack","stream":"a","stream":"a","ids":["1-0"]}`,
	`{"type":"ack","stream":"","ids":["1-0"]}`, `{"type":"ack","stream":null,"ids":["1-0"]}`, `{"type":"ack","stream":"\u0061","ids":["1-0"]}`,
	`{"type":"ack","stream":"ä","ids":["1-0"]}`, `{"type":"ack","ids":["1"]}`, `{"type":"ack","ids":["1-"]}`, `{"type":"ack","ids":["-1"]}`,
	`{"type":"ack","ids":["1-0 "]}`, `{"type":"ack","ids":["+1-0"]}`, `{"type":"ack","ids":[1]}`, `{"type":"ack","ids":[{"id":"1-0","attempt":1}]}`,
	`{"type":"ack","ids":["18446744073709551615-0"]}`, `{"type":"ack","ids":["18446744073709551616-0"]}`, `{"type":"ack","ids":["1-0","x"]}`,
	`{"type":"ack","ids":["1-0"` + strings.Repeat(`,"1-0"`, hub.MaxAckIDs) + `]}`, `{"type":"ack","ids":["1-0"],"stream":"a`,
}

func TestPlainAcksAreTakenAndOthersLeft(t *testing.T) {
	t.Parallel()
	for _, frame := range plainAcks {
		if !samePlainAck(t, []byte(frame)) {
			t.Errorf("%.80q is not taken", frame)
		}
	}
	for _, frame := range oddAcks {
		if samePlainAck(t, []byte(frame)) {
			t.Errorf("%.80q is taken", frame)
		}
	}
}

func FuzzPlainAck(f *testing.F) {
	for _, seed := range slices.Concat(plainAcks, oddAcks) {
		if len(seed) < 1000 {
			f.Add([]byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) { samePlainAck(t, frame) })
}

// samePlainAck says whether plainAck takes a frame, and makes sure that the long way
// would have taken it with the same result.
func samePlainAck(t *testing.T, frame []byte) bool {
	t.Helper()
	stream, list, ok := plainAck(frame, nil)
	if !ok {
		return false
	}
	c, fault := parseCommand(frame)
	if fault != nil {
		t.Fatalf("%.200q is taken, but is %v", frame, fault)
	}
	read := c.read("stream", "ids")
	want := read.receipts(false)
	switch {
	case c.kind != kindAck || c.ref != nil:
		t.Fatalf("%.200q is taken, but is %+v", frame, *c)
	case read.fault != nil:
		t.Fatalf("%.200q is taken, but is answered %v", frame, read.fault)
	case read.has("stream") != (len(stream) > 0) || read.text("stream") != string(stream):
		t.Fatalf("%.200q is for the stream %q, want %q", frame, stream, read.text("stream"))
	case !slices.Equal(list, want):
		t.Fatalf("%.200q names %v, want %v", frame, list, want)
	}
	return true
}

func TestPlainAckLeavesNoGarbage(t *testing.T) { //nolint:paralleltest // others' allocations would count
	frame, room := []byte(plainAcks[0]), make([]hub.Receipt, 0, 1)
	allocations := testing.AllocsPerRun(100, func() {
		if _, _, ok := plainAck(frame, room); !ok {
			t.Error("it is not taken")
		}
	})
	if allocations > 0 {
		t.Errorf("an ack costs %v allocations", allocations)
	}
}

func BenchmarkPlainAck(b *testing.B) {
	frame := []byte(plainAcks[0])
	for name, read := range map[string]func(){
		"plain": func() {
			var room [1]hub.Receipt
			_, _, _ = plainAck(frame, room[:0])
		},
		"any": func() {
			c, _ := parseCommand(frame)
			_ = c.read("stream", "ids", "up_to").receipts(false)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
	}
}
