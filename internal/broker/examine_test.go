package broker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// examine is the findings by what was looked at, of whichever node was the worst.
func examine(t *testing.T, opts broker.Options) map[string]broker.Finding {
	t.Helper()
	findings, err := broker.Examine(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]broker.Finding{}
	for _, f := range findings {
		if have, ok := found[f.Check]; !ok || f.Level != broker.LevelOK && have.Level == broker.LevelOK {
			found[f.Check] = f
		}
		if (f.Level == broker.LevelOK) != (f.Remedy == "") {
			t.Errorf("%+v: what is not good, and nothing else, has a remedy", f)
		}
	}
	return found
}

// want holds a finding to a level, and to words in it.
func want(t *testing.T, found map[string]broker.Finding, check string, level broker.Level, words ...string) {
	t.Helper()
	f := found[check]
	if f.Level != level {
		t.Errorf("%s is %+v, want %s", check, f, level)
	}
	for _, word := range words {
		if !strings.Contains(f.Detail+" "+f.Remedy, word) {
			t.Errorf("%s is %+v, want %q in it", check, f, word)
		}
	}
}

func TestDoctorSaysWhatIsWrongWithRedisAndWhatToChange(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	set := func(setting, value string) {
		t.Helper()
		if err := c.ConfigSet(t.Context(), setting, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	look := func() map[string]broker.Finding { return examine(t, broker.Options{RedisURL: s.URL()}) }

	found := look()
	want(t, found, broker.CheckReach, broker.LevelOK)
	want(t, found, broker.CheckVersion, broker.LevelOK, "Redis 7.")
	want(t, found, broker.CheckMode, broker.LevelOK, "standalone")
	want(t, found, broker.CheckRights, broker.LevelOK, "hub:*")
	want(t, found, broker.CheckEviction, broker.LevelOK, "noeviction")
	want(t, found, broker.CheckClock, broker.LevelOK)
	want(t, found, broker.CheckMemory, broker.LevelWarning, "maxmemory")
	want(t, found, broker.CheckPersistence, broker.LevelWarning, "nothing on disk", "appendonly yes")

	set("save", "3600 1")
	want(t, look(), broker.CheckPersistence, broker.LevelWarning, "snapshots", "appendonly yes")
	set("appendonly", "yes")
	want(t, look(), broker.CheckPersistence, broker.LevelOK, "everysec")
	set("appendfsync", "no")
	want(t, look(), broker.CheckPersistence, broker.LevelWarning, "appendfsync")

	set("maxmemory-policy", "volatile-lru")
	want(t, look(), broker.CheckEviction, broker.LevelWarning, "volatile-lru", "noeviction")
	set("maxmemory-policy", "allkeys-lru")
	want(t, look(), broker.CheckEviction, broker.LevelFatal, "allkeys-lru", "noeviction", "HUB_ALLOW_EVICTION")
	want(t, examine(t, broker.Options{RedisURL: s.URL(), AllowEviction: true}), broker.CheckEviction, broker.LevelWarning, "allkeys-lru")

	set("maxmemory", "1gb")
	want(t, look(), broker.CheckMemory, broker.LevelOK)
	set("maxmemory", "1mb")
	want(t, look(), broker.CheckMemory, broker.LevelWarning, "HUB_STREAM_MAX_EVENTS")
	set("maxclients", "40")
	want(t, look(), broker.CheckClients, broker.LevelWarning, "maxclients")

	want(t, examine(t, broker.Options{RedisURL: s.URL(), Durability: hub.Replicated}), broker.CheckReplicas, broker.LevelFault, "HUB_DURABILITY")
	if keys := c.Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("it has left %q behind", keys)
	}
}

func TestDoctorNamesTheCommandsThatTheUserMayNotUse(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	url := strings.Replace(s.URL(), "redis://", "redis://bob:pw@", 1)
	user := func(rules ...string) map[string]broker.Finding {
		t.Helper()
		args := []any{"acl", "setuser", "bob", "reset", "on", ">pw"}
		for _, rule := range rules {
			args = append(args, rule)
		}
		if err := c.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		return examine(t, broker.Options{RedisURL: url})
	}
	found := user("~hub:*", "&hub:*", "+@all", "-xclaim", "-evalsha")
	want(t, found, broker.CheckRights, broker.LevelFault, "xclaim", "evalsha", "ACL SETUSER")
	want(t, user("~hub:*", "&shop:*", "+@all"), broker.CheckRights, broker.LevelFault, "publish", "subscribe")
	want(t, user("~shop:*", "&hub:*", "+@all"), broker.CheckRights, broker.LevelFault, "xadd", "hset")
	want(t, user("~hub:*", "&hub:*", "+@read"), broker.CheckRights, broker.LevelFault, "client|setname")

	// What it tells to allow is enough, and a hub works with it.
	_, rules, told := strings.Cut(found[broker.CheckRights].Remedy, "ACL SETUSER <user> ")
	if !told {
		t.Fatalf("the remedy is %q", found[broker.CheckRights].Remedy)
	}
	want(t, user(strings.Fields(rules)...), broker.CheckRights, broker.LevelOK)
	b := startBroker(t, url)
	if _, err := publish(t.Context(), b, "orders", batch("e", 3)); err != nil {
		t.Error(err)
	}
	consumer, err := b.Consume(t.Context(), hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Settings: hub.SinkSettings{"from": "oldest"}, Prefetch: 10, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close(context.WithoutCancel(t.Context()), false)
	came := 0
	eventually(t, func() string {
		delivery, err := consumer.Take()
		if came += len(delivery.Events); err != nil || came == 3 {
			return ""
		}
		return "not all events have come"
	})
	if came != 3 {
		t.Errorf("%d events came", came)
	}
}

func TestDoctorTellsWhatKindOfRedisItIs(t *testing.T) {
	t.Parallel()
	primary, replica := redistest.StartReplicated(t)
	want(t, examine(t, broker.Options{RedisURL: replica.URL()}), broker.CheckRole, broker.LevelFault, "replica", "redis+sentinel://")
	found := examine(t, broker.Options{RedisURL: primary.URL(), Durability: hub.Replicated})
	want(t, found, broker.CheckReplicas, broker.LevelOK, "1")

	cluster := redistest.StartCluster(t, 3)
	want(t, examine(t, broker.Options{RedisURL: cluster.Nodes[0].URL()}), broker.CheckMode, broker.LevelFatal, "redis+cluster://")
	findings, err := broker.Examine(t.Context(), broker.Options{RedisURL: cluster.URL()})
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]bool{}
	for _, f := range findings {
		if nodes[f.Node] = true; f.Bad() {
			t.Errorf("%+v", f)
		}
	}
	for _, node := range cluster.Nodes {
		if !nodes[node.Addr()] {
			t.Errorf("nothing is told of %s", node.Addr())
		}
	}
	look := func() map[string]broker.Finding { return examine(t, broker.Options{RedisURL: cluster.URL()}) }
	want(t, look(), broker.CheckCoverage, broker.LevelWarning, "all masters", "cluster-require-full-coverage no")
	for _, node := range cluster.Nodes {
		if err := node.Client(t).ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
	}
	want(t, look(), broker.CheckCoverage, broker.LevelOK)
}

func TestDoctorTellsThatRedisIsNotThere(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	want(t, examine(t, broker.Options{RedisURL: s.URL()}), broker.CheckReach, broker.LevelFault, "refused", "HUB_REDIS_URL")
	cluster := strings.Replace(s.URL(), "redis://", "redis+cluster://", 1)
	want(t, examine(t, broker.Options{RedisURL: cluster}), broker.CheckReach, broker.LevelFault, "HUB_REDIS_URL")
}

func TestPreflightWaitsForRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	b := startBroker(t, s.URL())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if findings := b.Preflight(ctx); findings != nil {
		t.Errorf("without Redis it finds %+v", findings)
	}
	looked := make(chan []broker.Finding, 1)
	go func() { looked <- b.Preflight(t.Context()) }() // waited for below
	s.Restart()
	if findings := <-looked; len(findings) == 0 {
		t.Error("once Redis is there, it finds nothing")
	}
}
