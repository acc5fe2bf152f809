package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestRedisURLForms(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]redisConfig{
		"redis://localhost":        {addrs: []string{"localhost:6379"}},
		"redis://localhost/":       {addrs: []string{"localhost:6379"}},
		"redis://localhost:7000/5": {addrs: []string{"localhost:7000"}, db: 5},
		"redis://10.0.0.1":         {addrs: []string{"10.0.0.1:6379"}},
		"redis://[::1]":            {addrs: []string{"[::1]:6379"}},
		"redis://[::1]:7000/1":     {addrs: []string{"[::1]:7000"}, db: 1},
		"redis://[fe80::1%25eth0]": {addrs: []string{"[fe80::1%25eth0]:6379"}},

		"redis://user@h":                       {addrs: []string{"h:6379"}, username: "user"},
		"redis://:secret@h":                    {addrs: []string{"h:6379"}, password: "secret"},
		"redis://user:secret@h:1/2":            {addrs: []string{"h:1"}, username: "user", password: "secret", db: 2},
		"redis://us%3Aer:p%40ss%2Fw%3F%25+:@h": {addrs: []string{"h:6379"}, username: "us:er", password: "p@ss/w?%+:"},
		"redis://user:p@ss:word@h":             {addrs: []string{"h:6379"}, username: "user", password: "p@ss:word"},
		"redis://default:%C3%A4%20%22x%22@h:2": {addrs: []string{"h:2"}, username: "default", password: `ä "x"`},
		"redis+cluster://u:p@a,b:1,[::1],[::2]:3": {
			addrs: []string{"a:6379", "b:1", "[::1]:6379", "[::2]:3"}, cluster: true, username: "u", password: "p",
		},
		"redis+cluster://a":    {addrs: []string{"a:6379"}, cluster: true},
		"redis+cluster://a,b/": {addrs: []string{"a:6379", "b:6379"}, cluster: true},
		"redis+cluster://a/0":  {addrs: []string{"a:6379"}, cluster: true},
		"redis+sentinel://a,b:1,[::1]/mymaster": {
			addrs: []string{"a:26379", "b:1", "[::1]:26379"}, master: "mymaster",
		},
		"redis+sentinel://u:p@a/mymaster?db=3&sentinel_username=su&sentinel_password=s%26p": {
			addrs: []string{"a:26379"}, master: "mymaster", db: 3, username: "u", password: "p", sentinelUsername: "su", sentinelPassword: "s&p",
		},
	} {
		for _, tls := range []bool{false, true} {
			if tls {
				url = "rediss" + strings.TrimPrefix(url, "redis")
			}
			got, err := parseRedisURL(url)
			if err != nil {
				t.Errorf("%s: %v", url, err)
				continue
			}
			if (got.tls != nil) != tls {
				t.Errorf("%s: TLS is %t", url, got.tls != nil)
			}
			if got.tls != nil && (got.tls.InsecureSkipVerify || got.tls.ServerName != "") {
				t.Errorf("%s: each certificate must be checked against its own address", url)
			}
			if !slices.Equal(got.addrs, want.addrs) {
				t.Errorf("%s has the addresses %q, want %q", url, got.addrs, want.addrs)
			}
			got.tls, got.addrs = nil, nil
			expected := want
			expected.addrs = nil
			if asText(got) != asText(expected) {
				t.Errorf("%s is %s, want %s", url, asText(got), asText(expected))
			}
		}
	}
}

// asText is the configuration without addresses and TLS, for comparison.
func asText(c redisConfig) string {
	return strings.Join([]string{
		c.master, map[bool]string{true: "cluster"}[c.cluster], string(rune('0' + c.db)),
		c.username, c.password, c.sentinelUsername, c.sentinelPassword,
	}, "|")
}

func TestFaultyRedisURLIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://u:s3cret@h",
		"REDIS://u:s3cret@h",
		"u:s3cret@h",
		"default:s3cret@h:6379/0",
		"s3cret://h",
		"redis://u:x?s3cret@h", // a question mark that is not percent-encoded
		"redis+sentinel://u:x/s3cret@h/m",
		"redis+sentinel://h/m/s3cret",
		"redis://u:s3cret@h:",
		"redis://u:s3cret@h:x",
		"redis://u:s3cret@h:70000",
		"redis://u:s3cret@",
		"redis://u:s3cret@a,b",
		"redis://u:s3cret@h/x",
		"redis://u:s3cret@h/-1",
		"redis://u:s3cret@h/0/1",
		"redis://u:s3cret%zz@h",
		"redis://u:x/s3cret@h", // a slash that is not percent-encoded
		"redis://u:s3cret@h?db=1",
		"redis://u:s3cret@h?a;b",
		"redis+cluster://u:s3cret@h/1",
		"redis+cluster://u:s3cret@a,,b",
		"redis+cluster://u:s3cret@h?db=1",
		"redis+cluster://u:x/s3cret@h",
		"redis+sentinel://u:s3cret@h",
		"redis+sentinel://u:s3cret@h/",
		"redis+sentinel://u:s3cret@h/m?db=x",
		"redis+sentinel://u:s3cret@h/m?db=-1",
		"redis+sentinel://u:s3cret@h/m?sentinel_passwort=s3cret",
		"rediss+sentinel://u:s3cret@,/m",
		"redis+sentinel://u:p@h/m?sentinel_password=s3cret%zz",
	} {
		c, err := parseRedisURL(url)
		if err == nil {
			t.Errorf("%s is accepted as %+v", url, c)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
		if !strings.HasPrefix(strings.ToLower(err.Error()), "redis url: ") {
			t.Errorf("%s: the error does not say what it is about: %v", url, err)
		}
	}
}

func TestStoreRefusesSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]Options{
		"an authority without TLS": {RedisURL: "redis://h", RedisCA: []byte("x")},
		"an authority that is no PEM": {
			RedisURL: "rediss://h", RedisCA: []byte("no PEM"),
		},
		"no URL": {},
	} {
		if s, err := openStore(opts, "hub-x"); err == nil {
			t.Errorf("%s is accepted", name)
			_ = s.close()
		}
	}
}

func TestPasswordSettingOverridesTheURL(t *testing.T) {
	t.Parallel()
	s, err := openStore(Options{RedisURL: "redis://u:of-url@h", RedisPassword: "of-file"}, "hub-x")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	for _, client := range []redis.UniversalClient{s.publish, s.engine, s.live} {
		if got := client.(*redis.Client).Options(); got.Password != "of-file" || got.Username != "u" || got.MaxRetries > 0 {
			t.Errorf("a client logs in as %s with %s and %d retries", got.Username, got.Password, got.MaxRetries)
		}
	}
}
