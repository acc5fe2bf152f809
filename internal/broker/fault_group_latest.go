//go:build fault_group_latest

package broker

import "strings"

// A hub that is broken on purpose makes a group that was lost again at the end of its
// stream: test/faults is to notice.
var _ = func() bool {
	const right, wrong = "local start = floor\n", "local start = floor and '$'\n"
	if strings.Count(attachScript.source, right) != 1 {
		panic("attach.lua has changed: this hub is not broken as it should be")
	}
	attachScript = newScript(strings.Replace(attachScript.source, right, wrong, 1))
	return true
}()
