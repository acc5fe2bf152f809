package http

import (
	"net/http"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// complaintEvery is how often failed requests of one code are logged: while Redis is gone
// or full every request fails, and for one cause.
const complaintEvery = time.Second

// complaints says which failed requests are logged. It is safe for concurrent use, and
// its zero value is ready.
type complaints struct {
	mu    sync.Mutex // protects the field below
	codes map[hub.Code]*complaint
}

// complaint is what was logged of one code, of which there are few.
type complaint struct {
	last     time.Time
	unlogged int
}

// due says whether a failure is to be logged, and how many were not since the last that
// was. One that nobody foresaw always is.
func (c *complaints) due(code hub.Code, now time.Time) (unlogged int, ok bool) {
	if code.Status() == http.StatusInternalServerError {
		return 0, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.codes == nil {
		c.codes = map[hub.Code]*complaint{}
	}
	one := c.codes[code]
	if one == nil {
		one = &complaint{}
		c.codes[code] = one
	}
	if now.Sub(one.last) < complaintEvery {
		one.unlogged++
		return 0, false
	}
	unlogged = one.unlogged
	*one = complaint{last: now}
	return unlogged, true
}
