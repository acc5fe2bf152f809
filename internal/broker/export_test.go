package broker

import "time"

// SetDoubt has the broker doubt a primary for so long: replaced where one of its replicas has
// become a primary, silent where one does not say.
func (b *Broker) SetDoubt(replaced, silent time.Duration) {
	b.primaries.mu.Lock()
	defer b.primaries.mu.Unlock()
	b.primaries.bounds = doubtBounds{replaced, silent}
	for _, r := range b.primaries.replicas {
		r.mu.Lock()
		r.bounds = b.primaries.bounds
		r.mu.Unlock()
	}
}

// Replicas is how many the broker knows that a primary has or had, of the only shard.
func (b *Broker) Replicas() int {
	r := b.primaries.of("")
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.had)
}

// Hung says whether the primary of the only shard is known to have hung.
func (b *Broker) Hung() bool {
	r := b.primaries.of("")
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.hung.IsZero()
}
