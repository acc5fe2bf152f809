package broker

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/hub"
)

// BenchmarkFanOut is what a message costs the receiver of pub/sub, by subscribers of
// its channel.
func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			f := newFan(QueueLimits{Events: 1000, Bytes: 1 << 20}, "live:", newLive(nil, nil, nil), newMetrics(prometheus.NewRegistry(), nil),
				slog.New(slog.DiscardHandler))
			all := make([]*subscriber, subscribers)
			for i := range all {
				all[i] = f.subscriber(nil)
				f.enter(all[i], "room")
			}
			payload := strings.Repeat("x", 300)
			var taken []*hub.Message
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				n++
				f.deliver("live:room", numbered(n, payload))
				if n%100 == 0 {
					b.StopTimer()
					for _, s := range all {
						taken, _ = s.Take(taken[:0], 1<<20)
					}
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/delivery")
		})
	}
}
