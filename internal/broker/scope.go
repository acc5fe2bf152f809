package broker

import (
	"fmt"
	"maps"
	"slices"

	"eventhub/internal/hub"
)

// sights are what a scope shows of several names, in their order; nil: of each everything.
func sights(scope hub.Scope, names []string) ([]*hub.Filter, error) {
	if scope == nil {
		return nil, nil
	}
	filters := make([]*hub.Filter, len(names))
	for i, name := range names {
		var err error
		if filters[i], err = hub.Sight(scope, name); err != nil {
			return nil, err
		}
	}
	return filters, nil
}

// confines are what a consumer may see of its sink's streams: the topics that are
// imposed on it, by stream. All consumers of a sink share one filter, so where that shows
// more the sink is not for this consumer.
type confines map[string][]string

// confine asks the scope about streams.
func confine(scope hub.Scope, streams []string) (confines, error) {
	if scope == nil {
		return nil, nil
	}
	c := confines{}
	for _, stream := range streams {
		topics, err := scope.See(stream)
		if err != nil {
			return nil, err
		}
		if len(topics) > 0 {
			c[stream] = topics
		}
	}
	return c, nil
}

// check fails with CodeForbidden where a sink with these topics shows more of any of the
// streams than may be seen.
func (c confines) check(sink string, topics []string) error {
	for _, stream := range slices.Sorted(maps.Keys(c)) {
		if !hub.Covers(c[stream], topics) {
			return overstepped(sink, stream, topics, c[stream])
		}
	}
	return nil
}

func overstepped(sink, stream string, topics, imposed []string) error {
	has := "all topics"
	if len(topics) > 0 {
		has = fmt.Sprintf("the topics %q", topics)
	}
	return hub.Errorf(hub.CodeForbidden,
		"the sink %q shows %s, which are not all among those of the stream %q that may be consumed here: %q;"+
			" a sink of its own, whose topics are within these, can be consumed", sink, has, stream, imposed)
}

// topics are what a new sink gets whose consumer names none: those that are imposed on
// one stream and are within those of all others. There may be none such.
func (c confines) topics() []string {
	for _, stream := range slices.Sorted(maps.Keys(c)) {
		if c.check("", c[stream]) == nil {
			return c[stream]
		}
	}
	return nil
}

// maySettle says whether events of a stream may be settled through a sink with these
// topics.
func maySettle(scope hub.Scope, sink, stream string, topics []string) error {
	if scope == nil {
		return nil
	}
	c, err := confine(scope, []string{stream})
	if err != nil {
		return err
	}
	return c.check(sink, topics)
}
