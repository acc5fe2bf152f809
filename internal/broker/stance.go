package broker

import (
	"context"
	"errors"
	"syscall"
)

// stance is what a replica that has left a primary has to do with it.
type stance int

const (
	stanceUnknown stance = iota // it does not say
	stanceOurs                  // it will be back, or is dead
	stanceOther                 // it follows another
	stanceLeads                 // it is a primary with another history
)

func (r *replicas) stance(ctx context.Context, id string, node address) stance {
	its, err := r.ask(ctx, node)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return stanceOurs // nothing is there
	case err != nil:
		return stanceUnknown
	case its.primary && its.id == id:
		return stanceOurs // the primary itself, which was a replica before
	case its.primary:
		return stanceLeads
	case its.linked && its.id == id:
		return stanceOurs
	}
	// Not connected it has the id that it had, whomever it is about to follow now, or one that
	// nobody else has, as it was restarted.
	leader, err := r.ask(ctx, its.follows)
	switch {
	case err != nil:
		return stanceUnknown
	case leader.primary && leader.id == id:
		return stanceOurs
	}
	return stanceOther
}
