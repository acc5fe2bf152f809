package history

import "slices"

// wants says whether a publish is one of the feed's, and its filter lets it through.
func (f *Feed) wants(p *Publish) bool {
	return slices.Contains(f.Topics, p.Topic) && (len(f.Labels) == 0 || slices.Contains(f.Labels, p.Label))
}

// checkFilters: what a feed's filter does not let through does not come.
func (c *checker) checkFilters() {
	for i := range c.Feeds {
		f := &c.Feeds[i]
		if len(f.Labels) == 0 {
			continue
		}
		for _, d := range c.byFeed[f.Name] {
			v := c.values[d.Value]
			if v == nil || d.Topic != v.attempts[0].Topic { // that is told elsewhere
				continue
			}
			if p := &v.attempts[0]; !f.wants(p) {
				c.Find(Unwanted, "%s got %q of %s, which is labelled %q", f.Name, d.Value, d.Topic, p.Label)
			}
		}
	}
}
