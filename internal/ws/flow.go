package ws

import "eventhub/internal/hub"

func (s *sinkSource) credit(sess *session, c *command) error {
	f := c.read("n")
	n := f.number("n", 1, hub.MaxPrefetch)
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	sess.answer(c, s.consumer.Credit(n), nil)
	return nil
}

// pause is answered behind the last event that was on its way.
func (s *sinkSource) pause(sess *session, c *command) error {
	if err := c.read().err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	s.consumer.Pause(func() { sess.answer(c, nil, nil) })
	return nil
}

func (s *sinkSource) resume(sess *session, c *command) error {
	if err := c.read().err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	s.consumer.Resume()
	sess.answer(c, nil, nil)
	return nil
}
