package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The time limits of a Redis call. A publish must be answered within 3 s, come
// what may, so dialling and one exchange together take less than that.
const (
	dialTimeout = 1 * time.Second
	callTimeout = 1500 * time.Millisecond
)

// Connections per pool, and per node on Cluster. The engine's are shared by all
// sinks through lanes, so they need not grow with them.
const (
	publishConns = 2*publishWidth + 1 // those that wait for a replica, and one for messages
	engineConns  = 6
	liveConns    = 2
)

// redisConfig is HUB_REDIS_URL taken apart.
type redisConfig struct {
	addrs              []string
	master             string // Sentinel's name for the primary
	cluster            bool
	db                 int
	username, password string
	sentinelUsername   string
	sentinelPassword   string
	tls                *tls.Config
	connected          func() // called with each connection that is made, also by several at once; nil: nobody
}

// parseRedisURL reads
//
//	redis://[user:password@]host[:port][/db]
//	redis+sentinel://[user:password@]host[:port],…/master[?db=&sentinel_username=&sentinel_password=]
//	redis+cluster://[user:password@]host[:port],…
//
// each also as rediss… for TLS. net/url is of no use here: it refuses several
// host:port pairs.
func parseRedisURL(text string) (redisConfig, error) {
	var c redisConfig
	scheme, rest, _ := strings.Cut(text, "://")
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	defaultPort := "6379"
	switch scheme {
	case "redis", "rediss":
	case "redis+sentinel", "rediss+sentinel":
		c.master, path = path, ""
		if c.master == "" || strings.ContainsAny(c.master, "/@") {
			return c, errors.New("redis URL: the path must name the Sentinel master, such as redis+sentinel://host:26379/mymaster (a / in a password must be written %2F)")
		}
		defaultPort = "26379"
	case "redis+cluster", "rediss+cluster":
		c.cluster = true
	default:
		// Not repeated: without a scheme, it may be the password.
		return c, errors.New("redis URL: want it to begin with redis://, redis+sentinel:// or redis+cluster://, or rediss… for TLS")
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := c.userinfo(authority[:at]); err != nil {
			return c, err
		}
		authority = authority[at+1:]
	}
	for _, host := range strings.Split(authority, ",") {
		if host == "" {
			return c, errors.New("redis URL: a host is missing")
		}
		if _, port, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), defaultPort)
		} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return c, errors.New("redis URL: a port is not a number from 1 to 65535 (a / or ? in a password must be percent-encoded)")
		}
		c.addrs = append(c.addrs, host)
	}
	if len(c.addrs) > 1 && c.master == "" && !c.cluster {
		return c, fmt.Errorf("redis URL: %s takes one host; several need redis+sentinel or redis+cluster", scheme)
	}
	if strings.HasPrefix(scheme, "rediss") {
		c.tls = &tls.Config{MinVersion: tls.VersionTLS12} // no ServerName: each address is checked against its own
	}
	if err := c.query(query); err != nil {
		return c, err
	}
	if path != "" {
		db, err := strconv.Atoi(path)
		if err != nil || db < 0 || c.cluster && db > 0 {
			return c, errors.New("redis URL: the path is not a database number (a cluster has none; a / in a password must be written %2F)")
		}
		c.db = db
	}
	return c, nil
}

func (c *redisConfig) userinfo(text string) error {
	user, password, _ := strings.Cut(text, ":")
	var err1, err2 error
	c.username, err1 = url.PathUnescape(user)
	c.password, err2 = url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return errors.New("redis URL: user and password must be percent-encoded")
	}
	return nil
}

func (c *redisConfig) query(text string) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("redis URL: the query is malformed")
	}
	for name := range values {
		value := values.Get(name)
		switch {
		case name == "db" && c.master != "":
			if c.db, err = strconv.Atoi(value); err != nil || c.db < 0 {
				return errors.New("redis URL: db is not a database number")
			}
		case name == "sentinel_username" && c.master != "":
			c.sentinelUsername = value
		case name == "sentinel_password" && c.master != "":
			c.sentinelPassword = value
		default:
			// Not repeated: it may be the rest of a password.
			return errors.New("redis URL: there is an unknown parameter (a ? in a password must be written %3F)")
		}
	}
	return nil
}

// redis is how to reach it.
func (o *Options) redis() (redisConfig, error) {
	config, err := parseRedisURL(o.RedisURL)
	if err != nil {
		return config, err
	}
	if o.RedisPassword != "" {
		config.password = o.RedisPassword
	}
	if len(o.RedisCA) > 0 {
		if config.tls == nil {
			return config, errors.New("a certificate authority for Redis is set, but its URL has no TLS (rediss…)")
		}
		config.tls.RootCAs = x509.NewCertPool()
		if !config.tls.RootCAs.AppendCertsFromPEM(o.RedisCA) {
			return config, errors.New("the certificate authority for Redis has no PEM certificate in it")
		}
	}
	return config, nil
}

// client opens one pool. name shows in CLIENT LIST; size is per node.
//
// Retries are off: go-redis would send a write again whose answer was lost, and
// so store an event twice (measured).
func (c redisConfig) client(name string, size int) redis.UniversalClient {
	options := c.options(name, size)
	switch {
	case c.cluster:
		cluster := options.Cluster()
		cluster.ClusterStateReloadInterval = time.Second // a failover is noticed in 5 s rather than 56 (measured)
		return redis.NewClusterClient(cluster)
	case c.master != "":
		return redis.NewFailoverClient(options.Failover())
	}
	return redis.NewClient(options.Simple())
}

// node opens a connection to one node, whatever the kind of Redis.
func (c redisConfig) node(at address) *redis.Client {
	c.addrs = []string{at.String()}
	options := c.options("", 1).Simple()
	options.DialTimeout = lookTimeout
	return redis.NewClient(options)
}

func (c redisConfig) options(name string, size int) *redis.UniversalOptions {
	dials := newDials(size, redis.NewDialer(&redis.Options{DialTimeout: dialTimeout, TLSConfig: c.tls}))
	return &redis.UniversalOptions{
		Dialer: dials.to,
		Addrs:  c.addrs, MasterName: c.master, DB: c.db, ClientName: name,
		Username: c.username, Password: c.password,
		SentinelUsername: c.sentinelUsername, SentinelPassword: c.sentinelPassword,
		Protocol: 2, DisableIdentity: true,
		MaxRetries: maxRetries, DialerRetries: 1,
		DialTimeout: dialTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout,
		PoolTimeout: dialTimeout, PoolSize: size, MaxActiveConns: size, PipelinePoolSize: -1,
		ConnMaxIdleTime:       -1,
		ContextTimeoutEnabled: true,
		TLSConfig:             c.tls,
		OnConnect: func(context.Context, *redis.Conn) error {
			if c.connected != nil {
				c.connected()
			}
			return nil
		},
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

// store is the hub's way to one Redis, whatever its kind.
type store struct {
	publish redis.UniversalClient // publishing only: the engine's load must not delay it
	engine  redis.UniversalClient
	live    redis.UniversalClient // the one pub/sub connection
	others  *others               // publishing only, too; nil where there is no Cluster
	cluster bool
	config  redisConfig

	connected atomic.Int64 // when the engine last made a connection; Unix, in ns
}

func openStore(opts Options, hubName string) (*store, error) {
	config, err := opts.redis()
	if err != nil {
		return nil, err
	}
	s := &store{
		publish: config.client(hubName, publishConns),
		live:    config.client(hubName, liveConns),
		cluster: config.cluster,
		config:  config,
	}
	s.others = newOthers(config, hubName, s.publish)
	engine := config
	engine.connected = func() { s.connected.Store(time.Now().UnixNano()) }
	s.engine = engine.client(hubName, engineConns)
	return s, nil
}

// settling is how long after a connection was made there may still be some to a Redis that
// another has replaced.
const settling = 10 * time.Second

// settled says whether the engine's reads have come from the same Redis for a while.
func (s *store) settled(now time.Time) bool {
	return now.Sub(time.Unix(0, s.connected.Load())) > settling
}

func (s *store) close() error {
	return errors.Join(s.publish.Close(), s.engine.Close(), s.live.Close(), s.others.close())
}

// shard names the node that client would send key's commands to; "" where there
// is only one.
func shard(ctx context.Context, client redis.UniversalClient, key string) (string, *redis.Client, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return "", nil, nil
	}
	// It may have to ask the nodes for the cluster's state first.
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return "", nil, err
	}
	return node.Options().Addr, node, nil
}

// nodes are masters of a cluster, as many as the slots of these few keys are
// spread over, without the one given; none where there is only one Redis.
func nodes(ctx context.Context, client redis.UniversalClient, but *redis.Client) []*redis.Client {
	var list []*redis.Client
	for i := range 32 {
		_, node, err := shard(ctx, client, strconv.Itoa(i))
		if err == nil && node != nil && node != but && !slices.Contains(list, node) {
			list = append(list, node)
		}
	}
	return list
}

// once is a command that must not be sent twice, not even by ClusterClient,
// whose redirects retry where MaxRetries says not to.
type once struct {
	*redis.Cmd
	source string // of the script, for EVALSHA
}

func (once) NoRetry() bool { return maxRetries < 0 }

// command builds a command for a lane. go-redis finds the key of those used
// here by their name.
func command(args ...any) once { return once{Cmd: redis.NewCmd(context.Background(), args...)} }
