package ws

import (
	"context"
	"slices"

	"eventhub/internal/hub"
)

func (s *broadcastSource) subscribe(sess *session, c *command) error {
	f := c.read("channels")
	channels := f.channels(s.maxChannels)
	f.beside(s.sub.Channels(), channels, s.maxChannels)
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	ctx, cancel := context.WithTimeout(context.Background(), addLimit)
	defer cancel()
	err := s.sub.Subscribe(ctx, channels)
	sess.answer(c, err, namedChannels(channels))
	return nil
}

// unsubscribe is answered behind the last event of the channels that was on its
// way, as answers are written between a source's frames.
func (s *broadcastSource) unsubscribe(sess *session, c *command) error {
	f := c.read("channels")
	channels := f.channels(s.maxChannels)
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	s.sub.Unsubscribe(channels)
	sess.answer(c, nil, namedChannels(channels))
	return nil
}

// channels must be given: at most so many names, of which repetitions count once.
func (f *fields) channels(most int) []string {
	value := f.raw["channels"]
	if len(value) == 0 || value[0] != '[' {
		f.wrong(`channels: want an array such as ["room-1"]`)
		return nil
	}
	var channels []string
	named := map[string]bool{}
	hub.EachElement(value, func(element []byte) {
		if f.fault != nil || len(channels) > most {
			return // a frame has room for a million
		}
		if element[0] != '"' {
			f.wrong("channels: %s is not a string", truncate(string(element), 64))
			return
		}
		channel := hub.Unquote(element)
		f.check(hub.CheckName("channel", channel))
		if !named[channel] {
			named[channel] = true
			channels = append(channels, channel)
		}
	})
	switch {
	case len(channels) == 0:
		f.wrong("channels is empty: name at least one")
	case len(channels) > most:
		f.wrong("channels: more than %d are named, which is the most on one connection (HUB_MAX_CHANNELS_PER_SOCKET)", most)
	}
	return channels
}

// beside makes it a fault to have these channels and others, where that is too many.
func (f *fields) beside(has, channels []string, most int) {
	added := 0
	has = slices.Sorted(slices.Values(has))
	for _, channel := range channels {
		if _, found := slices.BinarySearch(has, channel); !found {
			added++
		}
	}
	if len(has)+added > most {
		f.wrong("channels: at most %d are allowed on one connection (HUB_MAX_CHANNELS_PER_SOCKET), it has %d, and %d more are named",
			most, len(has), added)
	}
}

// namedChannels is what subscribe and unsubscribe are answered.
func namedChannels(channels []string) func(dst []byte) []byte {
	return func(dst []byte) []byte { return appendStrings(dst, "channels", channels) }
}
