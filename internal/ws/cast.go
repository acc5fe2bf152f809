package ws

import (
	"slices"

	"eventhub/internal/hub"
)

// cast is the frames of the messages that a broadcast subscriber was sent last: the
// next one mostly gets the same, and they are made once for all.
type cast struct {
	messages []*hub.Message
	buf      []byte
	lent     bool // somebody has buf for longer
}

// of returns the frames of these messages, which are good until it is called again.
func (c *cast) of(messages []*hub.Message) []byte {
	if slices.Equal(messages, c.messages) {
		return c.buf
	}
	clear(c.messages)
	c.messages = append(c.messages[:0], messages...)
	if c.lent {
		c.buf, c.lent = nil, false
	}
	out := outbox{buf: c.buf[:0]}
	out.addMessages(messages)
	c.buf = out.buf
	return c.buf
}

// addMessages adds messages: the events that follow one another share frames, and a
// gap stands between those before it and those behind.
func (o *outbox) addMessages(messages []*hub.Message) {
	for _, m := range messages {
		if m.Gap != nil {
			o.text(gapFrame(*m.Gap))
			continue
		}
		if !o.fits(len(m.JSON)) {
			o.seal(nil)
		}
		o.join(m.JSON)
	}
	o.seal(nil)
}
