package http_test

import (
	"context"
	"io"
	nethttp "net/http"
	"runtime"
	"testing"
	"time"

	"eventhub/internal/http"
)

// memory is what the process has in use, after what is not has been collected.
func memory() uint64 {
	runtime.GC()
	runtime.GC() // what the first has put into pools' victims
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// slowly opens connections that send a header and never its end.
func (r *running) slowly(n int) {
	r.t.Helper()
	for range n {
		if _, err := io.WriteString(r.dial("127.0.0.1"), "POST /v1/streams/orders/events HTTP/1.1\r\nHost: hub\r\nX-A: b\r\n"); err != nil {
			r.t.Fatal(err)
		}
	}
}

// Of 2,000 such connections each may be open for 5 s: together they must cost less than a
// few requests of the largest size. Not parallel, as it looks at the whole process.
func TestConnectionThatNeverEndsItsHeaderCostsLittle(t *testing.T) {
	const n, mostEach = 300, 32 << 10 // bytes, of which the test's own half takes some
	e := newEdgeWith(t, http.Options{})
	r := e.run(time.Second, func(context.Context) {})
	defer func() {
		r.stop()
		<-r.ended
	}()
	live(t, r.dial("127.0.0.1"))
	before := memory()
	r.slowly(n)
	if a := live(t, r.dial("127.0.0.1")); a.StatusCode != nethttp.StatusOK { // who comes after all of them
		t.Errorf("it is answered %s", a.Status)
	}
	each := (memory() - before) / n
	t.Logf("%d bytes for each connection", each)
	if each > mostEach { // that they are let go is TestSlowClientIsLetGo's
		t.Errorf("each connection takes %d bytes, want at most %d", each, mostEach)
	}
}
