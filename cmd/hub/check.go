package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"

	"eventhub/internal/cert"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// redisSchemes are the kinds of Redis there are, each with and without TLS.
const redisSchemes = "redis rediss redis+sentinel rediss+sentinel redis+cluster rediss+cluster"

// checker finds what is wrong with a config beyond the types of its values, and
// reads the files that it names.
type checker struct {
	cfg    *config
	vars   map[string]string
	faults map[string]string // by setting; the first one found stands
}

// fault notes that the setting's value is not what it should be. RedisURL is
// the one setting whose value is never shown; a key that somebody has set in place of
// the path of its file is not either.
func (c *checker) fault(name, want string) {
	line := fmt.Sprintf("%s=%q: %s", name, c.vars[name], want)
	switch {
	case name == prefix+"REDIS_URL":
		line = fmt.Sprintf("%s (not shown here, as it may hold a password): %s", name, want)
	case strings.Contains(c.vars[name], "-----BEGIN"):
		line = name + " (not shown here, as it may hold a key): want the path of a file, not what is in it"
	case mayBeSecret(name, c.vars[name]):
		line = fmt.Sprintf("%s (not shown here, as it may hold a secret): %s", name, want)
	}
	if _, ok := c.faults[name]; !ok {
		c.faults[name] = line
	}
}

// unreadable notes the values that are of the wrong type. What it returns is a
// fault of config itself, not of the environment.
func (c *checker) unreadable(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			return err
		}
		for _, s := range settings() {
			if s.field == parse.Name {
				c.fault(s.name, s.want())
			}
		}
	}
	return nil
}

func (c *checker) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	e := &configError{}
	for _, s := range settings() {
		if line, ok := c.faults[s.name]; ok {
			e.lines = append(e.lines, line)
		}
	}
	return e
}

func (c *checker) check() {
	c.ranges()
	c.address("HUB_ADDR", c.cfg.Addr)
	if c.cfg.AdminAddr != "" {
		c.address("HUB_ADMIN_ADDR", c.cfg.AdminAddr)
		if c.cfg.AdminAddr == c.cfg.Addr && !strings.HasSuffix(c.cfg.Addr, ":0") {
			c.fault("HUB_ADMIN_ADDR", "want another address than HUB_ADDR, or none to serve /metrics there")
		}
	}
	c.tls()
	c.origins()
	c.authentication()
	c.redis()
	c.streams()
	if !validKeyPrefix(c.cfg.KeyPrefix) {
		c.fault("HUB_KEY_PREFIX", "want 1 to 32 visible ASCII characters without braces, such as hub:")
	}
	// An event's data may arrive and leave as base64, with its envelope around it.
	atLeast := c.cfg.MaxEventBytes * 2
	c.relate("HUB_MAX_BATCH_BYTES", c.cfg.MaxBatchBytes >= atLeast, "HUB_MAX_EVENT_BYTES",
		fmt.Sprintf("want at least %d, twice HUB_MAX_EVENT_BYTES", atLeast))
	c.relate("HUB_BROADCAST_QUEUE_BYTES", c.cfg.BroadcastQueueBytes >= atLeast, "HUB_MAX_EVENT_BYTES",
		fmt.Sprintf("want at least %d, twice HUB_MAX_EVENT_BYTES", atLeast))
	c.relate("HUB_DRAIN_TIMEOUT", c.cfg.DrainTimeout < c.cfg.ShutdownTimeout, "HUB_SHUTDOWN_TIMEOUT",
		fmt.Sprintf("want less than HUB_SHUTDOWN_TIMEOUT, which is %s", c.cfg.ShutdownTimeout))
}

// ranges holds every setting to its tags.
func (c *checker) ranges() {
	cfg := reflect.ValueOf(*c.cfg)
	for _, s := range settings() {
		given := c.vars[s.name]
		switch {
		case given == "": // the default, which the tests hold to the tags
		case len(s.oneOf) > 0 && !slices.Contains(s.oneOf, given):
			c.fault(s.name, s.want())
		case s.max != "":
			if n := cfg.FieldByName(s.field).Int(); n < s.bound(s.min) || n > s.bound(s.max) {
				c.fault(s.name, s.want())
			}
		}
	}
}

// relate faults the setting when its value does not fit to that of another one,
// unless the other one is wrong itself. An unset variable shows its default.
func (c *checker) relate(name string, ok bool, other, want string) {
	if _, wrong := c.faults[other]; ok || wrong {
		return
	}
	if c.vars[name] == "" {
		for _, s := range settings() {
			if s.name == name {
				want += "; its default is " + s.def
			}
		}
	}
	c.fault(name, want)
}

func (c *checker) address(name, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		c.fault(name, "want host:port with a port from 0 to 65535, such as 127.0.0.1:8080, or :8080 for all interfaces")
	}
}

// tls checks the pair as it is now; what the listener shows is read again.
func (c *checker) tls() {
	const certName, keyName = "HUB_TLS_CERT", "HUB_TLS_KEY"
	switch cfg := c.cfg; {
	case cfg.TLSCert == "" && cfg.TLSKey == "":
	case cfg.TLSKey == "":
		c.fault(keyName, "want the file with the private key of HUB_TLS_CERT, too; neither for plain HTTP")
	case cfg.TLSCert == "":
		c.fault(certName, "want the file with the certificate of HUB_TLS_KEY, too; neither for plain HTTP")
	default:
		var fault *cert.FileError
		switch err := cert.Check(cfg.TLSCert, cfg.TLSKey); {
		case err == nil:
		case errors.As(err, &fault) && fault.Key:
			c.fault(keyName, fault.Want+" (HUB_TLS_CERT has the certificate)")
		case errors.As(err, &fault):
			c.fault(certName, fault.Want)
		}
	}
}

func (c *checker) origins() {
	origins, err := http.ParseOrigins(c.cfg.AllowedOrigins)
	if err != nil {
		c.fault(prefix+"ALLOWED_ORIGINS", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	c.cfg.Origins = origins
}

// redis checks no more of the URL than the settings around it need: to read it
// is the engine's business. net/url would refuse several hosts with ports, and
// quotes the whole URL in its errors.
func (c *checker) redis() {
	cfg := c.cfg
	scheme, rest, _ := strings.Cut(string(cfg.RedisURL), "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	at := strings.LastIndexByte(authority, '@')
	_, password, _ := strings.Cut(authority[:max(at, 0)], ":")

	switch {
	case cfg.RedisURL == "":
	case !slices.Contains(strings.Fields(redisSchemes), scheme):
		c.fault("HUB_REDIS_URL", "want scheme://host:port with one of the schemes "+strings.ReplaceAll(redisSchemes, " ", ", "))
	case slices.ContainsFunc(strings.Split(authority[at+1:], ","), func(host string) bool {
		return host == "" || host[0] == ':'
	}):
		c.fault("HUB_REDIS_URL", "want a host after the scheme, such as "+scheme+"://localhost:6379")
	}
	if cfg.RedisPasswordFile != "" {
		switch {
		case cfg.RedisURL == "":
			c.fault("HUB_REDIS_PASSWORD_FILE", "want HUB_REDIS_URL to be set, too: the embedded Redis has no password")
		case password != "":
			c.fault("HUB_REDIS_PASSWORD_FILE", "want the password in the file or in HUB_REDIS_URL, not in both")
		}
		cfg.RedisPassword = secret(strings.TrimRight(string(c.file("HUB_REDIS_PASSWORD_FILE", cfg.RedisPasswordFile)), "\r\n"))
		if cfg.RedisPassword == "" {
			c.fault("HUB_REDIS_PASSWORD_FILE", "want a file with the password in it, it is empty")
		}
	}
	if cfg.RedisTLSCAFile != "" {
		if !strings.HasPrefix(scheme, "rediss") {
			c.fault("HUB_REDIS_TLS_CA_FILE", "want HUB_REDIS_URL to ask for TLS, with a scheme that starts with rediss")
		}
		cfg.RedisCA = c.file("HUB_REDIS_TLS_CA_FILE", cfg.RedisTLSCAFile)
		if !x509.NewCertPool().AppendCertsFromPEM(cfg.RedisCA) {
			c.fault("HUB_REDIS_TLS_CA_FILE", "want a file with PEM certificates in it")
		}
	}
}

// streams reads the streams that are declared, from the setting or the file that it
// names.
func (c *checker) streams() {
	const name = prefix + "STREAMS"
	text := []byte(c.cfg.Streams)
	if len(text) == 0 {
		return
	}
	if text[0] != '{' {
		if text = c.file(name, c.cfg.Streams); text == nil {
			return
		}
	}
	declared, err := hub.DecodeStreams(text, c.cfg.stream())
	if err != nil {
		e := hub.AsError(err)
		want := []string{e.Detail}
		if len(e.Faults) > 0 {
			want = nil
			for _, fault := range e.Faults {
				want = append(want, fault.Pointer+" "+fault.Detail)
			}
		}
		c.fault(name, strings.Join(want, "; "))
	}
	c.cfg.Declared = declared
}

func (c *checker) file(name, path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		var cause *fs.PathError // the path stands at the head of the line already
		if errors.As(err, &cause) {
			err = cause.Err
		}
		c.fault(name, "want a readable file: "+err.Error())
	}
	return data
}

// validKeyPrefix keeps braces out, as they would move the hash tag of a key, and
// whatever makes keys hard to type into redis-cli.
func validKeyPrefix(text string) bool {
	return text != "" && len(text) <= 32 && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '{' || r == '}'
	})
}
