package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestRandomRequestsMakeNoSeries sends names, paths, methods, tokens and headers that
// nobody has sent before. It is as good as with 100,000: whatever made a series for each
// would do so from the first on.
func TestRandomRequestsMakeNoSeries(t *testing.T) {
	t.Parallel()
	const requests, most = 5000, 5
	redis := startRedis(t)
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL(), keys.setting(), "HUB_REQUESTS_PER_SECOND=0", "HUB_EVENTS_PER_SECOND=0", "HUB_HANDSHAKES_PER_SECOND=0")
	boss := h.by(keys.text["boss"])
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	h.via = transport
	everyRoute(h, keys.text["boss"]) // what any client meets makes series of its own, once
	series(boss)                     // as does who looks
	before := series(boss)
	var asking sync.WaitGroup
	for worker := range 8 {
		asking.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range requests / 8 {
				word := fmt.Sprintf("zz%xzz", random.Uint64())
				token := oneOf(random, randomTokens(keys.text["boss"]))
				if token != keys.text["boss"] {
					token = strings.ReplaceAll(token, "W", word)
				}
				ask(h, oneOf(random, randomRoutes), oneOf(random, randomMethods), token, word)
			}
		})
	}
	asking.Wait()
	after := series(boss)
	var grown []string
	for name := range after {
		if !before[name] {
			grown = append(grown, name)
		}
	}
	if t.Logf("%d requests: %d series before, %d after", requests, len(before), len(after)); len(grown) > most {
		t.Errorf("%d new series, want %d at most: %q", len(grown), most, grown)
	}
	for name := range after {
		if strings.Contains(name, "zz") {
			t.Errorf("a client's text is in %s", name)
		}
	}
}

// everyRoute asks for each route by each method, with tokens that are good and with
// ones that are not.
func everyRoute(h *testHub, key string) {
	i := 0
	for _, route := range randomRoutes {
		for _, method := range randomMethods {
			for _, token := range randomTokens(key) {
				ask(h, route, method, token, fmt.Sprintf("zz%dfirst", i))
				i++
			}
		}
	}
}

func oneOf(random *rand.Rand, list []string) string { return list[random.IntN(len(list))] }

// randomTokens have W in place of a word.
func randomTokens(key string) []string { return []string{key, "", "hub_W", "W.b.c"} }

// randomRoutes have W in place of a word.
var randomRoutes = []string{
	"/W", "/v1/W", "/v1/streams/W/events", "/v1/streams/W", "/v1/streams/W/W", "/v1/streams/W/events/W", "/v1/sinks/W", "/v1/sinks/W/acks", "/v1/sinks/W/W",
	"/v1/broadcast/W", "/v1/channels/W", "/livez?W=W", "/v1/streams?prefix=W", "/v1/broadcast/ws?channel=W&W=W", "/v1/readers/ws?stream=W&ticket=W", "/debug/pprof/W", "/metrics/W",
}

var randomMethods = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "W"}

// ask sends one request with this word. What is answered does not matter.
func ask(h *testHub, route, method, token, word string) {
	fill := strings.NewReplacer("W", word).Replace
	request, err := http.NewRequestWithContext(h.t.Context(), fill(method), h.base+fill(route), strings.NewReader(`{"data":"`+word+`"}`))
	if err != nil {
		h.t.Error(err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", word)
	request.Header.Set("X-Request-Id", word)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := h.via.RoundTrip(request)
	if err != nil {
		h.t.Error(err)
		return
	}
	_ = answer.Body.Close()
}

// series are all of /metrics, by name and labels.
func series(h *testHub) map[string]bool {
	h.t.Helper()
	list := map[string]bool{}
	answer := h.call("GET", "/metrics", "")
	if answer.StatusCode != http.StatusOK {
		h.t.Fatalf("/metrics: %d %s", answer.StatusCode, answer.body)
	}
	for line := range strings.Lines(string(answer.body)) {
		if !strings.HasPrefix(line, "#") {
			list[line[:strings.LastIndexByte(line, ' ')]] = true
		}
	}
	return list
}
