package main

import (
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// onCluster is the test that runs others once more on a cluster.
const onCluster = "TestSinksOnCluster"

// everythingOnCluster has it run all that can run there; `make test-cluster` sets
// it. Forming a cluster takes 2 s for each test, so the rest of the time some do.
const everythingOnCluster = "EVENTHUB_TEST_CLUSTER"

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

func startRedis(t *testing.T) testRedis {
	t.Helper()
	if strings.HasPrefix(t.Name(), onCluster+"/") {
		c := redistest.StartCluster(t, 3)
		return testRedis{c.URL(), func(t testing.TB) redis.UniversalClient { return c.Client(t) }}
	}
	s := redistest.Start(t)
	return testRedis{s.URL(), func(t testing.TB) redis.UniversalClient { return s.Client(t) }}
}

// clusterTests are the tests of sinks, streams, readers and broadcast by the promise's
// name; those with true are the short form. Left out are those that look into a single
// server, and those of requests that never reach Redis.
var clusterTests = map[string]struct {
	short bool
	test  func(*testing.T)
}{
	"settings are shared":          {true, TestSettingsAreStoredOnceAndSharedByAllHubs},
	"contradictions":               {false, TestContradictionIsAConflictThatNamesBothValues},
	"live changes":                 {false, TestLiveChangeReachesTheOtherHub},
	"pages of sinks":               {false, TestSinksAreListedByNameAndPage},
	"verbs over REST":              {true, TestVerbsOverRESTAreAnsweredPerID},
	"verbs of a socket":            {false, TestVerbsOfASocketConcernWhatItHolds},
	"thousands of ids":             {true, TestThousandsOfIDsInOneCallAreAnsweredEach},
	"up to":                        {false, TestUpToAcksWhatIsPendingAndNeverMovesBack},
	"up to of a socket":            {false, TestUpToOfASocketAcksWhatItHolds},
	"extend":                       {false, TestExtendKeepsAnEventWithItsHandler},
	"late ack":                     {true, TestLateAckStopsTheRedelivery},
	"credit of a nacked event":     {false, TestNackOfAnotherConnectionsEventOverRESTFreesItsCredit},
	"back-off":                     {false, TestNackAndTimeoutWaitTheBackoffAlike},
	"restarts of all hubs":         {true, TestAttemptIsTrueAfterRestartsOfAllHubs},
	"delayed over a restart":       {false, TestAckOfADelayedEventAfterARestartOfAllHubs},
	"poison event":                 {true, TestPoisonEventBecomesADeadLetterAndHoldsNobodyUp},
	"redrive":                      {false, TestDeadLettersAreRedrivenSomeOrAll},
	"redrive after trimming":       {true, TestRedrivenEventOutlivesTheLog},
	"redrive and a dead hub":       {false, TestRedrivenEventOutlivesItsHub},
	"pages of dead letters":        {false, TestDeadLettersArePagedAndPurged},
	"undecodable entries":          {false, TestUndecodableEntriesBecomeDeadLettersAndBlockNobody},
	"reasons of dead letters":      {false, TestDeadLettersTellWhyTheyDied},
	"dead letter of a dead hub":    {false, TestDeadLetterOfAHubThatDied},
	"nothing missed after ready":   {false, TestNothingPublishedAfterReadyIsMissed},
	"start at a time":              {false, TestStartAtATimeIsInclusive},
	"streams added and removed":    {true, TestStreamsAreAddedAndRemovedLive},
	"six streams of one sink":      {true, TestSixStreamsOfOneSinkAreAllDeliveredAgain},
	"one connection, six streams":  {false, TestOneConnectionOfSixStreamsIsDeliveredAllAgain},
	"filters":                      {true, TestFilteredEventsAreAcknowledgedAtOnce},
	"changed filter":               {false, TestRedeliveryRespectsAChangedFilter},
	"manual credit":                {false, TestManualCreditIsAllThatIsDelivered},
	"pause":                        {false, TestPausedConsumerGetsNothingUntilItResumes},
	"batches":                      {false, TestFullBatchComesAtOnceInOneFrame},
	"gathered events":              {false, TestGatheredEventsDoNotTimeOutInTheHub},
	"max_bytes":                    {false, TestMaxBytesBoundsWhatAConsumerHolds},
	"at most once":                 {true, TestEventsOfAnAtMostOnceSinkAreNeverPending},
	"strict: one at a time":        {true, TestStrictSinkServesOneConsumerInTheCluster},
	"strict: each stream":          {false, TestStrictSinkServesEachStreamByItself},
	"strict: failed first":         {true, TestStrictSinkRepeatsAFailedEventBeforeAnythingBehindIt},
	"strict: timed out first":      {false, TestStrictSinkRepeatsATimedOutEventBeforeAnythingBehindIt},
	"strict: takeover":             {true, TestStrictSinkIsTakenOverWhenItsHubIsKilled},
	"strict: a hub stood still":    {false, TestStrictSinkHasOneConsumerAfterAHubStoodStill},
	"strict: dead letter":          {false, TestStrictSinkGoesOnWhenAnEventIsADeadLetter},
	"strict: pulls":                {false, TestStrictSinkIsPulledInOrder},
	"pull makes the sink":          {true, TestPullMakesTheSinkAndWakesOnAPublish},
	"pull takes its max":           {false, TestPullTakesNoMoreThanItsMax},
	"pulled events come again":     {false, TestPulledEventsComeAgainToPullsAndSocketsAlike},
	"pulls and sockets":            {false, TestPullsAndSocketsShareASink},
	"pulled leases outlive hubs":   {true, TestLeasesOfPulledEventsOutliveTheHub},
	"pending":                      {false, TestPendingTellsWhoHoldsWhatForHowLong},
	"seek":                         {true, TestSeekMovesASinkEverywhere},
	"seek of one stream":           {false, TestSeekConcernsOneStreamAndOneSink},
	"expiry":                       {false, TestUnusedSinkExpiresWithALogLine},
	"1,500 events of a dead hub":   {true, TestHubKilledWith1500UnackedEventsLosesNoTime},
	"behind extended events":       {false, TestEventsBehindExtendedOnesAreReclaimed},
	"figures":                      {true, TestFiguresAreRightAfterDeletesAndFromMidStream},
	"pending stays pending":        {false, TestSlowConsumersEventsStayPendingWhileHubsComeAndGo},
	"a backlog drains":             {false, TestBacklogDrainsByItself},
	"trimmed events":               {false, TestTrimmedEventsAreOwedNoLonger},
	"whatever consumers do":        {true, TestNothingIsLostWhateverConsumersDo},
	"two hubs share a sink":        {false, TestConsumersOnTwoHubsShareASink},
	"a closed connection":          {false, TestEventsOfAClosedConnectionGoToAnotherHubAtOnce},
	"a second close":               {false, TestSecondCloseWaitsBeforeItsEventsComeAgain},
	"ack_wait":                     {false, TestUnackedEventComesAgainAfterAckWait},
	"an ack on another hub":        {false, TestAckOnAnotherHubFreesCredit},
	"prefetch":                     {false, TestPrefetchIsNeverExceeded},
	"several streams":              {false, TestSeveralStreamsShareOneConnection},
	"nacked events":                {false, TestNackedEventComesAgainWhenItIsDue},
	"start positions":              {false, TestStartPositions},
	"consumers of all hubs":        {false, TestConsumersOfAllHubsAreListed},
	"acks before a close":          {false, TestAcksBeforeACloseCount},
	"delayed, and the owner left":  {false, TestDelayedEventOfAConsumerThatLeftGoesToAnotherHub},
	"a further stream":             {false, TestFurtherStreamOfASinkStartsWhereTheSinkSays},
	"a backlog of large events":    {false, TestLargeBacklogOfLargeEventsIsDelivered},
	"deleted while it was pending": {false, TestDeletedEventThatIsPendingIsOwedNoLonger},

	"forms of publishing":         {false, TestEveryFormOfPublishingIsStoredAsItWasSent},
	"examples":                    {false, TestExamplesPrintOnTwoHubsWhatTheyShow},
	"several streams in one":      {true, TestOneRequestOverSeveralStreams},
	"same key":                    {true, TestSameKeyIsStoredOnceAndAnsweredAlikeOnEveryHub},
	"a batch stored in part":      {false, TestBatchOfWhichSomeEventsAreReplaysIsStoredInPart},
	"keys of several streams":     {false, TestKeysCountInEachStreamOfARequest},
	"keys expire":                 {false, TestKeysExpire},
	"keys end with their stream":  {false, TestKeysEndWithTheirStream},
	"concurrent duplicates":       {false, TestConcurrentDuplicatesOnTwoHubsAreStoredOnce},
	"settings of a stream":        {false, TestStreamIsMadeChangedAndShownAlikeOnEveryHub},
	"figures of a stream":         {false, TestFiguresOfAStream},
	"list of streams":             {true, TestStreamsAreListedByNamePrefixAndPage},
	"one event":                   {false, TestOneEventIsReadAndDeleted},
	"deleted stream":              {true, TestDeletedStreamStaysGoneAndItsSinksAndReadersGoOnWithTheNext},
	"declared streams":            {false, TestStreamsDeclaredByConfigurationAreThereFromTheStart},
	"ttl":                         {false, TestTTLEndsAStreamWithAllItsEvents},
	"gaps of sinks":               {true, TestGapFrameCountsExactlyWhatASinkLost},
	"a stream that rejects":       {false, TestFullStreamThatRejectsStoresExactlyWhatItAccepts},
	"max_age":                     {false, TestOldEventsWaitForTheSinksThatOweThem},
	"prune":                       {false, TestPruneSaysWhatItWouldRemoveAndRemovesIt},
	"replay turns live":           {true, TestReplayTurnsLiveWithNothingLostDoubledOrOutOfOrder},
	"readers miss nothing":        {false, TestReadersMissNothingThatIsPublishedAfterReady},
	"independent readers":         {false, TestReadersOfTheSameStreamAreIndependent},
	"start positions of readers":  {false, TestEveryStartPositionOfAReader},
	"filters of readers":          {false, TestFiltersOfAReader},
	"cursors of three streams":    {true, TestReaderOfThreeStreamsResumesEachExactlyOnAnotherHub},
	"resumed by an id":            {false, TestReaderResumesStrictlyBehindTheLastID},
	"trimmed places":              {false, TestPlaceThatWasTrimmedYieldsAGapFirst},
	"cursor of a deleted stream":  {false, TestCursorOfADeletedStreamYieldsAResetFirst},
	"commands of readers":         {false, TestCommandsOfAReader},
	"events of other programs":    {false, TestReadersSeeEventsOfOtherProgramsSoon},
	"resumed after a hub's death": {false, TestReaderOfAKilledHubResumesOnAnotherWithNothingMissingOrDoubled},
	"event streams":               {false, TestEventStreamsAreAsBrowsersAndProxiesWantThem},
	"pages":                       {false, TestPagesTellAllOfAStreamAndGoOnWithWhatComes},
	"pages that wait":             {false, TestPageWaitsUntilSomethingIsPublishedOnAnyHub},
	"sockets publish":             {false, TestEverySocketPublishesToStreamsAndChannels},
	"order of a socket":           {false, TestPublishesOfASocketAreStoredInTheirOrder},
	"identical data":              {false, TestDataComesBackIdenticalWhicheverWayItIsRead},

	"broadcast: nothing missed":      {true, TestNothingIsMissedAfterReady},
	"broadcast: order of one call":   {false, TestMessagesOfOneCallComeInTheirOrder},
	"broadcast: order of callers":    {false, TestMessagesOfConcurrentCallersComeEachInItsOrder},
	"broadcast: filters":             {false, TestFiltersConcernAllChannelsOfASubscriber},
	"broadcast: foreign messages":    {false, TestForeignMessagesAreEventsWithoutTopicAndType},
	"broadcast: from ok to ok":       {false, TestSubscribedChannelIsHeardOnceFromOkToOk},
	"broadcast: thousand channels":   {false, TestThousandChannelsOfASocketAreAllLive},
	"broadcast: a cut":               {true, TestCutSubscriptionIsRepairedAndWhatIsMissingAnnounced},
	"broadcast: a cut in silence":    {false, TestCutSubscriptionIsAnnouncedThoughNobodySpeaks},
	"broadcast: hubs come and go":    {false, TestHubsComeAndGoAndNobodyIsToldOfAGap},
	"broadcast: no false gaps":       {true, TestSubscribersComeAndGoAndHearEverythingOnceAndNoGap},
	"occupancy":                      {true, TestOccupancyIsRightOverAllHubsWithin5s},
	"occupancy and dead hubs":        {false, TestSubscribersOfAHubThatWasKilledOrDrainedCountNoLonger},
	"pages of channels":              {false, TestChannelsAreListedByNamePrefixAndPageOverAllHubs},
	"occupancy after all is flushed": {false, TestOccupancyHealsWhenRedisHasForgottenIt},
}

func TestSinksOnCluster(t *testing.T) {
	t.Parallel()
	everything := os.Getenv(everythingOnCluster) != ""
	for name, row := range clusterTests {
		if row.short || everything {
			t.Run(name, row.test)
		}
	}
}
