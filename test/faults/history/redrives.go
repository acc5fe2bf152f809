package history

import (
	"slices"
	"time"
)

// redriven says whether the dead letters of a sink were made to come again at the end.
func (c *checker) redriven(sink string) bool {
	return slices.ContainsFunc(c.Redrives, func(d Redrive) bool { return d.Sink == sink })
}

// redrivenBetween says whether attempts may have begun anew between two deliveries.
func (c *checker) redrivenBetween(sink string, from, to time.Duration) bool {
	return slices.ContainsFunc(c.Redrives, func(d Redrive) bool { return d.Sink == sink && from <= d.Began && d.Began <= to })
}
