package ws

import (
	"slices"
	"strings"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// mayPublish says which topics somebody may publish to what is named so; none: all.
func mayPublish(who *auth.Principal, kind auth.Kind, name string) (topics []string, err error) {
	scope := who.Scope(auth.Publish, kind)
	if scope == nil {
		return nil, nil
	}
	return scope.See(name)
}

// imposed is the topics that were imposed on a socket's last publish, compiled: the next
// mostly has the same.
type imposed struct {
	topics []string
	filter *hub.Filter
}

// check refuses events of which one has another topic; no topics: none has.
func (i *imposed) check(topics []string, events []hub.Event) *hub.Error {
	if len(topics) == 0 {
		return nil
	}
	if !slices.Equal(topics, i.topics) {
		filter, err := hub.NewFilter(topics, nil)
		if err != nil {
			return hub.AsError(err)
		}
		i.topics, i.filter = topics, filter
	}
	for n := range events {
		if topic := events[n].Topic; !i.filter.Match(topic, "") {
			return hub.Errorf(hub.CodeForbidden, "nothing was published: /events/%d/topic %q is none of those that the permission allows: %s",
				n, topic, truncate(strings.Join(topics, ", "), 256))
		}
	}
	return nil
}
