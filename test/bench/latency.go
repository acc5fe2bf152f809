package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// timing is one measurement of latency: who sends keeps the schedule, who
// receives records how late each event is.
type timing struct {
	schedule
	total int // events
	warm  int // of them, the first that do not count

	received  int
	histogram *hdrhistogram.Histogram // of ns; owned by who receives
}

// newTiming starts right away; rate is events a second.
func newTiming(rate int, duration time.Duration) *timing {
	const lead = 50 * time.Millisecond // for who receives to be waiting
	t := &timing{schedule: schedule{start: time.Now().Add(lead), every: time.Second / time.Duration(rate)}}
	t.warm = int(warmUp / t.every)
	t.total = t.warm + max(int(duration/t.every), 1)
	t.histogram = newHistogram()
	return t
}

func newHistogram() *hdrhistogram.Histogram {
	const longest, digits = int64(time.Minute), 3
	return hdrhistogram.New(1, longest, digits)
}

// record takes in events that have come now, in a frame of the hub or of Redis.
func (t *timing) record(frame []byte) error {
	return t.each(frame, func(n int, late time.Duration) error {
		t.received++
		return t.count(n, late)
	})
}

// each calls yield with the events of a frame that has come now, and with how late
// they are: more than nothing.
func (t *timing) each(frame []byte, yield func(n int, late time.Duration) error) error {
	now := time.Now()
	var fault error
	eachNumber(frame, func(n int) {
		switch {
		case fault != nil:
		case n < 0 || n >= t.total:
			fault = fmt.Errorf("an event came that was not sent: %.300s", frame)
		default:
			fault = yield(n, max(now.Sub(t.due(n)), 1))
		}
	})
	return fault
}

// count takes the lateness of an event into the figures.
func (t *timing) count(n int, late time.Duration) error {
	if n < t.warm {
		return nil
	}
	return t.histogram.RecordValue(late.Nanoseconds())
}

func (t *timing) complete() bool { return t.received >= t.total }

// run sends and receives until all has come; cancel ends who receives.
func (t *timing) run(r *rig, servers []int, cancel func(), send func(n int) error, receive func() error) (sample, error) {
	before := r.mark(servers, 0)
	received := make(chan error, 1)
	go func() { received <- receive() }() // waited for below
	if err := t.keep(t.total, send); err != nil {
		cancel()
		return sample{}, errors.Join(fmt.Errorf("sending: %w", err), <-received)
	}
	if err := <-received; err != nil {
		return sample{}, fmt.Errorf("receiving, after %d of %d events: %w", t.received, t.total, err)
	}
	s := r.mark(servers, int64(t.total)).since(before)
	s.Latency = &latency{P50: t.at(50), P99: t.at(99), P999: t.at(99.9), Max: t.at(100)}
	return s, nil
}

func (t *timing) at(percentile float64) time.Duration {
	return time.Duration(t.histogram.ValueAtPercentile(percentile))
}

// latencyOfHub goes from a POST to a consumer's socket, which acknowledges each
// frame, at so many times -rate.
func latencyOfHub(times int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.latency(ctx, r.pids(), r.addr, times*r.opts.rate)
	}
}

// latencyOfBare is the same through the shortest way that there is.
func latencyOfBare(times int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.beside(ctx, bareWorker, func(pids []int, addr string) (sample, error) {
			return r.latency(ctx, pids, addr, times*r.opts.rate)
		})
	}
}

func (r *rig) latency(ctx context.Context, pids []int, addr string, rate int) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := r.next("timed")
	s, err := dialSocket(ctx, addr, sinkPath(r.next("sink"), r.opts.prefetch, stream))
	if err != nil {
		return sample{}, err
	}
	defer s.close()
	p, err := newPoster(ctx, []string{addr}, []string{eventsPath(stream)}, eventBody(0), http.StatusCreated)
	if err != nil {
		return sample{}, err
	}
	defer p.close()
	t := newTiming(rate, r.opts.duration)
	return t.run(r, pids, cancel, p.send, func() error {
		var ids [][]byte
		for !t.complete() {
			frame, err := s.nextEvents()
			if err != nil {
				return err
			}
			if err := t.record(frame); err != nil {
				return err
			}
			ids = ids[:0]
			eachID(frame, func(id []byte) { ids = append(ids, id) })
			if err := ackFrames(s, ids); err != nil {
				return err
			}
		}
		return nil
	})
}
