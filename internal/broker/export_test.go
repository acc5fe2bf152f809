package broker

import "time"

// SetDoubt has the broker doubt a primary for less long, to be called before anything is
// published: replaced where one of its replicas has become a primary, silent where one does
// not say.
func (b *Broker) SetDoubt(replaced, silent time.Duration) {
	b.replicating.confirm = b.confirmations(doubtBounds{replaced, silent})
}
