package broker

import (
	"context"
	"maps"

	"eventhub/internal/hub"
)

// permit says what spec's scope lets its consumer see, and with which settings a sink is
// to be made that is new. It changes nothing, and asks Redis only where topics are imposed
// or spec names no stream.
//
// Errors: CodeForbidden, CodeUnavailable.
func (b *Broker) permit(ctx context.Context, spec hub.ConsumerSpec) (hub.SinkSettings, confines, error) {
	if spec.Scope == nil {
		return spec.Settings, nil, nil
	}
	confined, err := confine(spec.Scope, spec.Streams)
	if err != nil {
		return nil, nil, err
	}
	_, named := spec.Settings[hub.SettingTopics]
	topics := hub.SinkConfig{}.With(spec.Settings).Topics
	if named {
		if err := confined.check(spec.Sink, topics); err != nil {
			return nil, nil, err
		}
	}
	if len(spec.Streams) > 0 && len(confined) == 0 {
		return spec.Settings, confined, nil
	}
	stored, err := b.settings(ctx, spec.Sink)
	if err != nil {
		if hub.AsError(err).Code == hub.CodeSinkNotFound {
			return b.permitNew(spec, confined, named)
		}
		return nil, nil, err
	}
	if len(spec.Streams) == 0 {
		if confined, err = confine(spec.Scope, stored.config.Streams); err != nil {
			return nil, nil, errNotAll(spec.Sink)
		}
	}
	return spec.Settings, confined, confined.check(spec.Sink, stored.config.Topics)
}

// errNotAll names no stream: who may not consume it may not know of it.
func errNotAll(sink string) error {
	return hub.Errorf(hub.CodeForbidden, "the sink %q has streams that may not be consumed here: name those that are meant, ?stream=…", sink)
}

// permitNew is permit for a sink that there is not.
func (b *Broker) permitNew(spec hub.ConsumerSpec, confined confines, named bool) (hub.SinkSettings, confines, error) {
	if named || len(confined) == 0 {
		return spec.Settings, confined, nil
	}
	topics := confined.topics()
	if topics == nil {
		return nil, nil, confined.check(spec.Sink, nil)
	}
	asked := maps.Clone(spec.Settings)
	if asked == nil {
		asked = hub.SinkSettings{}
	}
	asked[hub.SettingTopics] = hub.SinkConfig{Topics: topics}.Settings()[hub.SettingTopics]
	return asked, confined, nil
}
