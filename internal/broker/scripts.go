package broker

import (
	"crypto/sha1" //nolint:gosec // the name Redis gives a script, no secret
	"embed"
	"encoding/hex"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var sources embed.FS

// The scripts are Lua because what they do must happen at once or not at all.
// Each says its ARGV and answer on top.
var (
	addScript       = load("add")
	countScript     = load("count")
	defineScript    = load("define")
	forgetScript    = load("forget")
	heartbeatScript = load("heartbeat")
	touchScript     = load("touch")

	// Those of a sink in a stream, with the keys that prelude.lua names.
	ackScript     = load("prelude", "ack")
	ackUpToScript = load("prelude", "ack_up_to")
	attachScript  = load("prelude", "attach")
	detachScript  = load("prelude", "detach")
	extendScript  = load("prelude", "extend")
	floorScript   = load("prelude", "floor")
	pendingScript = load("prelude", "pending")
	reclaimScript = load("prelude", "reclaim")
	redriveScript = load("prelude", "redrive")
	releaseScript = load("prelude", "release")
	statsScript   = load("prelude", "stats")
	strictScript  = load("prelude", "strict")
	yieldScript   = load("prelude", "yield")
)

// script is a Lua script and its SHA-1, the name EVALSHA knows it by.
type script struct{ source, sha string }

// load joins the files of these names.
func load(names ...string) script {
	var source string
	for _, name := range names {
		text, err := sources.ReadFile("scripts/" + name + ".lua")
		if err != nil {
			panic(err) // a name above is wrong
		}
		source += string(text)
	}
	return newScript(source)
}

func newScript(source string) script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // as above
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}

// call is the command that runs the script.
func (s script) call(keys []string, args ...any) once {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "evalsha", s.sha, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	cmd := command(append(all, args...)...)
	cmd.source = s.source
	return cmd
}

// withSource turns an EVALSHA that Redis did not know into an EVAL; false when
// cmd is none.
func withSource(cmd redis.Cmder) bool {
	c, ok := cmd.(once)
	if !ok || c.source == "" {
		return false
	}
	args := c.Args()
	args[0], args[1] = "eval", c.source
	c.SetErr(nil)
	return true
}
