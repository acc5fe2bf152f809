package main

import (
	"slices"
	"time"

	"eventhub/test/faults/history"
)

// What a failover of one master may cost the streams of the others, at most.
const (
	neighbourDelay    = time.Second             // of a publish, beyond what is normal
	neighbourSilence  = 1500 * time.Millisecond // between two confirmed publishes of one publisher
	neighbourDelivery = 3 * time.Second         // until somebody has an event for the first time
)

// disturbed is that streams suffer whose master nothing was done to.
const disturbed history.Violation = "other slots disturbed"

// besideReaders breaks something while each of the other streams has a reader of its own.
func besideReaders(fault func(r *rig)) func(r *rig) {
	return func(r *rig) {
		r.load.neighbours.Do(r.load.readEach) // a mix may draw several of these
		r.pass(time.Second)
		fault(r)
	}
}

// readEach starts a reader of each stream but the first.
func (l *load) readEach() {
	for i, stream := range streams()[1:] {
		name := "reader-" + stream
		l.rec.Feed(history.Feed{Kind: history.Reader, Name: name, Topics: []string{stream}})
		l.all.Go(func() { l.read(name, []string{stream}, "", i) })
	}
}

// checkNeighbours: while the master of the first stream is gone, the other streams of a
// cluster are published to and delivered as ever. Whoever wants events of all may have to
// wait, when he comes anew, until there is another master, and whoever is there may not.
// Nothing is said of the channel: what goes by the dead master has to wait for another.
func checkNeighbours(h *history.History, v *history.Verdict) {
	for _, f := range h.Faults {
		checkNeighboursPublishes(h, v, f)
		checkNeighboursDeliveries(h, v, f)
	}
}

func checkNeighboursPublishes(h *history.History, v *history.Verdict, f history.Fault) {
	var normal []time.Duration
	for _, p := range h.Publishes {
		if isNeighbours(p) && p.Ended < f.Began {
			normal = append(normal, p.Ended-p.Began)
		}
	}
	if len(normal) == 0 {
		v.Find(disturbed, "nothing was published to other streams before %q", f.Name)
		return
	}
	slices.Sort(normal)
	limit := normal[len(normal)/2] + neighbourDelay
	for _, p := range h.Publishes {
		switch during := p.Ended > f.Began && p.Began < f.Ended; {
		case !isNeighbours(p) || !during:
		case p.Outcome != history.OK:
			v.Find(disturbed, "a publish to %s is %s, at %s by hub %s", p.Topic, p.Outcome, p.Ended, p.Hub)
		case p.Ended-p.Began > limit:
			v.Find(disturbed, "a publish to %s took %s, until %s by hub %s", p.Topic, p.Ended-p.Began, p.Ended, p.Hub)
		}
	}
	for name, list := range loyal(h) {
		for i := 1; i < len(list); i++ {
			before, p := list[i-1], list[i]
			if p.Ended > f.Began && before.Ended < f.Ended && p.Ended-before.Ended > neighbourSilence {
				v.Find(disturbed, "nothing of %s was confirmed in %s from %s to %s", name, p.Topic, before.Ended, p.Ended)
			}
		}
	}
}

func isNeighbours(p history.Publish) bool { return !p.Channel && p.Topic != streams()[0] }

// loyal are the confirmed publishes of those publishers who keep to one stream of another
// master, by publisher.
func loyal(h *history.History) map[string][]history.Publish {
	list, topic := map[string][]history.Publish{}, map[string]string{}
	for _, p := range h.Publishes {
		if p.Final {
			continue
		}
		if known, ok := topic[p.Publisher]; ok && known != p.Topic {
			topic[p.Publisher] = "" // several
			continue
		}
		topic[p.Publisher] = p.Topic
		if p.Outcome == history.OK {
			list[p.Publisher] = append(list[p.Publisher], p)
		}
	}
	for name := range list {
		if topic[name] == "" || topic[name] == streams()[0] || list[name][0].Channel {
			delete(list, name)
		}
	}
	return list
}

// checkNeighboursDeliveries: every sink and reader has the events of other streams soon,
// those which also want events of the dead master if they are connected.
func checkNeighboursDeliveries(h *history.History, v *history.Verdict, f history.Fault) {
	type arrival struct{ feed, value string }
	first := map[arrival]time.Duration{}
	for _, d := range h.Deliveries {
		at := arrival{h.Conns[d.Conn].Feed, d.Value}
		if known, ok := first[at]; !ok || d.At < known {
			first[at] = d.At
		}
	}
	for _, p := range h.Publishes {
		if !isNeighbours(p) || p.Outcome != history.OK || p.Ended < f.Began || p.Began > f.Ended {
			continue
		}
		for _, feed := range h.Feeds {
			if feed.Kind == history.Broadcast || !slices.Contains(feed.Topics, p.Topic) {
				continue
			}
			// That it never comes is for the checker of all.
			at, ok := first[arrival{feed.Name, p.Value}]
			both := slices.Contains(feed.Topics, streams()[0])
			if ok && at-p.Ended > neighbourDelivery && (!both || attended(h, feed.Name, p.Ended, at)) {
				v.Find(disturbed, "%s had %s of %s, confirmed at %s, %s later", feed.Name, p.ID, p.Topic, p.Ended, at-p.Ended)
			}
		}
	}
}

// attended says whether a feed had one connection all the time.
func attended(h *history.History, feed string, from, to time.Duration) bool {
	return slices.ContainsFunc(h.Conns, func(c history.Conn) bool {
		return c.Feed == feed && c.Opened < from && (c.Ended == 0 || c.Ended > to)
	})
}
