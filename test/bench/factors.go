package main

import (
	"context"
	"fmt"
	"net/http"
)

// What the factors do while they grow.
const (
	apartRate    = 2000    // events a second, over all streams with a sink each
	togetherRate = 10_000  // deliveries a second, over all sinks of one stream
	bite         = 100_000 // events taken from a backlog
)

// roomy is the setting of a stream that keeps more than the million events it would by
// default.
const roomy = `{"max_events":10000000}`

// factors lists what may grow. The bounds leave room for noise, and for less that can be
// shared when the same work is spread over more; of a broadcast, each hub does all that is
// done once for a message.
func factors(opts options) []factor {
	many, crowd := upTo(opts.sockets, 1, 100, 1000), upTo(opts.sockets, 10, 1000, 10_000)
	waiting := upTo(2*opts.backlog, 0, 100_000, 1_000_000)
	return []factor{
		{name: "streams", work: "publish-1 over so many streams in turn", sizes: many, bound: 1.5, probe: spreadPublish},
		{name: "sinks-apart", work: "one a POST, 2,000/s, over so many streams with a sink each, acked", sizes: many, bound: 1.5, probe: sinksApart},
		{name: "sinks-together", work: "deliveries, 10,000/s, to so many sinks of one stream, acked", sizes: many, bound: 1.5, probe: sinksTogether},
		{name: "idle-sockets", work: "publish-1 beside so many idle subscribers", sizes: crowd, bound: 1.5, probe: besideIdle},
		{name: "backlog-publish", work: "publish-1 to a stream where so many events wait for a sink", sizes: waiting, bound: 1.5, probe: publishBehind},
		{name: "backlog-consume", work: "100,000 events consumed and acked, with so many more behind", sizes: waiting, bound: 1.5, probe: consumeBefore},
		{name: "hubs-publish", work: "publish-1 to so many hubs", sizes: []int{1, 2}, bound: 1.5, hubs: true, probe: publishToHubs},
		{name: "hubs-sink", work: "sink-4 with the consumers on so many hubs", sizes: []int{1, 2}, bound: 1.5, hubs: true, probe: consumeOnHubs},
		{name: "hubs-broadcast", work: "broadcast-1000 with the subscribers on so many hubs", sizes: []int{1, 2}, bound: 4, hubs: true, probe: broadcastOnHubs},
	}
}

// upTo are the sizes up to a limit, which stands for those beyond.
func upTo(limit int, sizes ...int) (kept []int) {
	for i, size := range sizes {
		if kept = append(kept, min(size, limit)); i+1 < len(sizes) && size >= limit {
			break
		}
	}
	return kept
}

func (r *rig) nextOf(kind string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = r.next(kind)
	}
	return names
}

func spreadPublish(ctx context.Context, r *rig, size int) (sample, error) {
	return r.publish(ctx, single, 0, r.nextOf("publish", size)...)
}

func publishToHubs(ctx context.Context, r *rig, _ int) (sample, error) {
	return publish(single)(ctx, r)
}

func consumeOnHubs(ctx context.Context, r *rig, _ int) (sample, error) {
	return consume(4, ackFrames)(ctx, r)
}

func broadcastOnHubs(ctx context.Context, r *rig, _ int) (sample, error) {
	return broadcast(1000)(ctx, r)
}

func besideIdle(ctx context.Context, r *rig, size int) (s sample, err error) {
	err = r.visit(ctx, size, func([]*socket, string) error {
		s, err = publish(single)(ctx, r)
		return err
	})
	return s, err
}

// publishBehind has a sink that nobody consumes owe what is there and what comes.
func publishBehind(ctx context.Context, r *rig, size int) (sample, error) {
	stream := r.next("publish")
	if err := r.put(ctx, "/v1/streams/"+stream, roomy); err != nil {
		return sample{}, err
	}
	if _, err := r.fill(ctx, stream, size); err != nil {
		return sample{}, err
	}
	if err := r.put(ctx, "/v1/sinks/"+r.next("sink"), fmt.Sprintf(`{"streams":[%q],"from":"oldest"}`, stream)); err != nil {
		return sample{}, err
	}
	return r.publish(ctx, single, int64(size), stream)
}

// consumeBefore takes a bite from a backlog. Where more is left, some of what has come by
// then is not acknowledged yet.
func consumeBefore(ctx context.Context, r *rig, size int) (sample, error) {
	stream := r.next("backlog")
	if err := r.put(ctx, "/v1/streams/"+stream, roomy); err != nil {
		return sample{}, err
	}
	b, err := r.fill(ctx, stream, size+min(bite, r.opts.backlog))
	if err != nil {
		return sample{}, err
	}
	t, before := newTally(b), r.mark(r.pids(), 0)
	t.enough = int64(b.size - size)
	if err := r.drain(ctx, r.next("sink"), t, 4, ackFrames); err != nil {
		return sample{}, err
	}
	return r.mark(r.pids(), t.distinct.Load()).since(before), t.check()
}

// sinksApart gives each sink a stream of its own.
func sinksApart(ctx context.Context, r *rig, size int) (sample, error) {
	streams := r.nextOf("apart", size)
	l := newLive(r)
	defer l.close()
	for i, stream := range streams {
		if err := l.consume(ctx, r.addrs[i%len(r.addrs)], sinkPath(r.next("sink"), r.opts.prefetch, stream)); err != nil {
			return sample{}, err
		}
	}
	return l.run(ctx, streams, apartRate, 1)
}

// sinksTogether has them all consume one stream.
func sinksTogether(ctx context.Context, r *rig, size int) (sample, error) {
	stream := r.next("together")
	l := newLive(r)
	defer l.close()
	for range size {
		if err := l.consume(ctx, r.addr, sinkPath(r.next("sink"), r.opts.prefetch, stream)); err != nil {
			return sample{}, err
		}
	}
	return l.run(ctx, []string{stream}, max(togetherRate/size, 1), size)
}

// put sends a setting, which is to be taken.
func (r *rig) put(ctx context.Context, path, body string) error {
	conn, err := dialHTTP(ctx, r.addr)
	if err != nil {
		return err
	}
	defer conn.close()
	request := fmt.Appendf(nil, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, r.addr, len(body), body)
	_, err = conn.do(request, http.StatusCreated)
	return err
}
