package broker

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"eventhub/internal/hub"
)

// Bounds of what is good.
const (
	oldestMajor  = 7 // of Redis
	slowRedis    = 5 * time.Millisecond
	skewedClock  = 5 * time.Second
	fullMemory   = 0.9 // of maxmemory
	spareClients = 50  // connections that a hub may want, with room for the next one
)

// judge says what the facts of a node mean for a hub with these options.
type judge struct {
	config redisConfig
	opts   *Options
}

func (j judge) judge(f *facts) []Finding {
	if f.unknown != nil {
		return []Finding{unreached(f.unknown)}
	}
	findings := []Finding{ok(CheckReach, "Redis answers")}
	for _, one := range []func(*facts) Finding{
		j.version, j.mode, j.coverage, j.role, j.rights, j.persistence, j.eviction, j.memory, j.replicas, j.clients, j.latency, j.clock,
	} {
		if finding := one(f); finding.Check != "" { // else there is nothing to tell
			findings = append(findings, finding)
		}
	}
	return findings
}

func (j judge) version(f *facts) Finding {
	name, version := "Redis", f.info["redis_version"]
	if valkey := f.info["valkey_version"]; valkey != "" {
		name, version = "Valkey", valkey
	}
	if version == "" {
		return bad(LevelWarning, CheckVersion, "its version is unknown: INFO may not be asked", "allow the hub's user the command INFO")
	}
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestMajor {
		return bad(LevelFatal, CheckVersion, name+" "+version+" is too old", "run Redis 7.0 or newer, or Valkey")
	}
	return ok(CheckVersion, name+" "+version)
}

func (j judge) mode(f *facts) Finding {
	switch mode := f.info["redis_mode"]; {
	case mode == "sentinel":
		return bad(LevelFatal, CheckMode, "this is a Sentinel, which keeps no data", "HUB_REDIS_URL=redis+sentinel://host:26379/master-name")
	case mode == "cluster" && !j.config.cluster:
		return bad(LevelFatal, CheckMode, "this is a node of a cluster, asked as if it were alone", "HUB_REDIS_URL=redis+cluster://host:port,…")
	case mode == "cluster" && f.slots != "ok" && f.slots != "":
		return bad(LevelFault, CheckMode, "the cluster does not serve: cluster_state is "+f.slots, "bring the nodes back that are missing, or see that all slots are assigned (redis-cli --cluster check)")
	case mode == "":
		return Finding{}
	default:
		return ok(CheckMode, mode)
	}
}

// coverage is about what a cluster serves while one of its masters is missing.
func (j judge) coverage(f *facts) Finding {
	whole := f.config["cluster-require-full-coverage"]
	switch {
	case f.info["redis_mode"] != "cluster" || whole == "": // or CONFIG may not be asked
		return Finding{}
	case whole == "yes":
		return bad(LevelWarning, CheckCoverage, "from when one master is missed until another has its place, the cluster refuses the streams of all masters, not only of that one",
			"in redis.conf of each node: cluster-require-full-coverage no")
	default:
		return ok(CheckCoverage, "while one master is missing, the streams of the others are served")
	}
}

func (j judge) role(f *facts) Finding {
	if f.info["role"] == "slave" {
		return bad(LevelFault, CheckRole, "this is a replica, which takes no writes", "name its primary in HUB_REDIS_URL, or the Sentinels that know it (redis+sentinel://)")
	}
	return Finding{}
}

func (j judge) rights(f *facts) Finding {
	if len(f.denied) > 0 {
		return bad(LevelFault, CheckRights, "the hub's user may not use "+strings.Join(f.denied, ", ")+" on its keys and channels",
			fmt.Sprintf("ACL SETUSER <user> ~%[1]s* &%[1]s* +@read +@write +@stream +@scripting +@pubsub +@connection +info +time +wait +memory|usage +cluster", j.opts.Prefix))
	}
	return ok(CheckRights, "every command that the hub uses is allowed on "+j.opts.Prefix+"*")
}

// persistence is about what is left after a restart of Redis.
func (j judge) persistence(f *facts) Finding {
	const remedy = "in redis.conf: appendonly yes, appendfsync everysec (a crash may lose the last second) or always"
	if f.info["aof_enabled"] == "" {
		return Finding{} // INFO may not be asked
	}
	if f.info["aof_last_write_status"] == "err" || f.info["rdb_last_bgsave_status"] == "err" && f.info["aof_enabled"] == "0" {
		return bad(LevelFault, CheckPersistence, "Redis cannot write to its disk", "make room, or see the log of Redis; meanwhile it may refuse writes (stop-writes-on-bgsave-error)")
	}
	if f.info["aof_enabled"] == "1" {
		fsync := f.config["appendfsync"]
		if fsync == "no" {
			return bad(LevelWarning, CheckPersistence, "the append-only file is written when the system likes to: a crash loses some 30 s of events", remedy)
		}
		return ok(CheckPersistence, strings.TrimRight("append-only file, appendfsync "+fsync, " "))
	}
	if save, known := f.config["save"]; known && save == "" {
		return bad(LevelWarning, CheckPersistence, "Redis keeps nothing on disk: a restart of it loses every event, sink and dead letter", remedy)
	}
	return bad(LevelWarning, CheckPersistence, "Redis keeps snapshots only: a crash of it loses the events since the last one", remedy)
}

// eviction is about keys that Redis removes by itself where memory runs out.
func (j judge) eviction(f *facts) Finding {
	const noeviction = "in redis.conf: maxmemory-policy noeviction; then a full Redis refuses events (507) and loses none"
	switch policy := f.setting("maxmemory-policy", "maxmemory_policy"); {
	case policy == "":
		return Finding{}
	case strings.HasPrefix(policy, "allkeys-") && j.opts.AllowEviction:
		return bad(LevelWarning, CheckEviction, "maxmemory-policy is "+policy+": where memory runs out, Redis removes whole streams, silently", noeviction)
	case strings.HasPrefix(policy, "allkeys-"):
		return bad(LevelFatal, CheckEviction, "maxmemory-policy is "+policy+": where memory runs out, Redis removes whole streams, silently", noeviction+". HUB_ALLOW_EVICTION=true has the hub start all the same")
	case strings.HasPrefix(policy, "volatile-"):
		return bad(LevelWarning, CheckEviction, "maxmemory-policy is "+policy+": where memory runs out, Redis forgets idempotency keys, tickets and streams with a ttl before their time", noeviction)
	default:
		return ok(CheckEviction, policy)
	}
}

func (j judge) memory(f *facts) Finding {
	used, most := f.number("used_memory"), f.number("maxmemory")
	switch {
	case used == 0:
		return Finding{}
	case most == 0:
		return bad(LevelWarning, CheckMemory, "maxmemory is not set: the system may end Redis where memory runs out", "in redis.conf: maxmemory, some way below what the machine or container has")
	case float64(used) > fullMemory*float64(most):
		return bad(LevelWarning, CheckMemory, fmt.Sprintf("%d of %d MiB are in use", used>>20, most>>20), "raise maxmemory, or keep less: HUB_STREAM_MAX_EVENTS, HUB_STREAM_MAX_AGE, or a PUT of the streams")
	default:
		return ok(CheckMemory, fmt.Sprintf("%d of %d MiB are in use", used>>20, most>>20))
	}
}

// replicas is about what a failover keeps.
func (j judge) replicas(f *facts) Finding {
	if f.info["connected_slaves"] == "" {
		return Finding{}
	}
	n := f.number("connected_slaves")
	switch {
	case j.opts.Durability == hub.Replicated && n == 0:
		return bad(LevelFault, CheckReplicas, "there is no replica, so no publish is ever confirmed (503 unconfirmed)", "HUB_DURABILITY=fast, or attach a replica")
	case n == 0 && (j.config.cluster || j.config.master != ""):
		return bad(LevelWarning, CheckReplicas, "there is no replica: nobody takes over when this node dies", "attach a replica")
	case n > 0 && j.opts.Durability != hub.Replicated:
		return ok(CheckReplicas, fmt.Sprintf("%d; a failover may lose what they have not got yet, unless HUB_DURABILITY=replicated or ?durability=replicated", n))
	default:
		return ok(CheckReplicas, strconv.FormatInt(n, 10))
	}
}

func (j judge) clients(f *facts) Finding {
	most, _ := strconv.ParseInt(f.setting("maxclients", "maxclients"), 10, 64) // 0: unknown
	if open := f.number("connected_clients"); most > 0 && open+spareClients > most {
		return bad(LevelWarning, CheckClients, fmt.Sprintf("%d of %d connections are open", open, most), "in redis.conf: maxclients, and the limit of open files of its process")
	}
	return Finding{}
}

func (j judge) latency(f *facts) Finding {
	took := f.median.Round(10 * time.Microsecond).String()
	if f.median > slowRedis {
		return bad(LevelWarning, CheckLatency, "a PING takes "+took+": each publish and each delivery takes some of these", "run hubs near Redis; see SLOWLOG GET and redis-cli --latency")
	}
	return ok(CheckLatency, "a PING takes "+took)
}

func (j judge) clock(f *facts) Finding {
	if f.behind.Abs() > skewedClock {
		return bad(LevelWarning, CheckClock, fmt.Sprintf("the clocks of Redis and this machine are %s apart: ids and times of events are Redis's, tokens expire by this one", f.behind.Abs().Round(time.Second)), "have both follow NTP")
	}
	return ok(CheckClock, "in step with this machine's")
}
