package broker

import (
	"log/slog"
	"sync"
	"time"
)

// lossReports is what is still to be logged of the losses of sinks: one that loses
// events all the time must not fill the log.
type lossReports struct {
	mu     sync.Mutex               // protects the field below
	bySink map[[2]string]lossReport // by sink and stream
}

// lossReport is of one sink in one stream.
type lossReport struct {
	events int64     // since it was last logged
	logged time.Time // when
}

// lossLogInterval is between two lines of one sink and stream.
const lossLogInterval = 10 * time.Second

func newLossReports() *lossReports { return &lossReports{bySink: map[[2]string]lossReport{}} }

// report adds to what is to be logged of a loss.
func (r *lossReports) report(sink, stream string, events int64) {
	if events == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := [2]string{sink, stream}
	report := r.bySink[at]
	report.events += events
	r.bySink[at] = report
}

// due takes what is to be logged now.
func (r *lossReports) due(now time.Time) map[[2]string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[[2]string]int64{}
	for at, report := range r.bySink {
		switch {
		case now.Sub(report.logged) < lossLogInterval:
		case report.events == 0:
			delete(r.bySink, at)
		default:
			all[at] = report.events
			r.bySink[at] = lossReport{logged: now}
		}
	}
	return all
}

// bereaved: a sink has lost events of a stream.
func (b *Broker) bereaved(sink, stream string, events int64) {
	b.metrics.lost.Add(float64(events))
	b.losses.report(sink, stream, events)
}

func (b *Broker) logLosses(now time.Time) {
	for at, events := range b.losses.due(now) {
		b.log.Warn("a sink has lost events that it had not read, or not finished: its stream was full (max_events)",
			slog.String("sink", at[0]), slog.String("stream", at[1]), slog.Int64("events", events))
	}
}
