package broker

import "strconv"

// keys makes the names of everything the hub keeps in Redis. All of a stream
// shares the hash tag {stream}, so that scripts stay in one slot of a cluster.
type keys struct{ prefix string }

// log is the stream itself, with one consumer group per sink.
func (k keys) log(stream string) string { return k.prefix + "{" + stream + "}:log" }

// stream is what the scripts of a stream work on, in the order of
// scripts/stream.lua: its log and its settings (hash).
func (k keys) stream(stream string) []string {
	return []string{k.log(stream), k.cfg(stream)}
}

func (k keys) cfg(stream string) string { return k.prefix + "{" + stream + "}:cfg" }

// event is a string that expires: what was published with this key, an event's.
func (k keys) event(stream, key string) string {
	return k.prefix + "{" + stream + "}:idem:" + shortKey(key)
}

// request is the same for the key of a whole request.
func (k keys) request(stream, key string) string {
	return k.prefix + "{" + stream + "}:idemreq:" + shortKey(key)
}

// confirmed is a string that expires: what is written before a replica is waited for.
func (k keys) confirmed(stream string) string { return k.prefix + "{" + stream + "}:confirmed" }

// streams is a set: the names of all streams.
func (k keys) streams() string { return k.prefix + "streams" }

// of is all that a sink has in a stream, in the order of scripts/prelude.lua,
// which says what each is.
func (k keys) of(sink, stream string) []string {
	of := func(what string) string { return k.prefix + "{" + stream + "}:" + what + ":" + sink }
	return []string{
		k.log(stream), of("retry"), of("sink"), of("side"), of("times"), of("dead"), of("deadids"), of("turn"),
	}
}

// dead is a stream: the dead letters of a sink in a stream.
func (k keys) dead(sink, stream string) string { return k.prefix + "{" + stream + "}:dead:" + sink }

// sink is a hash: the settings of a sink, and one field per stream of it.
func (k keys) sink(name string) string { return k.prefix + "sink:" + name }

// changes is a counter: it grows when the settings of any sink or stream have
// changed.
func (k keys) changes() string { return k.prefix + "changes" }

// sinks is a set: the names of all sinks.
func (k keys) sinks() string { return k.prefix + "sinks" }

// hubs is a sorted set: the live hubs by their last heartbeat, in Redis's time.
func (k keys) hubs() string { return k.prefix + "hubs" }

// ticket is a hash that expires: a ticket, by the hash of its text.
func (k keys) ticket(hash string) string { return k.prefix + "ticket:" + hash }

// ready is a key that does not exist, to see whether its node answers.
func (k keys) ready(i int) string { return k.prefix + "ready:" + strconv.Itoa(i) }

// consumers is what one hub tells of the consumers connected to it.
func (k keys) consumers(hubName string) string { return k.prefix + "consumers:" + hubName }

// channels is a sorted set: what one hub tells of the channels that have subscribers
// there.
func (k keys) channels(hubName string) string { return k.prefix + "channels:{" + hubName + "}" }

// occupancy is channels, and the number of what was told of them last.
func (k keys) occupancy(hubName string) []string {
	return []string{k.channels(hubName), k.channels(hubName) + ":told"}
}

// bell is the pub/sub channel that every hub listens to.
func (k keys) bell() string { return k.prefix + "bell" }

// direct is the pub/sub channel of one hub: its probe, and notes for it.
func (k keys) direct(hubName string) string { return k.prefix + "bell:" + hubName }

// live is the pub/sub channel behind a broadcast channel.
func (k keys) live(channel string) string { return k.prefix + "live:" + channel }
