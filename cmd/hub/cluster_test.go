package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// onCluster is the test that runs others once more on a cluster.
const onCluster = "TestSinksOnCluster"

// everythingOnCluster says whether all tests that can are to run on a cluster; `make
// test-cluster` says so. Forming one takes 2 s for each test, so the rest of the time some do.
func everythingOnCluster() bool { return os.Getenv("EVENTHUB_TEST_CLUSTER") != "" }

// testRedis is a Redis that belongs to one test: a single server, or a cluster of
// three.
type testRedis struct {
	url    string
	client func(testing.TB) redis.UniversalClient
}

func (r testRedis) URL() string { return r.url }

func (r testRedis) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	return r.client(t)
}

// startRedis starts one. Tests that break a server, or look into it, start a single one
// by redistest instead.
func startRedis(t *testing.T) testRedis {
	t.Helper()
	if everythingOnCluster() || strings.HasPrefix(t.Name(), onCluster+"/") {
		c := redistest.StartCluster(t, 3)
		return testRedis{c.URL(), func(t testing.TB) redis.UniversalClient { return c.Client(t) }}
	}
	s := redistest.Start(t)
	return testRedis{s.URL(), func(t testing.TB) redis.UniversalClient { return s.Client(t) }}
}

// onEveryNode does something with each server of a Redis, one after another.
func onEveryNode(t *testing.T, client redis.UniversalClient, do func(ctx context.Context, node *redis.Client) error) error {
	t.Helper()
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return do(t.Context(), client.(*redis.Client))
	}
	var mu sync.Mutex // protects what do changes
	return cluster.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		return do(ctx, node)
	})
}

// flushAll has a Redis forget everything.
func flushAll(t *testing.T, client redis.UniversalClient) error {
	t.Helper()
	return onEveryNode(t, client, func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() })
}

// clusterTests are those of sinks, streams, readers and broadcast that also a run of all
// tests does on a cluster, by the promise's name.
var clusterTests = map[string]func(*testing.T){
	"settings are shared":        TestSettingsAreStoredOnceAndSharedByAllHubs,
	"verbs over REST":            TestVerbsOverRESTAreAnsweredPerID,
	"thousands of ids":           TestThousandsOfIDsInOneCallAreAnsweredEach,
	"late ack":                   TestLateAckStopsTheRedelivery,
	"restarts of all hubs":       TestAttemptIsTrueAfterRestartsOfAllHubs,
	"poison event":               TestPoisonEventBecomesADeadLetterAndHoldsNobodyUp,
	"redrive after trimming":     TestRedrivenEventOutlivesTheLog,
	"streams added and removed":  TestStreamsAreAddedAndRemovedLive,
	"six streams of one sink":    TestSixStreamsOfOneSinkAreAllDeliveredAgain,
	"filters":                    TestFilteredEventsAreAcknowledgedAtOnce,
	"at most once":               TestEventsOfAnAtMostOnceSinkAreNeverPending,
	"strict: one at a time":      TestStrictSinkServesOneConsumerInTheCluster,
	"strict: failed first":       TestStrictSinkRepeatsAFailedEventBeforeAnythingBehindIt,
	"strict: takeover":           TestStrictSinkIsTakenOverWhenItsHubIsKilled,
	"pull makes the sink":        TestPullMakesTheSinkAndWakesOnAPublish,
	"pulled leases outlive hubs": TestLeasesOfPulledEventsOutliveTheHub,
	"seek":                       TestSeekMovesASinkEverywhere,
	"1,500 events of a dead hub": TestHubKilledWith1500UnackedEventsLosesNoTime,
	"figures":                    TestFiguresAreRightAfterDeletesAndFromMidStream,
	"whatever consumers do":      TestNothingIsLostWhateverConsumersDo,
	"several streams in one":     TestOneRequestOverSeveralStreams,
	"same key":                   TestSameKeyIsStoredOnceAndAnsweredAlikeOnEveryHub,
	"list of streams":            TestStreamsAreListedByNamePrefixAndPage,
	"deleted stream":             TestDeletedStreamStaysGoneAndItsSinksAndReadersGoOnWithTheNext,
	"gaps of sinks":              TestGapFrameCountsExactlyWhatASinkLost,
	"replay turns live":          TestReplayTurnsLiveWithNothingLostDoubledOrOutOfOrder,
	"cursors of three streams":   TestReaderOfThreeStreamsResumesEachExactlyOnAnotherHub,
	"broadcast: nothing missed":  TestNothingIsMissedAfterReady,
	"broadcast: a cut":           TestCutSubscriptionIsRepairedAndWhatIsMissingAnnounced,
	"broadcast: no false gaps":   TestSubscribersComeAndGoAndHearEverythingOnceAndNoGap,
	"occupancy":                  TestOccupancyIsRightOverAllHubsWithin5s,
}

func TestSinksOnCluster(t *testing.T) {
	t.Parallel()
	if everythingOnCluster() {
		return // all of them run there by themselves
	}
	for name, test := range clusterTests {
		t.Run(name, test)
	}
}
