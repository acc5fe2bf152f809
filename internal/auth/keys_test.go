package auth_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// entryOf is a key's entry in YAML, which may publish to a stream.
func entryOf(id, key, stream string) string {
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("  - id: %s\n    hash: %x\n    permissions:\n      - allow: [publish]\n        streams: [%q]\n", id, sum, stream)
}

func keysOf(entries ...string) string { return "keys:\n" + strings.Join(entries, "") }

func TestNewKeysAreRandomAndTheirHashIsThatOfTheWholeKey(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		key, hash := auth.NewKey()
		sum := sha256.Sum256([]byte(key))
		if !regexp.MustCompile(`^hub_[A-Za-z0-9_-]{43}$`).MatchString(key) || hash != hex.EncodeToString(sum[:]) || seen[key] {
			t.Errorf("the key %s has the hash %s", key, hash)
		}
		seen[key] = true
	}
}

func TestKeysAreKnownByTheirHash(t *testing.T) {
	t.Parallel()
	key, _ := auth.NewKey()
	other, hash := auth.NewKey()
	json := fmt.Sprintf("\t{\"keys\": [\n\t\t{\"id\": \"shop\", \"hash\": %q, \"permissions\": [], \"limits\": {\"connections\": 1}}]}\n", strings.ToUpper(hash))
	for _, text := range []string{keysOf(entryOf("shop", key, "orders"), entryOf("shop", other, "orders")), json} {
		r := open(t, auth.Options{KeysFile: file(t, text)})
		if p := r.takes(other); p.ID() != "key:shop" || !p.Expires().IsZero() || p.Ended(time.Now()) != nil {
			t.Errorf("it is that of %s", p.ID())
		}
		for _, wrong := range []string{other[:len(other)-1], other + "A", strings.ToUpper(other), hash, "", "shop"} {
			r.refuses(wrong, hub.CodeUnauthenticated, "unknown_key")
		}
		if _, err := r.Anonymous("192.0.2.1"); hub.AsError(err).Code != hub.CodeUnauthenticated || r.failures("no_token") != 1 {
			t.Errorf("without a token: %v", err)
		}
	}
}

func TestKeysFollowTheirFile(t *testing.T) {
	t.Parallel()
	stays, _ := auth.NewKey()
	changes, _ := auth.NewKey()
	goes, _ := auth.NewKey()
	path := file(t, keysOf(entryOf("stays", stays, "a"), entryOf("changes", changes, "a"), entryOf("goes", goes, "a")))
	bubble(t, auth.Options{KeysFile: path}, func(t *testing.T, r *rig) {
		p, q, s := r.takes(stays), r.takes(changes), r.takes(goes)
		write(t, path, keysOf(entryOf("stays", stays, "a"), entryOf("changes", changes, "b"), "  - id: half"))
		time.Sleep(20 * time.Second)
		if r.takes(goes) != s || s.Ended(time.Now()) != nil {
			t.Error("a file that is not good took a key away")
		}
		if lines := strings.Count(r.log.String(), `"level":"ERROR"`); lines != 1 || !strings.Contains(r.log.String(), "keys/2 (half): hash: want") {
			t.Errorf("the log says %s", &r.log)
		}
		came, _ := auth.NewKey()
		write(t, path, keysOf(entryOf("stays", stays, "a"), entryOf("changes", changes, "b"), entryOf("came", came, "c")))
		time.Sleep(5 * time.Second)
		now := time.Now()
		if r.takes(stays) != p || p.Ended(now) != nil {
			t.Error("who came by a key that has not changed has ended")
		}
		if e := q.Ended(now); e == nil || e.Code != hub.CodeUnavailable || e.Detail != "permissions have changed: connect again" {
			t.Errorf("permissions have changed: %v", e)
		}
		if again := r.takes(changes); again.Ended(now) != nil || again.May(auth.Publish, auth.Stream, "b") != nil || again.May(auth.Publish, auth.Stream, "a") == nil {
			t.Error("the key that has changed has not its new permissions")
		}
		if e := s.Ended(now); e == nil || e.Code != hub.CodeUnauthenticated {
			t.Errorf("the key was taken away: %v", e)
		}
		r.refuses(goes, hub.CodeUnauthenticated, "unknown_key")
		r.takes(came)
	})
}

func TestFileThatIsHalfWrittenTakesNoKeyAway(t *testing.T) {
	t.Parallel()
	first, _ := auth.NewKey()
	second, _ := auth.NewKey()
	whole := keysOf(entryOf("first", first, "a"), entryOf("second", second, "a"))
	path := file(t, whole)
	bubble(t, auth.Options{KeysFile: path}, func(t *testing.T, r *rig) {
		p := r.takes(second)
		time.Sleep(time.Second)
		for range 10 { // looked at when half of it is there, and that is good by itself
			write(t, path, keysOf(entryOf("first", first, "a")))
			time.Sleep(2 * time.Second)
			write(t, path, whole)
			time.Sleep(2 * time.Second)
		}
		if r.takes(second) != p || p.Ended(time.Now()) != nil {
			t.Error("a key was taken away")
		}
	})
}

func TestFaultsOfKeysNameTheKeyAndTheFieldAndShowNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "hub_hunter2hunter2hunter2hunter2hunter2hunter2hu"
	hash := strings.Repeat("ab", 32)
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "it is empty"},
		"comment":           {"# nothing\n", "it is empty"},
		"no list":           {"keys:\n", "keys: want a list of keys; [] for none"},
		"text":              {canary, "want"},
		"unknown at top":    {"keys: []\nkey: 1\n", `it has the field "key", which there is not`},
		"no YAML":           {"keys: [" + canary, "it cannot be read as YAML: line 1"},
		"no id":             {"keys: [{hash: " + hash + "}]", "keys/0 (without a good id): id: want 1 to 128"},
		"number as id":      {"keys: [{id: 1, hash: " + hash + "}]", "keys/0 (without a good id): id: want string"},
		"bad id":            {"keys: [{id: a b, hash: " + hash + "}]", "keys/0 (without a good id): id: want"},
		"no hash":           {"keys: [{id: shop}]", "keys/0 (shop): hash: want the SHA-256"},
		"key as hash":       {"keys: [{id: shop, hash: " + canary + "}]", "keys/0 (shop): hash: want the SHA-256"},
		"short hash":        {"keys: [{id: shop, hash: " + hash[2:] + "}]", "keys/0 (shop): hash: want the SHA-256"},
		"unknown field":     {"keys: [{id: shop, hash: " + hash + ", key: " + canary + "}]", `keys/0 (shop): it has the field "key", which there is not`},
		"secret as a field": {"keys: [{id: shop, " + canary + ": 1}]", "keys/0 (shop): it has a field that there is not"},
		"same hash twice":   {"keys: [{id: a, hash: " + hash + "}, {id: b, hash: " + strings.ToUpper(hash) + "}]", "keys/1 (b): hash: it is that of keys/0, too"},
		"bad verb":          {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [all], streams: [a]}]}]", "keys/0 (shop): permissions/0: allow:"},
		"no verb":           {"keys: [{id: shop, hash: " + hash + ", permissions: [{streams: [a]}]}]", "keys/0 (shop): permissions/0: allow:"},
		"no name":           {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [read]}]}]", "keys/0 (shop): permissions/0: it names nothing"},
		"bad pattern":       {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [read], streams: ['re:(']}]}]", "keys/0 (shop): permissions/0: streams:"},
		"bad topic":         {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [read], streams: [a], topics: ['']}]}]", "keys/0 (shop): permissions/0: topics:"},
		"no topics":         {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [read], streams: [a], topics: []}]}]", "permissions/0: topics: want at least one"},
		"topics of null":    {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [read], streams: [a], topics: }]}]", "permissions/0: topics: want at least one"},
		"topics of text":    {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [read], streams: [a], topics: eu}]}]", "topics: want []string"},
		"misspelt topics":   {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: [read], streams: [a], topic: [a]}]}]", `it has the field "topic"`},
		"text as a list":    {"keys: [{id: shop, hash: " + hash + ", permissions: [{allow: read, streams: [a]}]}]", "permissions.allow: want"},
		"bad limit":         {"keys: [{id: shop, hash: " + hash + ", limits: {connections: -1}}]", "keys/0 (shop): limits: want"},
		"two documents":     {"keys: []\n---\nkeys: []\n", "more than one YAML document"},
		"aliases":           {"keys: [&a {id: x}, *a]\n", "anchors, aliases, merges, tags and directives are not read"},
		"endless":           {strings.Repeat(" ", 9<<20), "want a readable file: it has more than 8388608 bytes"},
		"deep":              {"keys: " + strings.Repeat("[", 60) + strings.Repeat("]", 60), "levels"},
		"field twice":       {"keys: []\nkeys: []\n", "it cannot be read as YAML: line 2"},
		"JSON field twice":  {`{"keys":[{"id":"a","permissions":[{"allow":["read"],"streams":["a"],"topics":["eu"],"topics":[]}]}]}`, "it has a field twice"},
		"two faults":        {"keys: [{id: a}, {id: b}]", "keys/0 (a): hash: want the SHA-256 of the key, in 64 hex digits; hub key new prints it; keys/1 (b): hash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := file(t, c.text)
			_, err := auth.Open(auth.Options{KeysFile: path})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if faults := auth.Check(auth.Options{KeysFile: path}); len(faults) != 1 || faults[0].Option != "KeysFile" {
				t.Errorf("checked: %v", faults)
			}
		})
	}
	if _, err := auth.Open(auth.Options{KeysFile: file(t, "keys: []\n")}); err != nil {
		t.Errorf("no keys: %v", err)
	}
}

func TestLogOfFailuresIsBounded(t *testing.T) {
	t.Parallel()
	key, _ := auth.NewKey()
	bubble(t, auth.Options{KeysFile: file(t, keysOf(entryOf("shop", key, "a")))}, func(t *testing.T, r *rig) {
		for range 10 {
			for range 1000 {
				if _, err := r.Authenticate(t.Context(), "wrong"); err == nil {
					t.Fatal("a wrong key is taken")
				}
			}
			time.Sleep(time.Second)
		}
		if lines := strings.Count(r.log.String(), "a token was refused"); lines != 10 || r.failures("unknown_key") != 10_000 {
			t.Errorf("%d lines about %d failures in 10 s:\n%s", lines, r.failures("unknown_key"), &r.log)
		}
		if !strings.Contains(r.log.String(), `"reason":"unknown_key"`) || !strings.Contains(r.log.String(), `"more_before":999`) {
			t.Errorf("the log says %s", &r.log)
		}
	})
}
