//go:build fault_delete_consumer

package broker

import "strings"

// A hub that is broken on purpose deletes the Redis consumer of a dead hub with what that
// has not acknowledged: test/faults is to notice.
var _ = func() bool {
	const right = "  if name == 'retry' then\n"
	const wrong = "  if gone then redis.call('XGROUP', 'DELCONSUMER', key, group, name) elseif name == 'retry' then\n"
	if strings.Count(reclaimScript.source, right) != 1 {
		panic("reclaim.lua has changed: this hub is not broken as it should be")
	}
	reclaimScript = newScript(strings.Replace(reclaimScript.source, right, wrong, 1))
	return true
}()
