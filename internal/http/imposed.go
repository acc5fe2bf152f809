package http

import (
	"fmt"
	"strconv"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// mostFaults bounds the list of an answer, as those of wrong bodies are.
const mostFaults = 100

// imposed is what the topics of events must match that somebody publishes; the zero
// value: nothing.
type imposed struct {
	kind   auth.Kind
	name   string
	topics []string
	filter *hub.Filter
}

// imposedOn makes sure that somebody may publish to what is named so, and says what.
func imposedOn(p *auth.Principal, kind auth.Kind, name string) (imposed, error) {
	scope := p.Scope(auth.Publish, kind)
	if scope == nil {
		return imposed{}, nil
	}
	topics, err := scope.See(name)
	if err != nil || len(topics) == 0 {
		return imposed{}, err
	}
	filter, err := hub.NewFilter(topics, nil)
	return imposed{kind, name, topics, filter}, err
}

// fault says what is wrong with an event, or "".
func (i *imposed) fault(event *hub.Event) string {
	if i.filter.Match(event.Topic, "") {
		return ""
	}
	if event.Topic == "" {
		return fmt.Sprintf("is missing: to publish to the %s %q it must match one of %q", i.kind, i.name, i.topics)
	}
	return fmt.Sprintf("%q may not be published to the %s %q: it must match one of %q", event.Topic, i.kind, i.name, i.topics)
}

// check refuses a body with any event that may not be published: nothing is stored then.
func (i *imposed) check(b eventsBody) error {
	if i.filter == nil {
		return nil
	}
	var faults []hub.Fault
	for at := range b.events {
		if detail := i.fault(&b.events[at]); detail != "" && len(faults) < mostFaults {
			faults = append(faults, hub.Fault{Pointer: b.topicAt(at), Detail: detail})
		}
	}
	return forbidden(faults)
}

// topicAt is where the topic of an event stands in the request.
func (b eventsBody) topicAt(i int) string {
	at := ""
	if b.batch {
		at = "/" + strconv.Itoa(i)
	}
	switch b.form {
	case formBinaryCloudEvent:
		return "header ce-subject"
	case formCloudEvent, formCloudEvents:
		return at + "/subject"
	case formRaw:
		return "?topic"
	default:
		return at + "/topic"
	}
}

// forbidden is the answer to what nobody may publish who asks; nil where there are no
// faults.
func forbidden(faults []hub.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	e := hub.Errorf(hub.CodeForbidden, "nothing was stored: %s %s", faults[0].Pointer, faults[0].Detail)
	e.Faults = faults
	return e
}

// mayPublishParts refuses all where any event may not be published to its stream.
func mayPublishParts(p *auth.Principal, parts []*part, events int) error {
	faults := make([]*hub.Fault, events) // by event, so that they are told in order
	failed := false
	for _, its := range parts {
		limits, err := imposedOn(p, auth.Stream, its.Stream)
		if err == nil && limits.filter == nil {
			continue
		}
		for i, index := range its.indexes {
			at := "/" + strconv.Itoa(index)
			if err != nil {
				faults[index] = &hub.Fault{Pointer: at + "/stream", Detail: hub.AsError(err).Detail}
			} else if detail := limits.fault(&its.Events[i]); detail != "" {
				faults[index] = &hub.Fault{Pointer: at + "/topic", Detail: detail}
			}
			failed = failed || faults[index] != nil
		}
	}
	if !failed {
		return nil
	}
	var list []hub.Fault
	for _, fault := range faults {
		if fault != nil && len(list) < mostFaults {
			list = append(list, *fault)
		}
	}
	return forbidden(list)
}
