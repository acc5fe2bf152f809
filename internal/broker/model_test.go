package broker_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// The model test: each seed is a random sink with random consumers on hubs that
// come, go, crash and are cut off from Redis. What clients do and see is written
// into one history (model_history_test.go), which is then held against what a
// sink promises (model_promises_test.go). A seed fixes the sink and the dice, not
// the clock: what it finds may need some tries to be found again.
var (
	modelSeeds = flag.Int("model.seeds", 200, "how many seeds the model test runs")
	modelFirst = flag.Uint64("model.first", 1, "the first of these seeds")
)

// modelRuns is how many seeds run at a time: they mostly wait for ack_wait.
const modelRuns = 16

func TestSinksKeepTheirPromisesWhateverHappens(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	seeds := make(chan uint64)
	var runs sync.WaitGroup
	for range modelRuns {
		runs.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runModel(t, server, seed) })
			}
		})
	}
	for i := range *modelSeeds {
		seeds <- *modelFirst + uint64(i)
	}
	close(seeds)
	runs.Wait()
}

func runModel(t *testing.T, server *redistest.Server, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &world{
		t: t, rng: rng, server: server, sink: randomSink(rng),
		prefix: fmt.Sprintf("seed-%d:", seed), history: newHistory(),
	}
	defer func() {
		w.calls.Wait()
		if t.Failed() {
			t.Logf("the history of seed %d:\n%s", seed, strings.Join(w.lines, "\n"))
		}
	}()
	w.say("the sink has %v, streams %v", w.sink.settings, w.sink.streams)
	w.run()
	w.heal()
	for _, complaint := range w.verify(w.sink) {
		t.Error(complaint)
	}
}

// modelSink is what a seed's sink is like.
type modelSink struct {
	settings hub.SinkSettings
	streams  []string
	strict   bool
	most     int    // deliveries; 0: no limit
	topic    string // the only one it wants; "": all
	loses    bool   // its groups are destroyed at times
}

// wants says whether the sink's patterns let an event through.
func (s modelSink) wants(f *fact) bool { return s.topic == "" || f.topic == s.topic }

func randomSink(rng *rand.Rand) modelSink {
	wait := 100 + rng.IntN(200)
	if rng.IntN(10) == 0 {
		wait += 1000 // longer than the shortest turn in strict order
	}
	s := modelSink{
		streams: []string{"orders", "refunds"}[:1+rng.IntN(2)],
		strict:  rng.IntN(5) < 2,
		most:    []int{0, 0, 1, 2, 4}[rng.IntN(5)],
		topic:   []string{"", "", "a"}[rng.IntN(3)],
		loses:   rng.IntN(8) == 0,
	}
	s.settings = hub.SinkSettings{
		hub.SettingFrom:          []string{"latest", "oldest"}[rng.IntN(2)],
		hub.SettingAckWait:       hub.FormatDuration(time.Duration(wait) * time.Millisecond),
		hub.SettingMaxDeliveries: strconv.Itoa(s.most),
		hub.SettingBackoff:       []string{`[]`, `[]`, `["10ms"]`, `["0s","50ms","100ms"]`}[rng.IntN(4)],
		hub.SettingOrder:         hub.OrderNone,
	}
	if s.strict {
		s.settings[hub.SettingOrder] = hub.OrderStrict
	}
	if s.topic != "" {
		s.settings[hub.SettingTopics] = `["` + s.topic + `"]`
	}
	return s
}
