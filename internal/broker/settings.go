package broker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventhub/internal/hub"
)

// settings are a sink's as Redis has them.
type settings struct {
	config  hub.SinkConfig
	texts   hub.SinkSettings
	version uint64 // grows with every change
	born    string // tells the sink from one of the same name that was deleted
	used    time.Time
	known   bool // the sink exists
	deleted bool // it did

	// By stream that the sink was perhaps never attached to: what its field says, see
	// attached.lua.
	unattached map[string]string
}

// settingsOf reads the answer of HGETALL.
func (b *Broker) settingsOf(fields []string) settings {
	s := settings{texts: hub.SinkSettings{}, known: len(fields) > 0, unattached: map[string]string{}}
	var streams []string
	for i := 0; i+1 < len(fields); i += 2 {
		switch name, value := fields[i], fields[i+1]; {
		case name == "deleted":
			s.deleted = true
		case name == "version":
			s.version, _ = strconv.ParseUint(value, 10, 64)
		case name == "born":
			s.born = value
		case name == "used":
			ms, _ := strconv.ParseInt(value, 10, 64)
			s.used = time.UnixMilli(ms)
		case strings.HasPrefix(name, "stream:"):
			stream := name[len("stream:"):]
			streams = append(streams, stream)
			if value != streamAttached {
				s.unattached[stream] = value
			}
		case slices.Contains(hub.SettingNames(), name):
			s.texts[name] = value
		}
	}
	s.config = b.defaults().With(s.texts)
	slices.Sort(streams)
	s.config.Streams = streams
	s.known = s.known && !s.deleted
	return s
}

// streamAttached is the field of a stream that the sink was attached to; it is all that
// hubs wrote before they told such streams apart.
const streamAttached = "1"

// defaults are the settings of a sink that names none.
func (b *Broker) defaults() hub.SinkConfig {
	config := hub.DefaultSinkConfig()
	config.AckWait = b.opts.AckWait
	return config
}

// The modes of define.lua.
const (
	defineLook = "look"
	defineUse  = "use"
	definePut  = "put"
	defineMend = "mend"
)

// definition is the command that stores a sink. exact: it is to have no other
// streams.
// born is that of a sink that was lost, or "".
func (b *Broker) definition(mode, sink, born string, asked hub.SinkSettings, base hub.SinkConfig, streams []string, exact bool) once {
	all := base.With(asked).Settings()
	args := []any{mode, flag(exact), born, len(all)}
	for _, name := range hub.SettingNames() {
		_, said := asked[name]
		args = append(args, name, all[name], flag(said))
	}
	for _, stream := range streams {
		args = append(args, stream)
	}
	return defineScript.call([]string{b.keys.sink(sink)}, args...)
}

// defined reads the answer.
func (b *Broker) defined(cmd once) (s settings, made making, removed []string, err error) {
	answer, err := cmd.Slice()
	if err != nil || len(answer) != 3 {
		return s, known, nil, err
	}
	return b.settingsOf(words(answer[0])), making(number(answer[1])), words(answer[2]), nil
}

// making says whether a sink was made by a definition.
type making int

const (
	known  making = iota // it was there
	made                 // it is new, or was lost
	remade               // one of that name had been deleted
)

func words(v any) []string {
	list, _ := v.([]any)
	texts := make([]string, len(list))
	for i := range list {
		texts[i], _ = list[i].(string)
	}
	return texts
}

// define stores the sink when it is new and adds streams to it.
func (b *Broker) define(ctx context.Context, mode, sink string, asked hub.SinkSettings, streams []string, exact bool) (s settings, how making, removed []string, err error) {
	const doing = "storing the sink's settings"
	key := b.keys.sink(sink)
	cmd := b.definition(mode, sink, "", asked, b.defaults(), streams, exact)
	if err = b.work(ctx, key, cmd); err == nil {
		s, how, removed, err = b.defined(cmd)
	}
	if err != nil && mode == definePut {
		return s, known, nil, failure(err, doing)
	}
	if err != nil {
		return s, known, nil, readFailure(err, doing) // a sink that was made meanwhile is as it was wanted
	}
	if !s.known {
		return s, known, nil, nil
	}
	var contradictions []string
	for _, name := range hub.SettingNames() {
		want, said := asked[name]
		have, stored := s.texts[name]
		if !said || !stored || want == have || name == hub.SettingFrom || mode == definePut && !fixed(name) {
			continue
		}
		contradictions = append(contradictions, fmt.Sprintf("%s: the sink %q has %s, the request says %s",
			name, sink, hub.SettingText(name, have), hub.SettingText(name, want)))
	}
	if len(contradictions) > 0 {
		return s, known, nil, hub.Errorf(hub.CodeConflict, "%s", strings.Join(contradictions, "; "))
	}
	return s, how, removed, nil
}

// fixed settings cannot be changed, as consumers were attached by them.
func fixed(name string) bool { return name == hub.SettingAck || name == hub.SettingOrder }

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// settings reads a sink's.
//
// Errors: CodeSinkNotFound, CodeUnavailable.
func (b *Broker) settings(ctx context.Context, sink string) (settings, error) {
	const doing = "reading the sink's settings"
	cmd := command("hgetall", b.keys.sink(sink))
	if err := b.work(ctx, b.keys.sink(sink), cmd); err != nil {
		return settings{}, readFailure(err, doing)
	}
	fields, err := cmd.StringSlice()
	if err != nil {
		return settings{}, readFailure(err, doing)
	}
	s := b.settingsOf(fields)
	if !s.known {
		return s, noSink(sink)
	}
	return s, nil
}

func noSink(sink string) *hub.Error {
	return hub.Errorf(hub.CodeSinkNotFound, "there is no sink %q", sink)
}

// streamOf reads a sink's settings and makes sure that it has the stream.
func (b *Broker) streamOf(ctx context.Context, sink, stream string) (settings, error) {
	s, err := b.settings(ctx, sink)
	if err == nil && !slices.Contains(s.config.Streams, stream) {
		err = noStream(sink, stream)
	}
	return s, err
}

// delaysOf writes a back-off as the scripts read it.
func delaysOf(backoff []time.Duration) string {
	texts := make([]string, len(backoff))
	for i, d := range backoff {
		texts[i] = strconv.FormatInt(d.Milliseconds(), 10)
	}
	return strings.Join(texts, ",")
}
