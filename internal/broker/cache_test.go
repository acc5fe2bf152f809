package broker

import "testing"

// An answer from before a change must not bring back what the change has made
// everyone forget.
func TestNothingIsLearnedFromBeforeAChange(t *testing.T) {
	t.Parallel()
	c := newStreamCache()
	epoch := c.now()
	c.learn("orders", epoch, true, 0, 0, 1)
	if !c.take("orders") {
		t.Error("a stream without a bound has no room")
	}
	c.forget("orders")
	c.learn("orders", epoch, true, 0, 0, 1)
	if c.take("orders") {
		t.Error("what was forgotten is learned from an answer from before")
	}
	c.learn("orders", c.now(), true, 0, 100, 2)
	room := 0
	for c.take("orders") {
		room++
	}
	if room != (100+trimSlack)/4 {
		t.Errorf("one of two hubs may add %d events of 100 without looking", room)
	}
}
