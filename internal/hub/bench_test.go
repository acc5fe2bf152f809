package hub_test

import (
	"fmt"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// publishedEvent is one as clients publish it, of about 300 bytes.
var publishedEvent = fmt.Sprintf(`{"type":"order.created","topic":"eu.de","key":"customer-42","headers":{"trace":"4bf92f35"},"data":{"x":%q}}`,
	strings.Repeat("x", 200))

// array is n of them.
func array(n int) []byte {
	return []byte("[" + strings.TrimSuffix(strings.Repeat(publishedEvent+",", n), ",") + "]")
}

func benchmarkDecode(b *testing.B, body []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := hub.ToStream.Decode(body, hub.DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEvent(b *testing.B) { benchmarkDecode(b, []byte(publishedEvent)) }

func BenchmarkDecodeArrayOf100(b *testing.B) { benchmarkDecode(b, array(100)) }

// BenchmarkAppendEvent writes an event as it goes over the wire, into a buffer that is
// used again.
func BenchmarkAppendEvent(b *testing.B) {
	events, _, err := hub.ToStream.Decode([]byte(publishedEvent), hub.DefaultLimits)
	if err != nil {
		b.Fatal(err)
	}
	e := events[0]
	id := hub.ID{MS: 1763650000000, Seq: 1}
	e.ID, e.Stream, e.Time, e.Attempt = id.String(), "orders", id.Time(), 1
	var wire []byte
	b.ReportAllocs()
	for b.Loop() {
		wire = e.AppendJSON(wire[:0])
	}
}

// BenchmarkDecode1000Acks reads the body of a POST that acknowledges a thousand events.
func BenchmarkDecode1000Acks(b *testing.B) {
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf(`"1763650000000-%d"`, i))
	}
	body := []byte(`{"stream":"orders","ids":[` + strings.Join(ids, ",") + `]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hub.DecodeSettlement(hub.VerbAck, body); err != nil {
			b.Fatal(err)
		}
	}
}
