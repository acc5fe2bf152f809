package http

import (
	"net/http"
	"slices"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// Any of these verbs lets look at a thing and its figures: whoever uses it may, and
// whoever manages it.
const (
	seesStream  = auth.Read | auth.Manage
	seesSink    = auth.Consume | auth.Manage
	seesChannel = auth.Subscribe | auth.Manage
)

// permitted reads a name from the path, and makes sure that who asks has one of the
// verbs for what is named so, whether that is there or not.
func permitted(w http.ResponseWriter, r *http.Request, verbs auth.Verb, kind auth.Kind) (string, error) {
	value, err := name(r, kind.String())
	if err != nil {
		return "", err
	}
	if err := who(w).May(verbs, kind, value); err != nil {
		return "", err
	}
	return value, nil
}

// plain is permitted for a request that has no parameters.
func plain(w http.ResponseWriter, r *http.Request, verbs auth.Verb, kind auth.Kind) (string, error) {
	value, err := permitted(w, r, verbs, kind)
	if err != nil {
		return "", err
	}
	return value, hub.NoParams(r.URL.RawQuery)
}

// may is a principal's May in short, for lists.
func may(p *auth.Principal, verbs auth.Verb, kind auth.Kind) func(name string) bool {
	return func(name string) bool { return p.May(verbs, kind, name) == nil }
}

// seenStreams are those of a sink's streams that a principal may know of.
func seenStreams(p *auth.Principal, sink string) func(stream string) bool {
	return func(stream string) bool { return p.MaySink(seesSink, sink, stream) == nil }
}

// only are those of a list that pass, in a list of its own.
func only[T any](list []T, name func(*T) string, pass func(string) bool) []T {
	kept := make([]T, 0, len(list))
	for i := range list {
		if pass(name(&list[i])) {
			kept = append(kept, list[i])
		}
	}
	return kept
}

func itself(s *string) string { return *s }

// seenSink is a sink without the streams that a principal may not know of.
func seenSink(p *auth.Principal, s hub.SinkStatus) hub.SinkStatus {
	sees := seenStreams(p, s.Sink)
	s.Streams = only(s.Streams, func(st *hub.SinkStreamStatus) string { return st.Stream }, sees)
	s.Config.Streams = only(s.Config.Streams, itself, sees)
	return s
}

// seenOf is a stream without the sinks that a principal may not know of.
func seenOf(p *auth.Principal, s hub.StreamStatus) hub.StreamStatus {
	s.Sinks = only(s.Sinks, func(sink *hub.StreamSinkStatus) string { return sink.Sink }, may(p, seesSink, auth.Sink))
	return s
}

// seenLetters leaves out the dead letters of streams and topics that a principal may not
// see. Who manages a sink with a stream sees them all.
func seenLetters(p *auth.Principal, sink string, letters []hub.DeadLetter) ([]hub.DeadLetter, error) {
	scope := p.SinkScope(sink)
	if scope == nil {
		return letters, nil
	}
	filters := map[string]*hub.Filter{} // by stream; nil: nothing is seen
	kept := make([]hub.DeadLetter, 0, len(letters))
	for i := range letters {
		event := &letters[i].Event
		filter, known := filters[event.Stream]
		if !known {
			var err error
			if filter, err = letterFilter(p, scope, sink, event.Stream); err != nil {
				return nil, err
			}
			filters[event.Stream] = filter
		}
		if filter != nil && filter.Match(event.Topic, event.Type) {
			kept = append(kept, letters[i])
		}
	}
	return kept, nil
}

func letterFilter(p *auth.Principal, scope hub.Scope, sink, stream string) (*hub.Filter, error) {
	if p.MaySink(auth.Manage, sink, stream) == nil {
		return hub.NewFilter(nil, nil)
	}
	topics, err := scope.See(stream)
	if err != nil {
		return nil, nil //nolint:nilerr // it may not be seen: that is the answer
	}
	return hub.NewFilter(topics, nil)
}

// lasting is called before a wait, and what it returns after it: an error where who asks
// has ended meanwhile. A token that is taken within the leeway had expired before.
func lasting(p *auth.Principal) func() error {
	if p.Ended(time.Now()) != nil {
		return func() error { return nil }
	}
	return func() error {
		if end := p.Ended(time.Now()); end != nil {
			return &hub.Error{Code: end.Code, Detail: end.Detail, RetryAfter: time.Second}
		}
		return nil
	}
}

// mayManage makes sure that who asks may manage a sink together with each of the streams.
func mayManage(p *auth.Principal, sink string, streams ...string) error {
	for _, stream := range slices.Compact(slices.Sorted(slices.Values(streams))) {
		if err := p.MaySink(auth.Manage, sink, stream); err != nil {
			return err
		}
	}
	return nil
}
