#!/usr/bin/env bash
# Pulse streaming, reading from multiple streams: a sink to which one is added and taken from, and a reader with one place in all.
#
#   [HUB=URL] [HUB2=URL] streams.sh
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} other=${HUB2:-${HUB:-http://127.0.0.1:8080}}
run=$$-$RANDOM sink=my-sink-$$-$RANDOM
mine=my-stream-$run others=my-other-stream-$run
trap 'curl -s -X DELETE "$hub"/v1/{sinks/"$sink",streams/{"$mine","$others"}}' EXIT

post() { curl -sSf -d "$2" "$1"; }
show() { jq -r '"stream: \(.stream), event: \(.type), payload: \(.data)"' | sed "s/-$run//" | sort; }

# add STREAM NUMBER adds an event.
add() { post "$hub/v1/streams/$1/events" "{\"type\":\"event $2\",\"data\":\"payload $2\"}" | jq -e .id >/dev/null; }

# streams STREAM … sets what the sink reads.
streams() {
	curl -sSf -X PUT -d "$(jq -nc '{streams: $ARGS.positional, from: "oldest"}' --args "$@")" \
		"$hub/v1/sinks/$sink" | jq -r '"the sink reads \(.config.streams | length) streams"'
}

# take HUB prints the next event of the sink, and acknowledges it.
take() {
	local event
	event=$(post "$1/v1/sinks/$sink/pull" '{"max":1,"wait":"20s"}' | jq -ce '.events[]')
	echo "$event"
	post "$1/v1/sinks/$sink/acks" "$(jq -c '{stream, ids: [.id]}' <<<"$event")" | jq -e '.acked[]' >/dev/null
}

# feed FROM COUNT prints so many events of both streams; the line before each is its id.
feed() {
	local line reader count=$2
	exec {feed}< <(exec curl -sSfN --max-time 60 -G -d "stream=$mine" -d "stream=$others" --data-urlencode "from=$1" "$other/v1/readers/sse")
	reader=$!
	while [ "$count" -gt 0 ] && read -r -u "$feed" line; do
		echo "$line"
		[[ $line != data:* ]] || count=$((count - 1))
	done
	kill "$reader"
}

streams "$mine"
add "$mine" 1
streams "$mine" "$others"
add "$others" 2
{ take "$hub" && take "$other"; } | show
streams "$mine"
add "$others" 3
post "$hub/v1/sinks/$sink/pull" '{}' | jq -r '"the sink gets \(.events | length) events"'

two=$(feed oldest 2)
place=$(sed -n 's/^id: //p' <<<"$two" | tail -n 1)
echo 'the reader, that comes again after two of them:'
{ echo "$two" && feed "after:$place" 1; } | sed -n 's/^data: //p' | show
