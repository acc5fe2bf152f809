package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// grouped is the least that stores what is posted: net/http, and XADD by group commit, in
// pipelines of go-redis, two at a time, as a hub's. It checks nothing, knows no settings,
// keys of idempotency, deadlines or metrics, and tells nobody of what it has stored: what
// it takes beside the empty handler, every server between HTTP and Redis takes.
type grouped struct {
	db    *redis.Client
	queue chan *posted
}

// posted is a request that waits for its XADD.
type posted struct {
	add  *redis.StringCmd
	done chan struct{}
}

const groupedAtOnce = 1024

// newGrouped stores until the process is killed.
func newGrouped(redisAddr string) *grouped {
	g := &grouped{
		db:    redis.NewClient(&redis.Options{Addr: redisAddr, Protocol: 2, DisableIdentity: true, MaxRetries: -1}),
		queue: make(chan *posted, groupedAtOnce),
	}
	for range 2 {
		go g.run()
	}
	return g
}

func (g *grouped) run() {
	ctx := context.Background()
	var batch []*posted
	for first := range g.queue {
		runtime.Gosched() // more are about to come
		batch = append(batch[:0], first)
		for len(g.queue) > 0 && len(batch) < groupedAtOnce {
			select {
			case next := <-g.queue:
				batch = append(batch, next)
			default: // the other was faster
			}
		}
		pipe := g.db.Pipeline()
		for _, p := range batch {
			_ = pipe.Process(ctx, p.add) // only queues
		}
		_, _ = pipe.Exec(ctx) // each has its error
		for _, p := range batch {
			close(p.done)
		}
	}
}

func (g *grouped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, data, _ := strings.Cut(string(body), `"data":`)
	path := strings.Split(r.URL.Path, "/") // of eventsPath
	stream := path[len(path)-2]
	p := &posted{redis.NewStringCmd(r.Context(), "xadd", stream, "*", "data", strings.TrimSuffix(data, "}")), make(chan struct{})}
	g.queue <- p
	<-p.done
	id, err := p.add.Result()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"id":%q,"stream":%q}`, id, stream) // who does not get it asks again
}

// publishGrouped posts to such a server, and makes sure that just what it has
// acknowledged is stored.
func publishGrouped(p posts) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.beside(ctx, bareStore, func(pids []int, addr string) (sample, error) {
			stream := r.next("grouped")
			return r.steady(ctx, load{pids, maxStored, func(ctx context.Context, count *atomic.Int64) error {
				if err := p.run(ctx, []string{addr}, []string{stream}, http.StatusCreated, count); err != nil {
					return err
				}
				calls := context.WithoutCancel(ctx)
				stored, err := r.db.XLen(calls, stream).Result()
				if err == nil && stored != count.Load() {
					err = fmt.Errorf("%d events were acknowledged, %d are stored", count.Load(), stored)
				}
				if err != nil {
					return err
				}
				return r.db.Del(calls, stream).Err()
			}})
		})
	}
}
