#!/usr/bin/env bash
# UCloud event streams, "Consuming a batch of messages": by size (maxBatchSize) and latency (maxLatency).
#
#   [HUB=URL] [HUB2=URL] consume-batch.sh [EVENTS [SIZE [LATENCY_MS]]]
#
# A batch is complete when it has SIZE events, or LATENCY_MS after its first one. A
# WebSocket of the sink does that by itself (batch=1000&max_latency=500ms); a worker
# without a connection gathers with several pulls, as this one does, which need not
# ask the hub that the events were published to.
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} run=$$-$RANDOM
events=${1:-2500} size=${2:-1000} latency=${3:-500}
stream=jobs-$run sink=${HUB2:-$hub}/v1/sinks/batches-$run
trap 'curl -s -X DELETE "$sink" "$hub/v1/streams/$stream"' EXIT

post() { curl -sSf --data-binary @- "$1"; }
now() { jq -n 'now * 1000 | floor'; } # in milliseconds

# batch prints events, one a line: nothing when there were none for 5 s.
batch() {
	local wait=5000 end='' count=0 page
	while [ $count -lt "$size" ] && [ "$wait" -ge 0 ]; do
		page=$(post "$sink/pull?stream=$stream&from=oldest" <<<"{\"max\":$((size - count)),\"wait\":\"${wait}ms\"}" | jq -c '.events[]')
		[ -n "$page" ] || break
		end=${end:-$(($(now) + latency))}
		echo "$page"
		count=$((count + $(wc -l <<<"$page")))
		wait=$((end - $(now)))
	done
}

for ((first = 1; first <= events; first += 1000)); do # a request may have 1,000
	jq -nc "[range($first; [$first + 1000, $events + 1] | min) | {data: .}]" |
		post "$hub/v1/streams/$stream/events" | jq -r '"\(.ids | length) produced"'
done
for ((received = 0; received < events; received += count)); do
	batch=$(batch)
	[ -n "$batch" ] || exit 1
	count=$(wc -l <<<"$batch")
	jq -rs '"received a batch of \(length), \(first.data) to \(last.data)"' <<<"$batch"
	jq -cs '{stream: first.stream, ids: map(.id)}' <<<"$batch" | post "$sink/acks" | jq -r '"\(.acked | length) acknowledged"'
done
