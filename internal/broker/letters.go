package broker

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventhub/internal/hub"
)

// redriveEvents bounds what one script redrives, as Redis does nothing else
// meanwhile.
const redriveEvents = 500

// letterFields is how many fields and values of a dead letter come before those
// of its event.
const letterFields = 12

// DeadLetters lists a sink's, stream by stream, after a cursor, of the streams that are seen.
//
// Errors: CodeSinkNotFound, CodeInvalidRequest for a cursor that is none,
// CodeUnavailable.
func (b *Broker) DeadLetters(ctx context.Context, sink string, limit int, cursor string, seen func(stream string) bool) (hub.DeadLetterPage, error) {
	var page hub.DeadLetterPage
	stored, err := b.settings(ctx, sink)
	if err != nil {
		return page, err
	}
	stream, after, err := readLetterCursor(cursor)
	if err != nil {
		return page, err
	}
	for _, name := range stored.config.Streams {
		if name < stream || !seen(name) {
			continue
		}
		from := "-"
		if name == stream {
			from = after.Next().String()
		}
		key := b.keys.dead(sink, name)
		cmd := command("xrange", key, from, "+", "count", limit-len(page.DeadLetters)+1)
		if err := b.work(ctx, key, cmd); err != nil {
			return page, readFailure(err, "listing dead letters")
		}
		entries, _ := cmd.Slice()
		for _, entry := range entries {
			if len(page.DeadLetters) == limit {
				return page, nil
			}
			letter, id, ok := decodeLetter(name, entry)
			if ok {
				page.DeadLetters = append(page.DeadLetters, letter)
				page.Next = letterCursor(name, id)
			}
		}
	}
	page.Next = ""
	return page, nil
}

func letterCursor(stream string, id hub.ID) string {
	return base64.RawURLEncoding.EncodeToString([]byte(stream + " " + id.String()))
}

func readLetterCursor(cursor string) (stream string, id hub.ID, err error) {
	if cursor == "" {
		return "", id, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	stream, rest, ok := strings.Cut(string(text), " ")
	if err == nil && ok {
		id, err = hub.ParseID(rest)
	}
	if err != nil || !ok {
		return "", id, &hub.Error{
			Code: hub.CodeInvalidRequest, Detail: "cursor is none that a list of dead letters gave",
			Faults: []hub.Fault{{Pointer: "?cursor", Detail: "is none that a list of dead letters gave"}},
		}
	}
	return stream, id, nil
}

func decodeLetter(stream string, entry any) (letter hub.DeadLetter, id hub.ID, ok bool) {
	pair, _ := entry.([]any)
	if len(pair) < 2 {
		return letter, id, false
	}
	id, err := parseAny(pair[0])
	fields, _ := pair[1].([]any)
	if err != nil || len(fields) < letterFields {
		return letter, id, false
	}
	head := words(fields[:letterFields])
	event, err := hub.ParseID(head[1])
	if err != nil {
		return letter, id, false
	}
	millis := func(text string) time.Time {
		ms, _ := strconv.ParseInt(text, 10, 64)
		return time.UnixMilli(ms).UTC()
	}
	letter = hub.DeadLetter{
		Event: decodeFields(stream, head[1], event, fields[letterFields:]).event, Reason: head[3],
		FirstDelivered: millis(head[7]), LastDelivered: millis(head[9]), LastConsumer: head[11], DeadSince: id.Time(),
	}
	letter.Attempts, _ = strconv.Atoi(head[5])
	return letter, id, true
}

// Redrive has dead letters delivered to their sink again, as if for the first
// time.
//
// Errors: CodeSinkNotFound, CodeStreamNotFound, CodeUnavailable, CodeUnconfirmed
// (then some may have been redriven; doing it again is harmless).
func (b *Broker) Redrive(ctx context.Context, sink string, r hub.Redrive) (hub.Redriven, error) {
	var done hub.Redriven
	stored, err := b.settings(ctx, sink)
	if err != nil {
		return done, err
	}
	streams := stored.config.Streams
	if r.Stream != "" {
		if !slices.Contains(streams, r.Stream) {
			return done, noStream(sink, r.Stream)
		}
		streams = []string{r.Stream}
	}
	missing := map[hub.ID]int{} // in how many streams
	for _, stream := range streams {
		if r.IDs == nil {
			err = b.redriveAll(ctx, sink, stream, &done)
		} else {
			err = b.redriveSome(ctx, sink, stream, r.IDs, &done, missing)
		}
		if err != nil {
			return done, failure(err, "redriving dead letters")
		}
		b.due(sink, []string{stream})
		b.tellDue(sink, stream)
	}
	for _, id := range r.IDs {
		if missing[id] == len(streams) {
			done.NotFound = append(done.NotFound, id)
		} else {
			done.IDs = append(done.IDs, id)
		}
	}
	return done, nil
}

// redriveAll takes those that are dead now: what dies again meanwhile stays dead.
// The oldest events go first, so that the side stream only grows at its end.
func (b *Broker) redriveAll(ctx context.Context, sink, stream string, done *hub.Redriven) error {
	index := b.keys.of(sink, stream)[6]
	var ids []hub.ID
	for cursor := "0"; ; {
		cmd := command("hscan", index, cursor, "count", 1000)
		if err := b.work(ctx, index, cmd); err != nil {
			return err
		}
		answer, _ := cmd.Slice()
		if len(answer) != 2 {
			return errAnswer
		}
		pairs := words(answer[1])
		for i := 0; i < len(pairs); i += 2 {
			if id, err := hub.ParseID(pairs[i]); err == nil {
				ids = append(ids, id)
			}
		}
		if cursor, _ = answer[0].(string); cursor == "0" {
			break
		}
	}
	slices.SortFunc(ids, hub.ID.Compare)
	return b.redriveSome(ctx, sink, stream, slices.Compact(ids), done, map[hub.ID]int{})
}

func (b *Broker) redriveSome(ctx context.Context, sink, stream string, ids []hub.ID, done *hub.Redriven, missing map[hub.ID]int) error {
	keys := b.keys.of(sink, stream)
	for at := 0; at < len(ids); at += redriveEvents {
		args := []any{sink}
		for _, id := range ids[at:min(at+redriveEvents, len(ids))] {
			args = append(args, id.String())
		}
		cmd := redriveScript.call(keys, args...)
		if err := b.work(ctx, keys[0], cmd); err != nil {
			return err
		}
		answer, _ := cmd.Slice()
		if len(answer) != 2 {
			return errAnswer
		}
		done.Count += number(answer[0])
		for _, text := range words(answer[1]) {
			if id, err := hub.ParseID(text); err == nil {
				missing[id]++
			}
		}
	}
	return nil
}

// PurgeDeadLetters removes all of a sink's.
func (b *Broker) PurgeDeadLetters(ctx context.Context, sink string) error {
	stored, err := b.settings(ctx, sink)
	if err != nil {
		return err
	}
	for _, stream := range stored.config.Streams {
		keys := b.keys.of(sink, stream)
		if err := b.work(ctx, keys[0], command("del", keys[5], keys[6])); err != nil {
			return failure(err, "purging dead letters")
		}
	}
	return nil
}
