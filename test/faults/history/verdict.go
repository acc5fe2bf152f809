package history

import (
	"fmt"
	"strings"
)

// A Finding is something that is not as it should be, or at least worth a number.
type Finding struct {
	Fault Violation
	What  string
}

// Violation is a class of findings.
type Violation string

// What an event that was confirmed and that a sink did not finish is. The first two are
// violations, as there was time enough for them.
const (
	Undelivered Violation = "undelivered"      // it waits in the stream
	Pending     Violation = "pending"          // somebody holds it
	Lost        Violation = "lost"             // nothing is known of it any more
	Dead        Violation = "dead-lettered"    // no violation
	Announced   Violation = "announced"        // no violation: a gap has told of it
	Forfeited   Violation = "lost by failover" // no violation: it was confirmed by a primary alone, which is gone
)

// What else may be wrong.
const (
	Phantom   Violation = "phantom"                       // it was never published, or certainly refused
	Corrupt   Violation = "corrupt"                       // it is not what was published
	Duplicate Violation = "duplicate entry"               // it was stored more often than published
	AfterAck  Violation = "delivered after confirmed ack" //
	Unflagged Violation = "unflagged redelivery"          // its attempt has not grown
	Order     Violation = "order broken"                  //
	Hole      Violation = "undetected hole"               // of a reader or broadcast subscriber, without a gap
	Silent    Violation = "silent socket"                 // it was open at the end, and dead
	Unwanted  Violation = "unwanted"                      // it came though the filter does not let it through
	Torn      Violation = "stored in part"                // of what one request published

	Unanswered Violation = "unanswered ack" // its connection lived on
)

// Harmless says whether a finding is only counted.
func (v Violation) Harmless() bool { return v == Dead || v == Announced || v == Forfeited }

// Verdict is what Check has found.
type Verdict struct {
	Findings []Finding
	Counts   map[Violation]int
	Figures  Figures
}

// foundLimit bounds the findings of one kind that are told in words; all are counted.
const foundLimit = 10

// Find notes a finding.
func (v *Verdict) Find(what Violation, format string, args ...any) {
	v.Counts[what]++
	if v.Counts[what] <= foundLimit {
		v.Findings = append(v.Findings, Finding{what, fmt.Sprintf(format, args...)})
	}
}

// Valid says whether every promise was kept.
func (v *Verdict) Valid() bool {
	for what, n := range v.Counts {
		if n > 0 && !what.Harmless() {
			return false
		}
	}
	return true
}

// Effective says whether every fault has happened.
func Effective(faults []Fault) bool {
	for _, f := range faults {
		if f.Proof == "" {
			return false
		}
	}
	return true
}

// String lists the findings, one a line.
func (v *Verdict) String() string {
	var b strings.Builder
	for _, f := range v.Findings {
		fmt.Fprintf(&b, "%s: %s\n", f.Fault, f.What)
	}
	for what, n := range v.Counts {
		if n > foundLimit {
			fmt.Fprintf(&b, "%s: %d in all\n", what, n)
		}
	}
	return b.String()
}

// Violations lists all classes of findings.
func Violations() []Violation {
	return []Violation{Undelivered, Pending, Lost, Dead, Announced, Forfeited, Phantom, Corrupt, Duplicate, AfterAck, Unflagged, Order, Hole, Silent, Unwanted, Torn, Unanswered}
}
