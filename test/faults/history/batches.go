package history

// checkBatches: of what one request published all is stored, or nothing. A wipe or a
// failover takes all of it, too: Redis adds it at one time.
func (c *checker) checkBatches() {
	type batch struct{ stored, missing []string }
	batches, order := map[string]*batch{}, []string{}
	for _, v := range c.order {
		name := v.attempts[0].Batch
		if name == "" {
			continue
		}
		b := batches[name]
		if b == nil {
			b = &batch{}
			batches[name] = b
			order = append(order, name)
		}
		if v.stored > 0 {
			b.stored = append(b.stored, v.name)
		} else {
			b.missing = append(b.missing, v.name)
		}
	}
	for _, name := range order {
		if b := batches[name]; len(b.stored) > 0 && len(b.missing) > 0 {
			c.Find(Torn, "of what %s published at once %q are stored and %q are not", name, b.stored, b.missing)
		}
	}
}
