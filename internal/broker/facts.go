package broker

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// facts are what one node of Redis says of itself.
type facts struct {
	info    map[string]string // of INFO, all sections
	config  map[string]string // of CONFIG GET, as far as that is allowed
	slots   string            // cluster_state of CLUSTER INFO; "" outside a cluster
	denied  []string          // commands that the hub needs and its user may not use
	median  time.Duration     // of a PING
	behind  time.Duration     // of its clock, to ours; negative: it is ahead
	unknown error             // why there are none
}

// pings is how many exchanges tell the latency.
const pings = 21

// gather asks a node. key is one that nobody else uses, and that the node serves; probe
// is a pub/sub channel of ours.
func gather(ctx context.Context, node redis.UniversalClient, key, channel string) (f facts) {
	text, err := node.Info(ctx, "everything").Result()
	if hasPrefix(err, "NOPERM") { // the rights say so
		text, err = "", nil
	}
	if err != nil {
		return facts{unknown: err}
	}
	f.info = parseInfo(text)
	f.config, _ = node.ConfigGet(ctx, "*").Result() // managed Redis has no CONFIG
	if f.info["cluster_enabled"] == "1" {
		cluster, _ := node.ClusterInfo(ctx).Result() // without it the rights say so
		f.slots = parseInfo(cluster)["cluster_state"]
	}
	f.denied = deniedOf(ctx, node, key, channel)
	took := make([]time.Duration, pings)
	for i := range took {
		began := time.Now()
		if f.unknown = node.Ping(ctx).Err(); f.unknown != nil && !hasPrefix(f.unknown, "NOPERM") {
			return f
		}
		took[i] = time.Since(began)
	}
	f.unknown = nil
	slices.Sort(took)
	f.median = took[len(took)/2]
	began := time.Now()
	if there, err := node.Time(ctx).Result(); err == nil {
		f.behind = began.Add(time.Since(began) / 2).Sub(there)
	}
	return f
}

// parseInfo reads the lines name:value of INFO.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if name, value, found := strings.Cut(strings.TrimRight(lines.Text(), "\r"), ":"); found {
			info[name] = value
		}
	}
	return info
}

// number is a figure of INFO, 0 where there is none.
func (f *facts) number(name string) int64 {
	n, _ := strconv.ParseInt(f.info[name], 10, 64) // then it is 0
	return n
}

// setting is what CONFIG says, or else INFO; "" where neither does.
func (f *facts) setting(name, inInfo string) string {
	if value, known := f.config[name]; known {
		return value
	}
	return f.info[inInfo]
}

// probeCommands are those that the hub uses, or that its scripts do, on keys of its own
// that nobody else knows; each such that it is right as far as Redis looks before it
// looks at the rights, and does no harm. The last ones clear up.
func probeCommands(key, channel string) [][]any {
	log, hash, set, sorted, text, list := key+":log", key+":hash", key+":set", key+":sorted", key+":text", key+":list"
	const group, consumer, id = "doctor", "doctor", "1-1"
	return [][]any{
		{"ping"},
		{"info"},
		{"time"},
		{"xadd", log, id, "f", "v"},
		{"xgroup", "create", log, group, "0"},
		{"xgroup", "setid", log, group, "0"},
		{"xreadgroup", "group", group, consumer, "count", 1, "streams", log, ">"},
		{"xpending", log, group},
		{"xclaim", log, group, consumer, 0, id, "justid"},
		{"xack", log, group, id},
		{"xinfo", "stream", log},
		{"xinfo", "groups", log},
		{"xlen", log},
		{"xrange", log, "-", "+", "count", 1},
		{"xrevrange", log, "+", "-", "count", 1},
		{"xtrim", log, "maxlen", 10},
		{"xdel", log, id},
		{"xgroup", "delconsumer", log, group, consumer},
		{"xgroup", "destroy", log, group},
		{"memory", "usage", log},
		{"hset", hash, "f", "v"},
		{"hsetnx", hash, "f", "v"},
		{"hget", hash, "f"},
		{"hmget", hash, "f"},
		{"hgetall", hash},
		{"hkeys", hash},
		{"hexists", hash, "f"},
		{"hincrby", hash, "n", 1},
		{"hscan", hash, 0},
		{"hdel", hash, "f"},
		{"sadd", set, "m"},
		{"smembers", set},
		{"srem", set, "m"},
		{"zadd", sorted, 1, "m"},
		{"zcard", sorted},
		{"zscore", sorted, "m"},
		{"zrange", sorted, 0, 0},
		{"zrangebyscore", sorted, 0, 1, "limit", 0, 1},
		{"zrangebylex", sorted, "-", "+", "limit", 0, 1},
		{"zremrangebyscore", sorted, 0, 0},
		{"zrem", sorted, "m"},
		{"set", text, 1, "px", 60000},
		{"get", text},
		{"incr", text},
		{"pexpire", text, 60000},
		{"pexpireat", text, time.Now().Add(time.Minute).UnixMilli()},
		{"pttl", text},
		{"persist", text},
		{"exists", text},
		{"rpush", list, "v"},
		{"eval", "return redis.call('EXISTS', KEYS[1])", 1, text},
		{"evalsha", strings.Repeat("0", 40), 1, text}, // there is no such script
		{"publish", channel, ""},
		{"del", log},
		{"del", hash},
		{"del", set},
		{"del", sorted},
		{"del", text},
		{"del", list},
	}
}

// deniedOf tries what the hub needs, and lists what Redis has refused it.
func deniedOf(ctx context.Context, node redis.UniversalClient, key, channel string) (denied []string) {
	note := func(name string, err error) {
		if !hasPrefix(err, "NOPERM") {
			return
		}
		// In place of a command it may name what the connection began with.
		if _, rest, found := strings.Cut(err.Error(), "run the '"); found {
			name, _, _ = strings.Cut(rest, "'")
		}
		if !slices.Contains(denied, name) {
			denied = append(denied, name)
		}
	}
	commands := probeCommands(key, channel)
	sent := make([]redis.Cmder, len(commands))
	for i, args := range commands {
		sent[i] = command(args...)
	}
	_ = exec(node.Pipeline(), sent) // each has its error
	for i, cmd := range sent {
		note(fmt.Sprint(commands[i][0]), cmd.Err())
	}
	listener := node.Subscribe(ctx, channel)
	defer listener.Close()
	_, err := listener.Receive(ctx)
	note("subscribe", err)
	return denied
}
