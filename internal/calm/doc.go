// Package calm bounds how often one cause is logged: while a network is bad or Redis is
// full everything fails, and all of it for a few causes. It writes no lines itself.
//
// Goroutines: none. So what was left out is told with the cause's next line, however
// late that comes; metrics count what matters as it happens.
package calm
