package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
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

func newTiming(opts options) *timing {
	const lead = 50 * time.Millisecond // for who receives to be waiting
	t := &timing{schedule: schedule{start: time.Now().Add(lead), every: time.Second / time.Duration(opts.rate)}}
	t.warm = int(warmUp / t.every)
	t.total = t.warm + max(int(opts.duration/t.every), 1)
	const longest, digits = int64(time.Minute), 3
	t.histogram = hdrhistogram.New(1, longest, digits)
	return t
}

// record takes in events that have come now, in a frame of the hub or of Redis.
func (t *timing) record(frame []byte) error {
	now := time.Now()
	var fault error
	eachNumber(frame, func(n int) {
		t.received++
		if n < 0 || n >= t.total {
			fault = fmt.Errorf("an event came that was not sent: %.300s", frame)
			return
		}
		if n >= t.warm {
			fault = t.histogram.RecordValue(now.Sub(t.due(n)).Nanoseconds())
		}
	})
	return fault
}

func (t *timing) complete() bool { return t.received >= t.total }

func (t *timing) sample(events int64, seconds float64, cpu *usage) sample {
	at := func(percentile float64) time.Duration { return time.Duration(t.histogram.ValueAtPercentile(percentile)) }
	return sample{Events: events, Seconds: seconds, CPU: cpu, Latency: &latency{P50: at(50), P99: at(99), P999: at(99.9)}}
}

// run sends and receives until all has come.
func (t *timing) run(r *rig, server int, send func(n int) error, receive func() error) (sample, error) {
	before := r.mark(server, 0)
	received := make(chan error, 1)
	go func() { received <- receive() }() // waited for below; ends with the run's context at the latest
	if err := t.keep(t.total, send); err != nil {
		return sample{}, fmt.Errorf("sending: %w", err)
	}
	if err := <-received; err != nil {
		return sample{}, fmt.Errorf("receiving, after %d of %d events: %w", t.received, t.total, err)
	}
	s := r.mark(server, int64(t.total)).since(before)
	return t.sample(s.Events, s.Seconds, s.CPU), nil
}

// latencyOfHub goes from a POST to a consumer's socket, which acknowledges each
// frame.
func latencyOfHub(ctx context.Context, r *rig) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := r.next("timed")
	s, err := dialSocket(ctx, r.addr, "/v1/sinks/"+r.next("sink")+"/ws?stream="+stream+"&prefetch="+strconv.Itoa(r.opts.prefetch))
	if err != nil {
		return sample{}, err
	}
	p, err := newPoster(ctx, r.addr, stream)
	if err != nil {
		return sample{}, err
	}
	defer p.close()
	t := newTiming(r.opts)
	return t.run(r, r.hub.pid(), p.send, func() error {
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

// poster sends events without waiting for the answers: each over a connection
// that has had its last one.
type poster struct {
	free   chan *httpConn
	conns  []*httpConn
	failed atomic.Pointer[error]
	addr   string
	path   string
}

// posterConns bounds the requests under way; one that finds none free is late,
// and counts as such.
const posterConns = 32

func newPoster(ctx context.Context, addr, stream string) (*poster, error) {
	p := &poster{free: make(chan *httpConn, posterConns), addr: addr, path: eventsPath(stream)}
	for range posterConns {
		conn, err := dialHTTP(ctx, addr)
		if err != nil {
			p.close()
			return nil, err
		}
		p.conns = append(p.conns, conn)
		p.free <- conn
	}
	return p, nil
}
