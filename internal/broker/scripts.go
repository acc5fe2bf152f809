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
	attachedScript  = load("attached")
	betweenScript   = load("between")
	countScript     = load("count")
	defineScript    = load("define")
	forgetScript    = load("forget")
	heartbeatScript = load("heartbeat")
	occupyScript    = load("occupy")
	stretchScript   = load("stretch")
	touchScript     = load("touch")

	ticketPutScript   = load("ticket_put")
	ticketTakeScript  = load("ticket_take")
	ticketLeaveScript = load("ticket_leave")

	// Those of a stream, with the keys that stream.lua names.
	addScript         = load("ids", "stream", "add")
	deleteEventScript = load("ids", "stream", "delete_event")
	dropScript        = load("ids", "stream", "drop")
	lookScript        = load("ids", "stream", "look")
	putScript         = load("ids", "stream", "put")
	trimScript        = load("ids", "stream", "trim")

	// Those of a sink in a stream, with the keys that prelude.lua names.
	ackScript     = load("ids", "prelude", "ack")
	ackUpToScript = load("ids", "prelude", "ack_up_to")
	attachScript  = load("ids", "prelude", "attach")
	detachScript  = load("ids", "prelude", "detach")
	extendScript  = load("ids", "prelude", "extend")
	floorScript   = load("ids", "prelude", "floor")
	lossScript    = load("ids", "prelude", "loss")
	pendingScript = load("ids", "prelude", "pending")
	reclaimScript = load("ids", "prelude", "reclaim")
	redriveScript = load("ids", "prelude", "redrive")
	releaseScript = load("ids", "prelude", "release")
	statsScript   = load("ids", "prelude", "stats")
	strictScript  = load("ids", "prelude", "strict")
	yieldScript   = load("ids", "prelude", "yield")
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
