package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// collectPage is how many entries are read at a time.
const collectPage = 2000

// settleLimit is how long sinks may take to be done with all, once nothing is broken any
// more: several times ack_wait, on a machine that is busy.
const settleLimit = 40 * time.Second

// settle waits until sinks are done with all events, and returns how long they took. Then
// it does the same with the dead letters. That they are not done is for the checker to say.
func (l *load) settle(ctx context.Context, db redis.UniversalClient) time.Duration {
	took := l.await(ctx, db)
	l.redrive(poison)
	l.await(ctx, db)
	return took
}

// await waits until sinks have nothing before them, and the others have heard of the end.
func (l *load) await(ctx context.Context, db redis.UniversalClient) time.Duration {
	began := time.Now()
	for time.Since(began) < settleLimit && ctx.Err() == nil {
		if left, err := unsettled(ctx, db); err == nil && left == 0 && l.awake() {
			break
		}
		rest(ctx, 100*time.Millisecond)
	}
	return time.Since(began)
}

// unsettled counts what sinks have before them.
func unsettled(ctx context.Context, db redis.UniversalClient) (left int64, err error) {
	for _, stream := range streams() {
		last, err := db.XRevRangeN(ctx, logKey(stream), "+", "-", 1).Result()
		if err != nil {
			return 0, err
		}
		groups, err := groupsOf(ctx, db, stream)
		if err != nil {
			return 0, err
		}
		for _, g := range groups {
			redriven, err := db.XLen(ctx, sideKey(stream, g.Name)).Result()
			if err != nil {
				return 0, err
			}
			left += g.Pending + redriven
			at, _ := hub.ParseID(g.LastDeliveredID)
			if len(last) > 0 {
				if end, err := hub.ParseID(last[0].ID); err == nil && at.Compare(end) < 0 {
					left++
				}
			}
		}
	}
	return left, nil
}

// sideKey is where the events wait that a sink is given again.
func sideKey(stream, sink string) string { return "hub:{" + stream + "}:side:" + sink }

func groupsOf(ctx context.Context, db redis.UniversalClient, stream string) ([]redis.XInfoGroup, error) {
	groups, err := db.XInfoGroups(ctx, logKey(stream)).Result()
	if err != nil && strings.Contains(err.Error(), "no such key") {
		return nil, nil
	}
	return groups, err
}

// collect adds to a history what Redis has at the end.
func collect(ctx context.Context, db redis.UniversalClient, h *history.History) error {
	for _, stream := range streams() {
		for start := "-"; ; {
			page, err := db.XRangeN(ctx, logKey(stream), start, "+", collectPage).Result()
			if err != nil {
				return fmt.Errorf("reading the stream %s: %w", stream, err)
			}
			for _, m := range page {
				id, err := hub.ParseID(m.ID)
				if err != nil {
					return err
				}
				data, _ := m.Values["data"].(string)
				h.Entries = append(h.Entries, history.Entry{Topic: stream, ID: id, Value: valueOf([]byte(data))})
				start = "(" + m.ID
			}
			if len(page) < collectPage {
				break
			}
		}
		groups, err := groupsOf(ctx, db, stream)
		if err != nil {
			return fmt.Errorf("reading the groups of %s: %w", stream, err)
		}
		for _, g := range groups {
			owed, err := owedBy(ctx, db, stream, g)
			if err != nil {
				return fmt.Errorf("reading what %s owes of %s: %w", g.Name, stream, err)
			}
			h.Owed = append(h.Owed, owed)
		}
	}
	return nil
}

func owedBy(ctx context.Context, db redis.UniversalClient, stream string, g redis.XInfoGroup) (o history.Owed, err error) {
	o = history.Owed{Sink: g.Name, Topic: stream}
	if o.Delivered, err = hub.ParseID(g.LastDeliveredID); err != nil {
		return o, err
	}
	pending, err := db.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: logKey(stream), Group: g.Name, Start: "-", End: "+", Count: 10_000}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return o, err
	}
	for _, p := range pending {
		if id, err := hub.ParseID(p.ID); err == nil {
			o.Pending = append(o.Pending, id)
		}
	}
	redriven, err := db.XRange(ctx, sideKey(stream, g.Name), "-", "+").Result()
	if err != nil {
		return o, err
	}
	for _, m := range redriven {
		if id, err := hub.ParseID(m.ID); err == nil {
			o.Pending = append(o.Pending, id)
		}
	}
	letters, err := db.XRange(ctx, "hub:{"+stream+"}:dead:"+g.Name, "-", "+").Result()
	if err != nil {
		return o, err
	}
	for _, m := range letters {
		text, _ := m.Values["id"].(string)
		if id, err := hub.ParseID(text); err == nil {
			o.Dead = append(o.Dead, id)
		}
	}
	return o, nil
}
