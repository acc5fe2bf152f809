package broker

import (
	"crypto/sha1" //nolint:gosec // the name Redis gives a script, no secret
	_ "embed"
	"encoding/hex"

	"github.com/redis/go-redis/v9"
)

// The scripts are Lua because what they do must happen at once or not at all.
// Each says its KEYS, ARGV and answer on top.
var (
	//go:embed scripts/add.lua
	addSource string
	//go:embed scripts/define.lua
	defineSource string
	//go:embed scripts/attach.lua
	attachSource string
	//go:embed scripts/ack.lua
	ackSource string
	//go:embed scripts/release.lua
	releaseSource string
	//go:embed scripts/reclaim.lua
	reclaimSource string
	//go:embed scripts/floor.lua
	floorSource string
	//go:embed scripts/heartbeat.lua
	heartbeatSource string
	//go:embed scripts/stats.lua
	statsSource string
	//go:embed scripts/count.lua
	countSource string

	addScript       = newScript(addSource)
	defineScript    = newScript(defineSource)
	attachScript    = newScript(attachSource)
	ackScript       = newScript(ackSource)
	releaseScript   = newScript(releaseSource)
	reclaimScript   = newScript(reclaimSource)
	floorScript     = newScript(floorSource)
	heartbeatScript = newScript(heartbeatSource)
	statsScript     = newScript(statsSource)
	countScript     = newScript(countSource)
)

// script is a Lua script and its SHA-1, the name EVALSHA knows it by.
type script struct{ source, sha string }

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
