package ws

import (
	"testing"
	"unsafe"
)

// With 10,000 sessions among the descriptors, 5 MB more stay after they have left.
func TestSessionsDoNotLieAmongTheDescriptorsOfGoroutines(t *testing.T) {
	t.Parallel()
	const most = 448 // the size class below that of a runtime.g
	if size := unsafe.Sizeof(session{}); size > most {
		t.Errorf("a session has %d bytes, at most %d are good", size, most)
	}
}
