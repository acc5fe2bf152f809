package history

// checkValues holds what was stored and what was delivered against what was published.
func (c *checker) checkValues() {
	for _, e := range c.Entries {
		v := c.values[e.Value]
		if v == nil || v.allowed() == 0 {
			c.Find(Phantom, "%s holds %s %q, which nobody has published", e.Topic, e.ID, e.Value)
			continue
		}
		v.stored++
		v.ids[place{e.Topic, e.ID}] = true
	}
	strange := map[string]bool{}
	for _, d := range c.Deliveries {
		v := c.values[d.Value]
		if v == nil || v.allowed() == 0 {
			if !strange[d.Value] {
				strange[d.Value] = true
				c.Find(Phantom, "connection %d got %q on %s, which nobody has published", d.Conn, d.Value, d.Topic)
			}
			continue
		}
		if p := &v.attempts[0]; d.Topic != p.Topic || d.Digest != p.Digest {
			c.Find(Corrupt, "connection %d got %q on %s, and not as it was published to %s", d.Conn, d.Value, d.Topic, p.Topic)
			continue
		}
		if !v.attempts[0].Channel {
			v.ids[place{d.Topic, d.ID}] = true
		}
	}
	for _, v := range c.order {
		c.checkKept(v)
		first, last := &v.attempts[0], &v.attempts[len(v.attempts)-1]
		most := v.allowed()
		switch {
		case most == 0 || first.Channel:
		case v.stored > most:
			c.Find(Duplicate, "%s holds %q %d times, %d are explained", first.Topic, v.name, v.stored, most)
		// What a failover or a wipe has taken is published again with another id.
		case len(v.ids) > most && !c.rewritten(first.Topic, first.Began, last.Ended):
			c.Find(Duplicate, "%q has had %d ids, %d are explained: %v", v.name, len(v.ids), most, v.ids)
		}
	}
}

// checkKept: what was confirmed is in its stream at the end, whoever has had it meanwhile,
// unless Redis forgot it: all of a stream by a wipe, and by a failover what no replica had.
func (c *checker) checkKept(v *value) {
	p := v.confirmed()
	if p == nil || p.Channel || c.wiped(p.Topic, p.Began, c.Ended) || !p.Replicated && c.forfeited(p.Topic, p.Began, p.Ended) {
		return
	}
	if at := (place{p.Topic, p.ID}); c.entries[at] != v.name {
		c.Find(Lost, "%s of %s (%q, confirmed at %s) is in the stream no more", at.id, at.topic, v.name, p.Ended)
	}
}

// allowed is how many entries of a value are explained by the attempts to publish it.
func (v *value) allowed() (n int) {
	for _, p := range v.attempts {
		if p.Outcome != Failed {
			n++
		}
	}
	if v.attempts[0].Key != "" {
		return min(n, 1)
	}
	return n
}
