package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// stage stands where redistest wants a test: it owns what a scenario starts, and hears
// of what goes wrong. Its methods may be called from any goroutine but those of Fatal,
// which end the scenario's own.
type stage struct {
	testing.TB // nil: what is not overridden here is not used

	ctx    context.Context
	cancel context.CancelFunc
	dir    string

	mu       sync.Mutex // protects the fields below
	cleanups []func()
	wrong    []error
	dirs     int
}

// errStage is what a stage panics with to end its scenario.
var errStage = errors.New("the scenario cannot go on")

// onStage runs a scenario's work and ends all that it has started. The error is of what
// could not be started or done, not of what the work has found.
func onStage(ctx context.Context, work func(s *stage)) (err error) {
	s := &stage{}
	if s.dir, err = os.MkdirTemp("", "eventhub-faults-"); err != nil {
		return err
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	defer func() {
		s.close()
		err = errors.Join(append(s.wrong, os.RemoveAll(s.dir))...)
	}()
	defer func() {
		if r := recover(); r != nil && r != errStage { //nolint:errorlint // it is the very value
			panic(r)
		}
	}()
	work(s)
	return nil
}

// together does all work at the same time, and returns when all is done. When one of it
// cannot go on, the scenario cannot, either.
func (s *stage) together(work ...func()) {
	var all sync.WaitGroup
	var stuck atomic.Bool
	for _, do := range work {
		all.Go(func() {
			defer func() {
				if r := recover(); r == errStage { //nolint:errorlint // it is the very value
					stuck.Store(true)
				} else if r != nil {
					panic(r)
				}
			}()
			do()
		})
	}
	all.Wait()
	if stuck.Load() {
		panic(errStage)
	}
}

// close runs the cleanups, the last first, as the testing package does.
func (s *stage) close() {
	s.cancel()
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		last := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		last()
	}
}

func (s *stage) Helper() {}

func (s *stage) Context() context.Context { return s.ctx }

func (s *stage) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

func (s *stage) TempDir() string {
	s.mu.Lock()
	s.dirs++
	path := fmt.Sprintf("%s/%d", s.dir, s.dirs)
	s.mu.Unlock()
	if err := os.Mkdir(path, 0o700); err != nil {
		s.Fatal(err)
	}
	return path
}

func (s *stage) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.wrong) > 0
}

// Logf is for the ends of servers' logs, of which there may be nine.
func (s *stage) Logf(string, ...any) {}

func (s *stage) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Errorf(format, args...))
}

func (s *stage) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	panic(errStage)
}

func (s *stage) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }
