package hub

import "time"

// Ticket lets who shows it open one connection as somebody, without a token.
type Ticket struct {
	Principal []byte    // who it was made for, as internal/auth writes it
	Origin    string    // of the page that asked for it; "" for a program
	Expires   time.Time // of a ticket nobody has used
	Until     time.Time // of one that came again: the end of its principal; zero: it has none
}
