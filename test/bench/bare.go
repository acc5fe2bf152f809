package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"
)

// bare is the shortest way from a POST to a consumer's socket: XADD by go-redis, and a
// blocking XREADGROUP for the socket alone. It checks nothing, acknowledges nothing,
// and takes a connection to Redis for each socket: what it adds to the yardstick, every
// server between HTTP and Redis adds on the same machine.
type bare struct{ db *redis.Client }

func newBare(redisAddr string) *bare {
	return &bare{redis.NewClient(&redis.Options{Addr: redisAddr, Protocol: 2, DisableIdentity: true})}
}

func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	if r.Method == http.MethodPost {
		err = b.publish(w, r)
	} else {
		err = b.consume(w, r)
	}
	if err == nil {
		return
	}
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func (b *bare) publish(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_, data, _ := strings.Cut(string(body), `"data":`)
	path := strings.Split(r.URL.Path, "/") // of eventsPath
	stream := path[len(path)-2]
	id, err := b.db.XAdd(r.Context(), &redis.XAddArgs{Stream: stream, Values: []any{"data", strings.TrimSuffix(data, "}")}}).Result()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, err = fmt.Fprintf(w, `{"id":%q,"stream":%q}`, id, stream)
	return err
}

// consume writes the events of a stream to a socket until that ends, a frame for each
// read.
func (b *bare) consume(w http.ResponseWriter, r *http.Request) error {
	const group, consumer = "bare", "bare"
	stream := r.URL.Query().Get("stream")
	if err := b.db.XGroupCreateMkStream(r.Context(), stream, group, "0").Err(); err != nil {
		return err
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil // Accept has answered
	}
	defer conn.CloseNow() //nolint:errcheck // nothing depends on it
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the connection
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				cancel()
				return
			}
		}
	}()
	frame := []byte(`{"type":"ready"}`)
	for {
		if err := conn.Write(ctx, websocket.MessageText, frame); err != nil {
			return nil // the socket has ended
		}
		const patience = time.Second // a blocked read does not hear of ctx
		args := &redis.XReadGroupArgs{Group: group, Consumer: consumer, Streams: []string{stream, ">"}, Count: rawRead, Block: patience}
		read, err := b.db.XReadGroup(ctx, args).Result()
		for errors.Is(err, redis.Nil) {
			read, err = b.db.XReadGroup(ctx, args).Result()
		}
		if err != nil {
			return nil // the socket has ended
		}
		frame = append(frame[:0], `{"type":"events","events":[`...)
		for i, message := range read[0].Messages {
			if i > 0 {
				frame = append(frame, ',')
			}
			frame = fmt.Appendf(frame, `{"id":%q,"stream":%q,"type":"order.created","data":%s}`, message.ID, stream, message.Values["data"])
		}
		frame = append(frame, "]}"...)
	}
}
