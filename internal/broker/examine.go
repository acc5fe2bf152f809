package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// examineLimit bounds an examination of one node.
const examineLimit = 10 * time.Second

// Examine looks at Redis as a hub with these options would use it, and says what is good
// and what is not, of each node that it has. It changes nothing: it writes some keys of
// its own, and removes them. The error is about the options.
func Examine(ctx context.Context, opts Options) ([]Finding, error) {
	opts.setDefaults()
	config, err := opts.redis()
	if err != nil {
		return nil, err
	}
	client := config.client("doctor", 2)
	defer client.Close()
	return examine(ctx, client, config, &opts), nil
}

// Preflight examines the Redis that the broker uses, once that can be asked: until then
// it waits. nil: ctx has ended.
func (b *Broker) Preflight(ctx context.Context) []Finding {
	for failures := 0; ; failures++ {
		findings := examine(ctx, b.store.engine, b.store.config, &b.opts)
		if ctx.Err() != nil {
			return nil
		}
		if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Check == CheckReach && f.Bad() }) {
			return findings
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff(failures, firstDelay, mostDelay)):
		}
	}
}

// examine judges every primary that there is.
func examine(ctx context.Context, client redis.UniversalClient, config redisConfig, opts *Options) []Finding {
	j := judge{config: config, opts: opts}
	token := uuid.NewString()
	one := func(ctx context.Context, node redis.UniversalClient, key string) []Finding {
		ctx, cancel := context.WithTimeout(ctx, examineLimit)
		defer cancel()
		f := gather(ctx, node, key, opts.Prefix+"doctor:"+token)
		return j.judge(&f)
	}
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return one(ctx, client, opts.Prefix+"{doctor}:"+token)
	}
	var mu sync.Mutex // protects findings
	var findings []Finding
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		addr := node.Options().Addr
		key, err := keyOn(ctx, cluster, addr, opts.Prefix, token)
		its := []Finding{unreached(err)}
		if err == nil {
			its = one(ctx, node, key)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, finding := range its {
			finding.Node = addr
			findings = append(findings, finding)
		}
		return nil
	})
	if err != nil || len(findings) == 0 {
		findings = append(findings, unreached(err))
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return strings.Compare(a.Node, b.Node) })
	return findings
}

// keyOn is a key that a node of a cluster serves.
func keyOn(ctx context.Context, cluster *redis.ClusterClient, addr, prefix, token string) (string, error) {
	const tries = 10_000 // a node that serves less than one slot in a thousand is found, too
	for i := range tries {
		key := fmt.Sprintf("%s{doctor-%d}:%s", prefix, i, token)
		node, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return "", err
		}
		if node.Options().Addr == addr {
			return key, nil
		}
	}
	return "", errors.New("it serves no slots")
}

func unreached(err error) Finding {
	return bad(LevelFault, CheckReach, fmt.Sprintf("Redis cannot be asked: %v", err),
		"see that HUB_REDIS_URL names the host and port, with the right user and password (or HUB_REDIS_PASSWORD_FILE), and with rediss for TLS (HUB_REDIS_TLS_CA_FILE); that it runs, and that nothing lies in between")
}
